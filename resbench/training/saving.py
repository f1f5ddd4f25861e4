"""Saves the state of a run, so that it continues with the same bits wherever it was killed."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint

from resbench.errors import BadValue
from resbench.nn import collect_tiles
from resbench.records.files import replacing
from resbench.records.identity import result_config
from resbench.records.names import CHECKPOINT, METRICS, PREVIOUS, TILES
from resbench.training import metrics_file
from resbench.training.checkpoint import DATA, DRAWN, KEY, STATE, Sealed
from resbench.training.drawn import leave_out, narrow_counts
from resbench.training.state import check_state
from resbench.training.stop import Interrupted, StopOnSignal

NEXT = "next.ckpt"


@dataclass
class CheckpointTimes:
    """When a run writes checkpoints, in addition to the end of its training. This does not change the result.

    Args:
        every_n_epochs: epochs between two checkpoints; 0 for none at the end of epochs.
        every_n_steps: optimiser steps between two checkpoints inside an epoch; 0 for none.
        every_n_minutes: minutes after which the next step writes one; 0 for none.
    """

    every_n_epochs: int = 1
    every_n_steps: int = 0
    every_n_minutes: float = 10.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise BadValue(name, value, "is negative; write 0 for none")


class DurableCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint with a checksum.

    It goes to a temporary file in the same folder, which is flushed to the disk and renamed. Lightning's own class
    makes a copy in memory first, and a file in the system's temporary folder.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write the file.

        Raises:
            OSError: for example if the disk is full; an earlier file is unchanged.
        """
        try:
            with replacing(path) as file:
                sealed = Sealed(file)
                torch.save(checkpoint, sealed)  # type: ignore[arg-type]
                sealed.close()
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # on a full disk, torch's message is about file positions
                raise error.__context__ from None
            raise


