"""Kills a small run again and again, resumes it, and compares its result with that of an uninterrupted run."""

import argparse
import tempfile
from pathlib import Path

from tests.training.killing import experiment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m tests.fuzz kills``."""
    parser.add_argument("--count", type=int, default=100, help="kills that hit a run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", action="store_true", help="start each run in a fresh process, as users do")


def run(args: argparse.Namespace) -> int:
    """Kill, resume and compare. A different result raises an error with the place of the first difference."""
    with tempfile.TemporaryDirectory() as folder:
        ends, duration = experiment(Path(folder), args.count, args.seed, args.processes)
    print(f"{args.count} kills, {ends} ends equal to the uninterrupted run, which takes {duration:.1f} s")
    return 0
