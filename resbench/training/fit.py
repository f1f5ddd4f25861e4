"""`resbench fit`: train, test with the final weights, and write one record, also if the training fails.

With `trainer.limit_test_batches: 0` there is no test, as in the trials of a tuning.
"""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from resbench.config.trust import options, refusals
from resbench.errors import Diverged, UserError
from resbench.nn import ForeignWrite
from resbench.nn.convert import digital_products
from resbench.nn.overview import analog_table
from resbench.records.files import real_path, write_text_atomically
from resbench.records.names import CHECKPOINT, CONFIG, ERROR, PREVIOUS, RECORD
from resbench.records.schema import Record, metric_differences, record_or_none, write_record
from resbench.training.checkpoint import DATA, STATE, newest_checkpoint, read_checkpoint, refuse_other_data
from resbench.training.checks import check_training
from resbench.training.cli import RunCLI
from resbench.training.distributed import SharedBatchDDP, command_line, fail_as_helper
from resbench.training.folder import is_complete, was_interrupted
from resbench.training.process import use_huge_pages
from resbench.training.record import Status, draft_record, final_record
from resbench.training.saving import RunCheckpoint
from resbench.training.state import check_state
from resbench.training.stop import Interrupted
from resbench.training.wandb_logger import WandbRunLogger
from resbench.training.weights import starting_weights

EXIT = {"complete": 0, "failed": 1, "diverged": 1, "interrupted": 130}


def fit(argv: Sequence[str]) -> int:
    """Run one training and return the exit status: 0, 1 for a failed or diverged run, 130 for an interrupted one.

    A run that was killed or interrupted continues from the newest readable checkpoint in its folder, or from the
    beginning if there is none. With ``--ckpt_path=last``, a run that failed or diverged continues too, and a complete
    run is left alone. The result has the same bits as that of a run that was never stopped. So programs that start runs
    which may be killed can always pass this flag.

    Raises:
        UserError: for a config that cannot be run; then nothing is written.
    """
    return run(RunCLI(argv, "resbench fit"))


def run(cli: RunCLI) -> int:
    """The same as :func:`fit`, for a command line that is parsed already."""
    checkpoint = check_training(cli)
    weights = starting_weights(cli.resolved)
    if weights is not None and checkpoint is None and not _is_under_way(cli):
        weights.check(cli.model.network)
    use_huge_pages(cli.tensors())
    if not cli.trainer.is_global_zero:
        return _help(cli, checkpoint)
    is_complete = cli.folder.begin()
    try:
        if is_complete and cli.continues:
            print(f"this run is complete: {cli.folder.complete / RECORD}")
            return 0
        with cli.stop:  # until the record is written
            return _run(cli, checkpoint)
    except OSError as error:  # not one of the training: the record could not be written
        print(f"failed: {error}; what was saved before is still in {cli.folder.attempt}", file=sys.stderr)
        return EXIT["failed"]
    finally:
        cli.folder.release()


def _help(cli: RunCLI, checkpoint: Path | None) -> int:
    """Compute as a further process of a distributed training; only the first process prints and writes files."""
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing), cli.stop:
        try:
            _start(cli, checkpoint)
            cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint, weights_only=True)
            if _tests(cli):
                cli.trainer.test(cli.model, datamodule=cli.datamodule, verbose=False)
        except (Diverged, Interrupted):  # in all processes at once
            return 0
        except Exception:
            fail_as_helper()
            return 1
    return 0


def _run(cli: RunCLI, checkpoint: Path | None) -> int:
    draft = draft_record(cli)
    data = draft.data.get("sha256")
    checkpoint = _take_up(cli, checkpoint, data)
    for callback in cli.trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, RunCheckpoint):
            callback.data = data
    for line in [*_plan(cli), *_start(cli, checkpoint)]:
        print(line, flush=True)
    if checkpoint is not None:
        again = "" if cli.continues else f"; to begin anew, remove {cli.folder.attempt}"
        print(f"continues from {checkpoint}{again}", flush=True)
    end = _train_and_test(cli, checkpoint)
    record = final_record(cli, draft, end.status, end.error, end.metrics)
    write_record(cli.folder.attempt / RECORD, record)
    to_sync = _close_loggers(cli, record)
    if record.status == "complete":
        _compare(cli.folder.complete / RECORD, record)
    folder = cli.folder.end(complete=record.status == "complete")
    for name, value in end.metrics.items():
        print(f"{name} {value:.4f}")
    if record.error is not None:
        more = f"; traceback: {folder / ERROR}" if (folder / ERROR).exists() else ""
        print(f"{record.status}: {record.error}{more}", file=sys.stderr)
    if record.status in ("interrupted", "failed") and not end.refused and (folder / CHECKPOINT).exists():
        trusted = options(refusals(cli.resolved, own_paths=True))  # classes of one's own have to be trusted again
        command = f"resbench resume {shlex.quote(str(folder))} {trusted}".rstrip()
        print(f"continue with: {command}", file=sys.stderr)
    print(f"record: {folder / RECORD}", flush=True)
    for parts in filter(None, to_sync):
        files = shlex.join(str(folder / part) for part in parts)
        print(f"Weights & Biases, offline; upload with: wandb sync {files}", flush=True)
    return 2 if end.refused else EXIT[record.status]


def _is_under_way(cli: RunCLI) -> bool:
    """Whether the run will go on from a checkpoint or is complete, so that it starts from no weights."""
    attempt = cli.folder.attempt
    found = any((attempt / name).is_file() for name in (CHECKPOINT, PREVIOUS))
    if cli.continues and is_complete(cli.folder.complete):
        return True
    return found and (cli.continues or was_interrupted(attempt))


