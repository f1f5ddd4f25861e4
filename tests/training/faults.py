"""What goes wrong in a training: a fault at a step, writes to weights, gradients that are not finite."""

from __future__ import annotations

import os
import signal
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from resbench.data import CSVData, DigitsData
from resbench.data.base import InMemoryData
from resbench.networks import MLP
from resbench.training.drawn import constants_of

CLASS = "tests.training.faults.Fault"
#: The constant that `Worn` changes.
WORN = "network.fc1.algorithm.tiles.0.w_max"


class Fault(Callback):
    """Raises an error before the mini-batch that begins after a number of optimiser steps, or kills the process."""

    steps: ClassVar[list[int]] = []
    is_deadly: ClassVar[bool] = False

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step in Fault.steps:
            Fault.steps.remove(trainer.global_step)
            if Fault.is_deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("the power is gone")


class Signal(Callback):
    """Sends SIGINT to this process before the mini-batch that makes a step; not if the training begins behind it."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step + 1 == self.step:
            os.kill(os.getpid(), signal.SIGINT)


class Clamp(Callback):
    """Clips all weights at one hook, through `data` as many do, or through NumPy, which torch does not see."""

    def __init__(self, hook: str, through_numpy: bool = False) -> None:
        self.through_numpy = through_numpy
        setattr(self, hook, self.clamp)

    def clamp(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        for parameter in pl_module.parameters():
            if self.through_numpy:
                values = parameter.detach().numpy()
                values.clip(-0.01, 0.01, out=values)
            else:
                parameter.data.clamp_(-0.01, 0.01)


class Worn(Callback):
    """Sets one constant of a device before the training begins, through NumPy, which torch does not see."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        dict(constants_of(pl_module))[WORN].numpy()[0, 0] = 0.125


class _Poison(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> Tensor:
        return torch.full_like(d, torch.nan)


class PoisonedMLP(MLP):
    """From its third training batch on the gradient behind its first layer is not a number; its loss is finite."""

    def __init__(self, hidden: int = 8) -> None:
        super().__init__(64, (hidden,))
        self.batches = 0

    def forward(self, x: Tensor) -> Tensor:
        self.batches += self.training
        for name, module in self.named_children():
            x = module(x)
            if name == "fc1" and self.training and self.batches > 2:
                x = _Poison.apply(x)
        return x


class UnsignedTable(CSVData):
    """Data of one's own whose author did not think of a checksum."""

    own_sha256 = InMemoryData.own_sha256  # type: ignore[assignment]


class SilentData(DigitsData):
    """After a number of good answers it does not say any more what a record needs."""

    def __init__(self, good_answers: int = 0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.good_answers = good_answers

    def describe(self) -> dict[str, Any]:
        self.good_answers -= 1
        return super().describe() if self.good_answers >= 0 else {"name": "silent"}
