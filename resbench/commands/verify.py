"""Run a record's config again and say whether the metrics are equal: `resbench verify RECORD`."""

import argparse
import os
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from resbench.errors import UserError
from resbench.records.text import counted, one_line

if TYPE_CHECKING:
    from resbench.leaderboard.verification import Verdict
    from resbench.records.schema import Record

#: So many processes of one training are started on any machine; more only where there are more processors.
MOST_PROCESSES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench verify``."""
    parser.add_argument("record", type=Path, metavar="RECORD", help="record of a run, a JSON file")
    parser.add_argument("--epochs", type=int, metavar="K", help="train and compare the first K epochs only")
    parser.add_argument("--dry-run", action="store_true", help="print what would be run, without running it")
    parser.add_argument("--data-root", metavar="DIR", help="folder of the data, instead of the record's")
    parser.add_argument("--weights", metavar="FILE", help="file of the weights that the run started from")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.02,
        help="largest difference of metrics if versions or device differ: absolute for fractions, otherwise relative "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--trust", action="append", default=[], metavar="MODULE", help="allow the config to name classes of this module"
    )


def run(args: argparse.Namespace) -> int:
    """Run the config of a record; return 0 if the metrics are equal, or close in another environment, and else 1.

    Raises:
        UserError: for a file that is not a record, a hash that does not match its config, or a run without metrics.
    """
    from resbench.records.described import contradictions
    from resbench.records.schema import RecordError, read_record

    try:
        record = read_record(args.record)
    except RecordError as error:
        raise UserError(f"{args.record}: {error}; a record is verified as it was written") from None
    _check(args, record)
    print(_summary(record, args.epochs))
    if reasons := contradictions(record):
        print(f"different: {one_line(reasons[0])}")
        return 1
    if reason := _wrong_point(record):
        print(f"different: tuning: {one_line(reason)}")
        return 1
    if args.dry_run:
        for difference in _environment(record):
            print(f"environment: {difference}")
        return 0
    return _verify(args, record)


def _check(args: argparse.Namespace, record: "Record") -> None:
    from resbench.config.trust import refusals, why

    if not record.epochs:
        raise UserError(f"{args.record}: a {record.status} run without an epoch has no metrics to compare")
    if args.epochs is not None and not 1 <= args.epochs <= len(record.epochs):
        raise UserError(f"--epochs {args.epochs}: the record has {len(record.epochs)}; write 1 to {len(record.epochs)}")
    trainer = record.config.get("trainer")
    processes = trainer.get("devices") if isinstance(trainer, dict) else None
    most = max(MOST_PROCESSES, os.cpu_count() or 1)
    if isinstance(processes, int) and processes > most:
        raise UserError(
            f"{args.record}: trainer.devices: {processes} processes; verify starts at most {most} on this machine"
        )
    if not args.tolerance >= 0:
        raise UserError(f"--tolerance {args.tolerance}: write 0 or more")
    named = {key: value for key, value in record.config.items() if key != "weights" or not _own_weights(args, record)}
    if refused := refusals(named, args.trust):
        raise UserError(f"{args.record}: {why(refused, 'resbench verify', record.made_by)}")


def _own_weights(args: argparse.Namespace, record: "Record") -> str | None:
    """A file for the weights of the record that is known here: the one that is named, else one of resbench."""
    from resbench.config.weights import on_shelf

    digest = record.config.get("weights_sha256")
    found = on_shelf(digest) if isinstance(digest, str) and args.weights is None else args.weights
    return None if found is None else str(found)


def _wrong_point(record: "Record") -> str | None:
    """Why a run of a tuning has not the values of its point; null for any other run."""
    from resbench.tuning.entry import tuning_of, wrong_point
    from resbench.tuning.space import find_space

    try:
        tuning = tuning_of(record.config)
    except ValueError as error:
        return str(error)
    if tuning is None:
        return None
    try:
        reason = wrong_point(record.config, tuning, find_space(tuning.space))
    except UserError as error:
        return str(error)
    if reason is None:
        print(f"tuning: point {tuning.point} of the space {tuning.space}, study {tuning.study}, as regenerated here")
    return reason


def _summary(record: "Record", epochs: int | None) -> str:
    """What will be run, and how long it took originally."""
    share = 1 if epochs is None else epochs / len(record.epochs)
    config = f"config {record.config_hash[:12]} matches its hash"
    run = f"{record.track.name}, {record.algorithm.title}, seed {record.seed}"
    tested = " and the test" if any(key.startswith("test/") for key in record.final) else ""
    part = f"{epochs} of {len(record.epochs)} epochs" if epochs else f"{len(record.epochs)} epochs{tested}"
    return f"{run}: {config}; {part}, {record.wall_time_s * share:,.0f} s on {record.hardware.device} there"


def _environment(record: "Record") -> list[str]:
    """Differences of the environment that can be found without importing anything heavy."""
    from resbench import __version__
    from resbench.leaderboard.verification import environment_differences
    from resbench.training.process import c_library

    versions = {"python": ".".join(map(str, sys.version_info[:3])), "resbench": __version__}
    versions |= c_library()
    for name in record.versions.keys() - versions.keys():
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return environment_differences(record, versions, record.git.commit if record.git else None, None)


def _verify(args: argparse.Namespace, record: "Record") -> int:
    from resbench.commands import lightning
    from resbench.config.imports import only_named
    from resbench.config.yaml import dump_yaml
    from resbench.leaderboard.verification import compare, environment_differences, rerun_config
    from resbench.records.schema import read_record

    with tempfile.TemporaryDirectory(prefix="resbench-verify-") as folder:
        config = Path(folder, "config.yaml")
        again = rerun_config(record, folder, args.epochs, args.data_root, _own_weights(args, record))
        config.write_text(dump_yaml(again), encoding="utf-8")
        print(f"the run is written to {folder}, which is removed at the end", flush=True)
        with only_named(again, args.trust):
            try:
                lightning.run(["fit", "--config", str(config)])
            except UserError as error:
                if error.key == "weights" and args.weights is None:
                    raise UserError(f"{error}; --weights FILE names it here", error.key) from None
                if args.data_root or not error.key.startswith("data."):
                    raise
                hint = "--data-root DIR names their folder here, and fetches them into it where they can be fetched"
                raise UserError(f"{error}; {hint}", error.key) from None
        found = [read_record(path) for path in Path(folder).glob("verify/*/record.json")]
    if len(found) != 1:
        raise UserError(f"{args.record}: the run left no record")
    (run,) = found
    commit = run.git.commit if run.git else None
    environment = environment_differences(record, run.versions, commit, run.hardware)
    verdict = compare(record, run, not environment, args.epochs, args.tolerance)
    for difference in environment:
        print(f"environment: {difference}")
    what = "metric" if verdict.compared else "record"
    for difference in verdict.differences[:10]:
        print(f"{what}: {one_line(difference)}")
    if len(verdict.differences) > 10:
        print(f"{what}: and {len(verdict.differences) - 10} more")
    print(f"{verdict.kind}: {_words(verdict, bool(environment), args.tolerance)}{_elsewhere(record, run)}")
    return 1 if verdict.kind == "different" else 0


def _elsewhere(record: "Record", run: "Record") -> str:
    """A remark on the processor if it is a different one."""
    there, here = record.hardware.cpu, run.hardware.cpu
    arithmetic = record.config.get("arithmetic", "native")
    return "" if there == here else f" ({arithmetic} arithmetic; {there} there, {here} here)"


def _words(verdict: "Verdict", elsewhere: bool, tolerance: float) -> str:
    metrics = counted(verdict.compared, "metric")
    if verdict.kind == "equal":
        return f"{metrics}, bit for bit"
    if verdict.kind == "close":
        return f"{metrics} within {tolerance:g}, not bit for bit; the environment is another"
    if not verdict.compared:
        return "it is not the same run"
    bound = f"further apart than {tolerance:g}" if elsewhere else "not equal, on the same versions and device"
    different = len(verdict.differences)
    return f"{different} of {metrics} {'is' if different == 1 else 'are'} {bound}"
