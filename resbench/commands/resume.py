"""Continue a run that was killed or interrupted: `resbench resume RUN_DIR`."""

import argparse
from pathlib import Path

from resbench.training.process import fast_imports


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench resume``."""
    parser.add_argument("folder", type=Path, metavar="RUN_DIR", help="folder of the run: runs/NAME/HASH.attempt")
    parser.add_argument(
        "--trust", action="append", default=[], metavar="MODULE", help="allow the config to name classes of this module"
    )


def run(args: argparse.Namespace) -> int:
    """Continue the run from its newest checkpoint and return the exit status of ``resbench fit``.

    Raises:
        UserError: where there is no run to continue.
    """
    with fast_imports():
        from resbench.training.resume import resume

    return resume(args.folder, args.trust)
