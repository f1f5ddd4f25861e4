"""One HTML page and PNG files of a run, or of several side by side: `resbench report RUN...`."""

import argparse
import webbrowser
from pathlib import Path

from resbench.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench report``."""
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="folder of a run (runs/NAME/HASH), a record, or a folder of runs; at most 8 runs",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("report"), metavar="DIR", help="folder of the report (default: %(default)s)"
    )
    parser.add_argument(
        "--layers",
        action="append",
        default=[],
        metavar="NAME",
        help="layers whose tiles are drawn, such as 'layer3.*'; can be given several times (default: the first 6)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run(args: argparse.Namespace) -> int:
    """Write the report, say where it is, and return 0.

    Raises:
        UserError: for a place without a run, for a layer that no run has, or if ``--out`` cannot be written.
    """
    from resbench.report.page import write_report
    from resbench.report.runs import find_runs, read_run

    runs = [read_run(place) for place in find_runs(args.runs)]
    try:
        page, *figures = write_report(runs, args.out, args.layers)
    except OSError as error:
        raise UserError(f"--out {args.out}: {error.strerror}; name a folder that can be written") from error
    print(f"{page}, and {len(figures)} figures as PNG files beside it")
    if args.open and not webbrowser.open(page.resolve().as_uri()):
        raise UserError(f"--open: there is no browser here; open {page} yourself")
    return 0
