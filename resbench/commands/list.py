"""`resbench list`: list what can be named in a YAML file, without importing it."""

import argparse
from pathlib import Path

from resbench.config.files import folders
from resbench.errors import UserError
from resbench.records.text import aligned
from resbench.registry import SHELVES, Offer, offers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kind of thing to list."""
    parser.add_argument("kind", choices=[*SHELVES, "configs"], help="what to list")


def run(args: argparse.Namespace) -> int:
    """Print a line for each thing of this kind: the path to write in YAML, then a description.

    For a published device it ends with how its parameters were obtained, and their source.
    """
    rows = configs() if args.kind == "configs" else [(offer.path, _about(offer)) for offer in offers(args.kind)]
    for line in aligned(rows):
        print(line)
    return 0


def _about(offer: Offer) -> str:
    source = offer.said("source") if offer.kind == "devices" else ""
    return f"{offer.summary} ({offer.said('obtained')}: {source})" if source else offer.summary


def configs() -> list[tuple[str, str]]:
    """Path and opening comment of every YAML file in `./configs`, or of those that come with the package."""
    for folder in folders():
        if folder.is_dir():
            return [(str(path), _opening_comment(path)) for path in sorted(folder.glob("**/*.yaml"))]
    raise UserError("there is no folder 'configs' here: run it in a checkout of resbench")


def _opening_comment(path: Path) -> str:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""
