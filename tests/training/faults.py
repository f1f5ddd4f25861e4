"""A callback that breaks a training off, as a fault would, once for each step that it is told."""

from __future__ import annotations

from typing import Any, ClassVar

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

CLASS = "tests.training.faults.Fault"


class Fault(Callback):
    """Raises an error before the mini-batch that begins after a number of optimiser steps."""

    steps: ClassVar[list[int]] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step in Fault.steps:
            Fault.steps.remove(trainer.global_step)
            raise RuntimeError("the power is gone")
