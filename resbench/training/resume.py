"""`resbench resume RUN_DIR`: a run that was killed goes on, from its own config and its newest checkpoint."""

from __future__ import annotations

from pathlib import Path

from resbench.errors import UserError
from resbench.leaderboard.records import RecordError, read_record
from resbench.training.cli import LAST, RunCLI
from resbench.training.config_files import read_mapping
from resbench.training.fit import run
from resbench.training.folder import CONFIG, RECORD, is_complete

ATTEMPT = ".attempt"


def resume(folder: Path) -> int:
    """Continue the run of a folder and return the exit status of `resbench fit`; 0 for a run that is complete.

    Args:
        folder: ``HASH.attempt``, where the run was killed; or ``HASH``, whether it is there yet or not.

    Raises:
        UserError: where there is no run, or its config is not the one that the folder is named by; for a folder of
            several runs, with those that can be resumed.
    """
    named = folder.absolute()
    attempt = named if named.name.endswith(ATTEMPT) else named.with_name(f"{named.name}{ATTEMPT}")
    complete = attempt.with_name(attempt.name.removesuffix(ATTEMPT))
    if is_complete(complete) and not (named == attempt and attempt.exists()):
        print(f"this run is complete: {complete / RECORD}")
        return 0
    config = attempt / CONFIG
    if not config.is_file() and (attempts := sorted(folder.glob(f"*{ATTEMPT}")) + sorted(folder.glob(f"*/*{ATTEMPT}"))):
        raise UserError(f"{folder}: name one of its runs: {', '.join(map(_described, attempts))}")
    if not config.is_file():
        raise UserError(f"{folder}: no run to resume, it has no {CONFIG}; name runs/NAME/HASH{ATTEMPT}")
    arguments = ["--config", str(config), f"--ckpt_path={LAST}"]
    experiment = read_mapping(config).get("experiment") or {}
    if Path(experiment.get("root", ""), experiment.get("name", "")).absolute() != attempt.parent:  # it was moved
        arguments += [f"--experiment.root={attempt.parent.parent}", f"--experiment.name={attempt.parent.name}"]
    cli = RunCLI(arguments, "resbench resume")
    if cli.folder.attempt.absolute() != attempt:
        raise UserError(
            f"{config}: this config belongs to {cli.folder.complete.name}: it was changed, or written by another "
            f"version; start it anew with resbench fit --config {config}"
        )
    return run(cli)


def _described(attempt: Path) -> str:
    """An attempt, with what is known of it."""
    try:
        record = read_record(attempt / RECORD)
    except RecordError:
        return f"{attempt} (killed, or running)"
    return f"{attempt} ({record.status} after {record.steps} steps)"
