"""Write the weights of a run as a file for plain torch: `resbench export RUN --to FILE`."""

import argparse
from pathlib import Path

from resbench.training.process import fast_imports


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench export``."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of the run: runs/NAME/HASH")
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="file of safetensors to write")
    parser.add_argument(
        "--trust", action="append", default=[], metavar="MODULE", help="allow the config to name classes of this module"
    )


def run(args: argparse.Namespace) -> int:
    """Write the logical weights of the newest checkpoint of a run and return 0.

    Raises:
        UserError: where there is no checkpoint, or the file cannot be written.
    """
    with fast_imports():
        from resbench.training.export import export

    return export(args.folder, args.to, args.trust)