def _start(cli: RunCLI, checkpoint: Path | None) -> list[str]:
    """Program the weights that a config names, unless a checkpoint has the weights; lines about that."""
    weights = starting_weights(cli.resolved)
    return [] if weights is None or checkpoint is not None else weights.program(cli.model.network)


def _take_up(cli: RunCLI, checkpoint: Path | None, data: Any) -> Path | None:
    """The checkpoint to continue from. The folder is cleared unless the checkpoint is in it.

    A record in the folder belongs to the attempt before. It is removed now, because the new attempt may be killed.

    Args:
        cli: the run.
        checkpoint: the one that the user named.
        data: checksums of the data, which those of the checkpoint have to be.
    """
    attempt = cli.folder.attempt
    if checkpoint is not None:
        refuse_other_data(checkpoint, read_checkpoint(checkpoint)[STATE].get(DATA), data)
    elif cli.continues or was_interrupted(attempt):
        checkpoint, damaged = newest_checkpoint(attempt, cli.resolved, cli.model, data)
        for line in damaged:
            follow = "the one before is taken" if checkpoint else "the run starts from the beginning"
            print(f"warning: {line.removeprefix('ckpt_path: ')}; {follow}", file=sys.stderr)
    if checkpoint is None or real_path(checkpoint).parent != real_path(attempt):
        cli.folder.clear()
    for name in (RECORD, ERROR):
        (attempt / name).unlink(missing_ok=True)
    if not (attempt / CONFIG).exists():
        write_text_atomically(attempt / CONFIG, cli.config_yaml())
    return checkpoint


class End(NamedTuple):
    """How a training ended.

    Attributes:
        status: status of the record.
        error: why the run is not complete.
        metrics: metrics of the test set.
        refused: whether the config was wrong, which only the training could show.
    """

    status: Status
    error: str | None = None
    metrics: Mapping[str, float] = {}
    refused: bool = False


def _train_and_test(cli: RunCLI, checkpoint: Path | None) -> End:
    trainer = cli.trainer
    _begin_loggers(cli)
    if isinstance(trainer.strategy, SharedBatchDDP):
        trainer.strategy.arguments = command_line(cli.argv, checkpoint)
    try:
        trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint, weights_only=True)
        check_state(cli.model)
        if not _tests(cli):
            return End("complete")
        (results,) = trainer.test(cli.model, datamodule=cli.datamodule, verbose=False)
        metrics = {name: float(value) for name, value in results.items()}
        if not all(map(math.isfinite, metrics.values())):
            raise Diverged(f"the test metrics are {metrics}; a smaller lr may help")
        return End("complete", None, metrics)
    except Diverged as reason:
        return End("diverged", str(reason))
    except (Interrupted, KeyboardInterrupt, SIGTERMException, SystemExit) as reason:
        # Lightning turns a KeyboardInterrupt into SystemExit
        return End("interrupted", str(reason) if isinstance(reason, Interrupted) else "stopped at once")
    except (ForeignWrite, UserError) as reason:
        return End("failed", " ".join(str(reason).split()), refused=True)
    except Exception as reason:
        with contextlib.suppress(OSError):  # the disk may be full
            write_text_atomically(cli.folder.attempt / ERROR, traceback.format_exc())
        return End("failed", " ".join(f"{type(reason).__name__}: {reason}".split()))


def _begin_loggers(cli: RunCLI) -> None:
    """Give the loggers the config.

    Raises:
        UserError: if one of them refuses. Nothing is left of the attempt then, unless it has a checkpoint.
    """
    try:
        for logger in cli.trainer.loggers:
            logger.log_hyperparams({**cli.resolved, "config_hash": cli.config_hash})
    except UserError:
        if not any((cli.folder.attempt / name).exists() for name in (CHECKPOINT, PREVIOUS)):
            cli.folder.discard()
        raise


def _tests(cli: RunCLI) -> bool:
    """Whether the run is tested. Trials of a tuning are not."""
    return bool(cli.config.trainer.limit_test_batches != 0)


def _close_loggers(cli: RunCLI, record: Record) -> list[list[Path]]:
    """Close the loggers, with the record and the checkpoint for Weights & Biases.

    Returns:
        For each logger the folders that can be uploaded later, absolute or relative to the run folder.
    """
    to_sync = []
    for logger in cli.trainer.loggers:
        logger.finalize("success" if record.status == "complete" else "failed")  # the words that all loggers know
        if isinstance(logger, WandbRunLogger):
            about = {"config_hash": record.config_hash, "status": record.status, "seed": record.seed, **record.final}
            logger.log_results(cli.folder.attempt / RECORD, cli.folder.attempt / CHECKPOINT, about)
            to_sync.append(logger.offline_parts(cli.folder.attempt))
            logger.close(EXIT[record.status])
        elif isinstance(logger, WandbLogger):
            logger.experiment.finish(exit_code=EXIT[record.status])
    return to_sync


def _plan(cli: RunCLI) -> list[str]:
    """A line about the run that is about to start, a line for each analog layer, and what else multiplies."""
    table = analog_table(cli.model.network)
    digital = [text for _, text in digital_products(cli.model.network)]
    if table and digital:
        table.append(f"stay digital: {', '.join(digital)}")
    config = cli.config
    head = f"{config.experiment.name}: seed {config.seed_everything}, threads {config.threads}, {cli.folder.attempt}"
    return [head, *(table or ["no analog layers: every layer is digital"])]


def _compare(path: Path, record: Record) -> None:
    """Print a warning if an earlier complete run of the same config has other metrics."""
    earlier = record_or_none(path)
    if earlier is not None and (differences := metric_differences(earlier, record)):
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        print(f"warning: metrics differ from the earlier run of this config: {differences[0]}{more}", file=sys.stderr)
