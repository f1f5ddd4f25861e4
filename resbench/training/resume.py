"""`resbench resume RUN_DIR`: continue a run that was killed, from its own config and its newest checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resbench.config.files import read_mapping
from resbench.config.imports import only_named
from resbench.config.trust import missing, refusals, why
from resbench.errors import UserError
from resbench.records.names import ATTEMPT, CONFIG, RECORD
from resbench.records.schema import record_or_none
from resbench.training.cli import LAST, RunCLI
from resbench.training.fit import run
from resbench.training.folder import is_complete


def resume(folder: Path, trusted: Sequence[str] = ()) -> int:
    """Continue the run of a folder and return the exit status of `resbench fit`; 0 for a run that is complete.

    The folder may come from somebody else. So its config may only name classes that resbench offers or that are
    trusted, the run writes into this folder only, and no data are downloaded.

    Args:
        folder: ``HASH.attempt``, the folder of the killed run; or ``HASH``, which need not exist yet.
        trusted: modules whose classes the config may name.

    Raises:
        UserError: if there is no run, its config names other classes, or the hash of the config is not that of the
            folder. For a folder of several runs, the message lists those that can be resumed.
    """
    given = folder.absolute()
    attempt = given if given.name.endswith(ATTEMPT) else given.with_name(f"{given.name}{ATTEMPT}")
    complete = attempt.with_name(attempt.name.removesuffix(ATTEMPT))
    if is_complete(complete) and not (given == attempt and attempt.exists()):
        print(f"this run is complete: {complete / RECORD}")
        return 0
    config = attempt / CONFIG
    if not config.is_file() and (attempts := sorted(folder.glob(f"*{ATTEMPT}")) + sorted(folder.glob(f"*/*{ATTEMPT}"))):
        raise UserError(f"{folder}: name one of its runs: {', '.join(map(_described, attempts))}")
    if attempt != given and (given / CONFIG).is_file():
        raise UserError(f"{folder}: it has no {RECORD} of a complete run; rename it to {attempt.name} to go on with it")
    if not config.is_file():
        raise UserError(f"{folder}: no run to resume, it has no {CONFIG}; name runs/NAME/HASH{ATTEMPT}")
    for path in attempt.rglob("*"):
        if path.is_symlink() and not _is_below(path, attempt) and "wandb" not in path.relative_to(attempt).parts[:-1]:
            raise UserError(f"{path}: a link out of the folder, through which the run would write; remove it")
    content = read_mapping(config)
    if refused := refusals(content, trusted, own_paths=True):
        own = "" if missing(refused) else f"; if it is yours: resbench fit --config {config} --ckpt_path={LAST}"
        raise UserError(f"{config}: {why(refused, 'resbench resume', made_by(attempt))}{own}")
    arguments = ["--config", str(config), f"--ckpt_path={LAST}"]
    experiment = content.get("experiment") or {}
    named = Path(str(experiment.get("root")), str(experiment.get("name")))
    if named.absolute() != attempt.parent:  # it was moved
        arguments += [f"--experiment.root={attempt.parent.parent}", f"--experiment.name={attempt.parent.name}"]
    if "download" in ((content.get("data") or {}).get("init_args") or {}):
        arguments.append("--data.init_args.download=false")
    with only_named(content, trusted):
        cli = RunCLI(arguments, "resbench resume")
        if cli.folder.attempt.absolute() != attempt:
            raise UserError(
                f"{config}: this config belongs to {cli.folder.complete.name}: it was changed, or written by another "
                f"version; start it anew with resbench fit --config {config}"
            )
        return run(cli)


def made_by(attempt: Path) -> str:
    """The version of resbench that began a run. It is unknown for a run that was killed, which has no record."""
    record = record_or_none(attempt / RECORD)
    return "another version" if record is None else record.made_by


def _is_below(path: Path, folder: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # the link is broken or circular
        return False


def _described(attempt: Path) -> str:
    """An attempt with its status and steps, as far as they are known."""
    record = record_or_none(attempt / RECORD)
    state = "killed, or running" if record is None else f"{record.status} after {record.steps} steps"
    return f"{attempt} ({state})"
