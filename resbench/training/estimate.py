"""How long a training will take, told early: some configs want a week of a machine."""

from __future__ import annotations

import math
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from resbench.records.text import duration

#: Steps after which the estimate is told, counted from the start or from where the training was resumed.
MILESTONES = {2, *(10**k for k in range(1, 9))}
#: Seconds left that are worth a line.
WORTH_A_LINE = 60


class TimeEstimate(Callback):
    """Prints after 2, 10, 100, 1000, ... steps how long one takes and how long the training goes on, if over a minute.

    The first step is left out of the mean, because it compiles. Validation and test are not in the estimate.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start to count."""
        self._before = self._seen = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Print the line where it is due."""
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
            if WORTH_A_LINE < left < math.inf:
                bar = trainer.progress_bar_callback
                line = f"step {step} of {total}: {seconds:.3g} s a step, {duration(left)} of training to go"
                (bar.print if bar else print)(line, flush=True)
