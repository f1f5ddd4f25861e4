"""Compile records into the leaderboard: print it, and write it as Markdown, CSV, JSON, LaTeX and one HTML page."""

import argparse
from pathlib import Path

from resbench.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench leaderboard``."""
    parser.add_argument(
        "--records",
        type=Path,
        default=Path("leaderboards/records"),
        metavar="DIR",
        help="folder of records (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="also write leaderboard.html, .md, .csv, .json and .tex there"
    )


def run(args: argparse.Namespace) -> int:
    """Print the leaderboard as Markdown and return 0.

    Raises:
        UserError: where there is no file to compile, or ``--out`` cannot be written.
    """
    from resbench.leaderboard.compile import compile_leaderboard
    from resbench.leaderboard.markdown import to_markdown
    from resbench.leaderboard.render import write_leaderboard

    try:
        leaderboard = compile_leaderboard(args.records)
    except FileNotFoundError as error:
        raise UserError(
            f"{error}.\nEach `resbench fit` writes one; name their folder: resbench leaderboard --records DIR."
        ) from error
    print(to_markdown(leaderboard), end="")
    if args.out is not None:
        try:
            write_leaderboard(leaderboard, args.out)
        except OSError as error:
            raise UserError(f"--out {args.out}: {error.strerror}; name a folder that can be written") from error
    return 0
