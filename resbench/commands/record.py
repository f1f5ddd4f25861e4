"""Show a record, and check files: `resbench record show FILE`, `resbench record validate FILE...`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resbench.records.schema import Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench record``."""
    actions = parser.add_subparsers(dest="action", required=True)
    validate = actions.add_parser(
        "validate",
        help="check whether files are valid records",
        description="Print one line a file; exit status 1 if any is invalid.",
        allow_abbrev=False,
    )
    validate.add_argument("files", nargs="+", type=Path, metavar="FILE", help="records of runs, JSON files")
    show = actions.add_parser("show", help="print a summary of a record", allow_abbrev=False)
    show.add_argument("file", type=Path, metavar="FILE", help="record of a run, a JSON file")


def run(args: argparse.Namespace) -> int:
    """Show one record, or check files; returns 0, or 1 if a checked file is invalid.

    Raises:
        UserError: where the file to show is not a record.
    """
    if args.action == "validate":
        return _validate(args.files)
    from resbench.records.schema import record_or_refuse
    from resbench.records.text import aligned, one_line

    facts = _facts(record_or_refuse(args.file))
    print("\n".join(aligned([(name, one_line(text)) for name, text in facts.items()])))
    return 0


def _validate(files: list[Path]) -> int:
    from resbench.records.schema import RecordError, read_record
    from resbench.records.text import printable

    invalid = 0
    for path in files:
        name = printable(path.as_posix())
        try:
            record = read_record(path)
        except RecordError as error:
            invalid += 1
            print(f"{name}: invalid: {error}")
        else:
            print(f"{name}: valid: {record.status}, {record.track.name}, {record.algorithm.title}, seed {record.seed}")
    return 1 if invalid else 0


def _facts(record: "Record") -> dict[str, str]:
    """The most important facts of a run, by name."""
    from resbench.leaderboard.wording import facts, precision
    from resbench.records.text import counted

    tiles = [tile for layer in record.layers for tile in layer.tiles]
    git = record.git
    commit = "not a checkout" if git is None else f"{git.commit}{', with uncommitted changes' if git.dirty else ''}"
    device = f" on {record.device.name}, {precision(record.states)}" if record.device else ""
    shown = {
        "run": f"{record.run_id}: {record.status}" + (f": {record.error}" if record.error else ""),
        "track": f"{record.track.name}: {'; '.join(facts(record.track))}",
        "algorithm": f"{record.algorithm.title}, {counted(record.tiles, 'tile')}{device}",
        "seed": f"{record.seed}, config {record.config_hash}",
        "final": ", ".join(f"{name} {value:.4f}" for name, value in record.final.items()) or "none",
        "training": f"{len(record.epochs)} epochs, {record.steps:,} steps, {record.wall_time_s:,.1f} s, "
        f"{record.steps_per_s:,.1f} steps/s",
    }
    if tiles:
        pulses = sum(tile.pulses_up + tile.pulses_down for tile in tiles)
        shown["pulses"] = f"{pulses:,}, at most {max(tile.max_writes for tile in tiles):,} on one device"
    shown["made with"] = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    shown["made on"] = f"{record.hardware.cpu}, {record.hardware.threads} threads, {record.hardware.device}"
    shown["commit"] = commit
    return shown