class RunCheckpoint(Checkpoint):
    """Keeps the newest state of a run as ``last.ckpt`` and the one before as ``previous.ckpt``.

    A state is saved only when it is complete. This is so between two epochs, when everything of one epoch is logged and
    nothing of the next has begun, and after the training. It is also so after a step inside an epoch, unless gradients
    are being accumulated, the epoch ends, or a validation follows, which Lightning would skip on resume. A training
    that was asked to stop ends at one of these places. In addition to Lightning's state, a checkpoint contains the
    config, the number of rows of ``metrics.csv``, and the state of torch's random number generator, which only digital
    layers use. It lacks the constants of the devices that are as the seed gives them (:mod:`resbench.training.drawn`).

    Args:
        folder: the folder of the attempt.
        config: the resolved config.
        times: when to save.
        stop: knows whether the training was asked to stop.
        drawn: checksums of the constants of the devices when the model was built.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        times: CheckpointTimes,
        stop: StopOnSignal,
        drawn: Mapping[str, int],
    ) -> None:
        self.folder, self.config, self.times, self.stop = folder, result_config(config), times, stop
        self.drawn = drawn
        self.data: Any = None  #: checksums of the data, of a run that has looked at them
        self._finished = self._between_epochs = self._is_ours = False
        self._loaded: dict[str, Any] | None = None
        self._saved_at, self._saved_step = time.monotonic(), 0

    # -- when ------------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Continue from the loaded state, if there is one."""
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step
        state, self._loaded = self._loaded, None
        if state is None:
            return
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] is not None and trainer.strategy.root_device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], trainer.strategy.root_device)
        # Lightning's checkpoints have no metrics. So at the end of a resumed epoch it skips schedulers that follow a
        # metric. These checkpoints contain the metrics, also those of earlier epochs.
        trainer.fit_loop._restarting = False
        trainer.callback_metrics.update(state["metrics"])
        if state["between_epochs"]:
            # With `max_steps` Lightning takes every checkpoint for one inside an epoch. It would end that epoch twice.
            trainer.fit_loop.epoch_loop.restarting = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time and the state is complete; stop if asked to."""
        if self._is_whole(trainer) and self._agreed(trainer, self.stop.asked or self._is_due(trainer)):
            self._save(trainer)

    def between_epochs(self, trainer: Trainer) -> None:
        """Save if it is time; stop if asked to."""
        times, epoch = self.times, trainer.current_epoch
        due = times.every_n_epochs > 0 and epoch % times.every_n_epochs == 0
        if self._agreed(trainer, due or self.stop.asked or self._is_due(trainer)):
            self._between_epochs = True
            self._save(trainer)
            self._between_epochs = False

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the trained network. If the run was asked to stop, the test stops."""
        self._finished = True
        self._write(trainer, pl_module)

    @staticmethod
    def _agreed(trainer: Trainer, decision: bool) -> bool:
        """Whether any of the processes has decided so."""
        return decision if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(decision, all=False)

    def _is_due(self, trainer: Trainer) -> bool:
        times = self.times
        if times.every_n_steps > 0 and trainer.global_step - self._saved_step >= times.every_n_steps:
            return True
        return times.every_n_minutes > 0 and time.monotonic() - self._saved_at >= 60 * times.every_n_minutes

    @staticmethod
    def _is_whole(trainer: Trainer) -> bool:
        """Whether a training that resumes after this mini-batch continues as if it had not stopped."""
        loop = trainer.fit_loop.epoch_loop
        count = loop.batch_idx + 1
        last = trainer.is_last_batch or count >= trainer.num_training_batches
        last |= 0 < trainer.max_steps <= trainer.global_step
        interval = trainer.val_check_batch
        seen = count if trainer.check_val_every_n_epoch is not None else loop.total_batch_idx + 1
        validates = interval is None or (interval != float("inf") and seen % interval == 0)
        return not (last or validates or trainer.should_stop or count % trainer.accumulate_grad_batches)

    # -- how -------------------------------------------------------------------------------------------------------

    def _save(self, trainer: Trainer) -> None:
        self._write(trainer, trainer.lightning_module)
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step
        if self._agreed(trainer, self.stop.asked):
            raise Interrupted(f"{self.stop.reason} at step {trainer.global_step}")

    def _write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the checkpoint. There is always a good one: between the last two lines it is the previous one."""
        collect_tiles(pl_module)
        check_state(pl_module)
        self._is_ours = True
        trainer.save_checkpoint(self.folder / NEXT)
        self._is_ours = False
        if trainer.is_global_zero:
            if (self.folder / CHECKPOINT).exists():
                (self.folder / CHECKPOINT).replace(self.folder / PREVIOUS)
            (self.folder / NEXT).replace(self.folder / CHECKPOINT)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the state that Lightning does not save, and leave out what follows from the seed."""
        device = trainer.strategy.root_device
        checkpoint[KEY] = self.config
        checkpoint[STATE] = {
            DRAWN: leave_out(checkpoint["state_dict"], pl_module, self.drawn),
            DATA: self.data,
            "whole": self._is_ours,
            "finished": self._finished,
            "between_epochs": self._between_epochs,
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "metrics": {name: value.clone() for name, value in trainer.callback_metrics.items()},
            "metrics_rows": _metrics_file(trainer).rows,
        }
        narrow_counts(checkpoint["state_dict"])
        if self._between_epochs:
            for progress in checkpoint["loops"]["fit_loop"]["epoch_progress"].values():
                progress["ready"] = progress["processed"]  # the next epoch was only announced
        for name in (METRICS, TILES):
            _flush(self.folder / name)  # the lines that the checkpoint counts on

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the state of a checkpoint until the training starts."""
        self._loaded = checkpoint[STATE]
        if not _metrics_file(trainer).resume(self._loaded["metrics_rows"]):
            print(f"warning: {self.folder / METRICS} lacks rows that were there at the checkpoint")
        # The training may have ended before its budget, for example by early stopping.
        trainer.should_stop = trainer.should_stop or self._loaded["finished"]


class BetweenEpochs(Callback):
    """The first callback of a trainer. It saves between epochs, before any other callback begins the next epoch.

    Where processes share the work, it gives each the tiles that others have trained, before any other callback reads
    them.
    """

    def __init__(self, checkpoint: RunCheckpoint) -> None:
        self.checkpoint = checkpoint

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, unless the training has just started here."""
        if trainer.global_step > self.checkpoint._saved_step:
            self.checkpoint.between_epochs(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Collect the tiles."""
        collect_tiles(pl_module)


def _metrics_file(trainer: Trainer) -> metrics_file.MetricsFile:
    (logger,) = (logger for logger in trainer.loggers if isinstance(logger, metrics_file.MetricsFile))
    return logger


def _flush(path: Path) -> None:
    if path.exists():
        with path.open("rb") as file:
            os.fsync(file.fileno())
