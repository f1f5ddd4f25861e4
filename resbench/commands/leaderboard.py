"""Compile records into the leaderboard: print it, and write it as Markdown, CSV, JSON, LaTeX and one HTML page."""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from resbench.errors import UserError

if TYPE_CHECKING:
    from resbench.leaderboard.tables import Leaderboard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench leaderboard``."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--records",
        type=Path,
        default=Path("leaderboards/records"),
        metavar="DIR",
        help="folder of records (default: %(default)s)",
    )
    source.add_argument(
        "--from-wandb", metavar="ENTITY/PROJECT", help="read the records from a project of Weights & Biases"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="also write leaderboard.html, .md, .csv, .json and .tex to this folder"
    )
    parser.add_argument("--figures", type=Path, metavar="DIR", help="also draw each track as TRACK.svg in this folder")
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="DIR",
        help="also write a folder for a static host: page, tables, figures, and the records as a data set",
    )


def run(args: argparse.Namespace) -> int:
    """Print the leaderboard as Markdown and return 0.

    Raises:
        UserError: where there is no file to compile, or one of the folders cannot be written. If it is about the
            folder of ``--publish``, nothing was written at all.
    """
    from resbench.leaderboard.compile import compile_leaderboard
    from resbench.leaderboard.figures import write_figures
    from resbench.leaderboard.markdown import to_markdown
    from resbench.leaderboard.publish import PARQUET, check_place, publish
    from resbench.leaderboard.render import write_leaderboard

    if args.publish is not None:
        if args.from_wandb:
            raise UserError("--publish: needs the files of the records; download them, and write --records DIR")
        check_place(args.records, args.publish)
    try:
        leaderboard = _from_wandb(args.from_wandb) if args.from_wandb else compile_leaderboard(args.records)
    except FileNotFoundError as error:
        raise UserError(
            f"{error}.\nEach `resbench fit` writes one; name their folder: resbench leaderboard --records DIR."
        ) from error
    print(to_markdown(leaderboard), end="")
    records = None if args.from_wandb else args.records
    writers: list[tuple[str, Path | None, Callable[[Path], list[Path]]]] = [
        ("out", args.out, lambda out: write_leaderboard(leaderboard, out, records)),
        ("figures", args.figures, lambda out: write_figures(leaderboard, out)),
        ("publish", args.publish, lambda out: publish(leaderboard, args.records, out)),
    ]
    for option, folder, write in writers:
        if folder is not None:
            try:
                paths = write(folder)
            except OSError as error:
                raise UserError(f"--{option} {folder}: {error.strerror}; name a folder that can be written") from error
            if option == "publish" and folder / PARQUET not in paths:
                print(f"without {PARQUET}: pip install 'resbench[parquet]'", file=sys.stderr)
    return 0


def _from_wandb(project: str) -> "Leaderboard":
    from resbench.leaderboard.compile import compile_runs
    from resbench.leaderboard.wandb_source import read_wandb

    if not re.fullmatch(r"[^/\s]+/[^/\s]+", project):
        raise UserError(f"--from-wandb {project}: write ENTITY/PROJECT, for example my-team/resbench")
    import wandb

    try:
        runs, rejected = read_wandb(project, wandb.Api())
    except (ValueError, wandb.Error) as error:
        raise UserError(f"--from-wandb {project}: {' '.join(str(error).split())}") from error
    if not (runs or rejected):
        raise UserError(f"--from-wandb {project}: there are no runs; upload some with wandb sync")
    return compile_runs(runs, rejected)
