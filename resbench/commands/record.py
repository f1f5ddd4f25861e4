"""Check files against the schema of records: `resbench record validate FILE...`."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench record``."""
    actions = parser.add_subparsers(dest="action", required=True)
    validate = actions.add_parser(
        "validate",
        help="say of each file whether it is a valid record",
        description="Print one line a file; exit status 1 if any is invalid.",
        allow_abbrev=False,
    )
    validate.add_argument("files", nargs="+", type=Path, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Check each file; return 0 if all are valid records, else 1."""
    from resbench.leaderboard.records import RecordError, read_record

    invalid = 0
    for path in args.files:
        try:
            record = read_record(path)
        except RecordError as error:
            invalid += 1
            print(f"{path}: invalid: {error}")
        else:
            print(f"{path}: valid: {record.status}, {record.track.name}, {record.algorithm.name}, seed {record.seed}")
    return 1 if invalid else 0
