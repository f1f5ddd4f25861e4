"""Time that passes while a network trains, or between its training and its test, so that its devices drift."""

from __future__ import annotations

import math
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from resbench.config.times import durations
from resbench.errors import BadValue
from resbench.nn import analog_layers, drifts, pass_time


class PassTime(Callback):
    """Lets the devices drift while the network trains: every optimiser step takes ``seconds_per_step`` seconds.

    A device that a pulse has moved in a step counts as programmed at the end of it; all others drift on. Without this
    callback no time passes in a training.

    Args:
        seconds_per_step: duration of one optimiser step, in the unit of the devices' ``drift.t_0``.

    Raises:
        BadValue: for a duration that is not above 0 or not finite; in a training, if no device of the model drifts.
    """

    def __init__(self, seconds_per_step: float) -> None:
        if not (seconds_per_step > 0 and math.isfinite(seconds_per_step)):
            raise BadValue("seconds_per_step", seconds_per_step, "is no duration; write seconds, above 0")
        self.seconds_per_step = seconds_per_step
        self._step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a model on which this has no effect."""
        if not drifts(pl_module):
            raise BadValue(
                "seconds_per_step",
                self.seconds_per_step,
                "has no effect: no device of this model drifts; give the device a drift, such as drift: {nu: 0.05}",
            )
        self._step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Pass the time of an optimiser step; before checkpoints, which Lightning calls after all other callbacks."""
        if trainer.global_step > self._step:
            pass_time(pl_module, self.seconds_per_step)
            self._step = trainer.global_step


class TimeBeforeTest(Callback):
    """Lets the devices drift before each test, so that a network is judged some time after its training.

    The training and its validations are not affected, and checkpoints contain the weights of before. A digital network
    does not change with time, so it may have this callback too.

    Args:
        time: how long, a number and a unit: s, min, h, d, w or y; for example ``1d``.

    Raises:
        BadValue: for what is not exactly one duration; in a test, if there are analog layers and none of their devices
            drifts.
    """

    def __init__(self, time: str) -> None:
        times = durations(time, "time")
        if len(times) > 1:
            raise BadValue("time", repr(time), "is several durations; write one, such as 1d")
        (self.seconds,) = times.values()
        self.time = time

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Pass the time."""
        if is_without_drift(pl_module):
            raise BadValue("time", self.time, "has no effect: no device of this model drifts; give it a drift")
        pass_time(pl_module, self.seconds)


def is_without_drift(model: LightningModule) -> bool:
    """Whether a model has analog layers, and time changes none of them."""
    return any(True for _ in analog_layers(model)) and not drifts(model)
