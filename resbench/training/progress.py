"""Lines about the progress of a training: one for each epoch where there is no bar, and early the time it takes."""

from __future__ import annotations

import math
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint

from resbench.records.text import duration

#: Steps after which the estimate is printed, counted from the start or from where the training was resumed.
MILESTONES = {2, *(10**k for k in range(1, 9))}
#: The estimate is printed if more seconds than these are left.
NOTEWORTHY = 60


class EpochLines(Checkpoint):
    """Prints the metrics after each epoch, for logs and pipes.

    It is a ``Checkpoint`` for the reason given in :class:`~resbench.callbacks.history.History`.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the line of the epoch."""
        metrics = " ".join(
            f"{name} {value:.4f}"
            for name, value in sorted(trainer.callback_metrics.items())
            if name.startswith(("train/", "val/"))
        )
        of = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        seconds = time.perf_counter() - self._start
        print(f"epoch {trainer.current_epoch + 1}{of}: {metrics} ({seconds:.1f} s)", flush=True)


class TimeEstimate(Callback):
    """Prints the time of a step and of the rest of the training after 2, 10, 100, 1000, ... steps.

    Some configs take a week. It prints nothing if less than a minute is left. The first step is not part of the mean,
    because it may compile kernels. The estimate does not contain validation and test.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start to count steps."""
        self._before = self._seen = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Print the line if it is due."""
        step, now = trainer.global_step, time.perf_counter()
        if step == self._seen:
            return  # a mini-batch of an accumulated gradient
        self._seen = step
        taken = step - self._before
        if taken == 1:
            self._first = now
        elif taken in MILESTONES:
            seconds, total = (now - self._first) / (taken - 1), trainer.estimated_stepping_batches
            left = seconds * (total - step)
            if NOTEWORTHY < left < math.inf:
                bar = trainer.progress_bar_callback
                line = f"step {step} of {total}: {seconds:.3g} s a step, {duration(left)} of training to go"
                (bar.print if bar else print)(line, flush=True)
