"""Kill a small run again and again, resume it, and compare its end with that of one that was never stopped."""

import argparse
import tempfile
from pathlib import Path

from tests.training.killing import experiment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m tests.fuzz kills``."""
    parser.add_argument("--count", type=int, default=100, help="kills that hit a run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", action="store_true", help="a fresh process for each start, as users have")


def run(args: argparse.Namespace) -> int:
    """Kill, resume and compare; an end that differs raises with the place of the first difference."""
    with tempfile.TemporaryDirectory() as folder:
        ends, duration = experiment(Path(folder), args.count, args.seed, args.processes)
    print(f"{args.count} kills, {ends} ends equal to the uninterrupted run, which takes {duration:.1f} s")
    return 0
