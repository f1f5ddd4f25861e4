"""Ends a run at Ctrl-C, or when its time is over, at a point from which it can be continued."""

from __future__ import annotations

import math
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class Interrupted(Exception):
    """The user asked the run to stop, by a signal or by a time limit."""


class StopOnSignal(Callback):
    """Notes SIGINT or SIGTERM, so that the training ends where its state can be saved. A second SIGINT stops at once.

    A second SIGTERM does not stop at once. A program that ends a whole group of processes sends SIGTERM to the run and
    also to its sweep, which passes it on, so the run receives it twice.

    A state that is saved in the middle of a step or in a validation could not be continued: tiles would be half
    updated, and Lightning does not resume inside a validation. So the callback that saves checks :attr:`asked` and
    raises :class:`Interrupted`. After the training, whose state is saved, the test stops at its next batch. Signals are
    watched inside a ``with`` block.

    ``trainer.max_time`` ends a training in the same way. A complete result is the same on any machine. So a training
    that the clock ends is not complete. Each attempt has the whole time again.

    Attributes:
        seconds: time limit of a training; None for no limit.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._deadline = math.inf
        self._signalled = False
        self._interrupts = 0
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            raise KeyboardInterrupt

    @property
    def asked(self) -> bool:
        """Whether a signal was received, or the time of the training is over."""
        return self._signalled or time.monotonic() >= self._deadline

    @property
    def reason(self) -> str:
        """Why the training was asked to stop."""
        return "stopped" if self._signalled else "trainer.max_time has passed, stopped"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, and take SIGTERM back from Lightning, which would stop after any mini-batch, unsaved."""
        if self.seconds is not None:
            self._deadline = time.monotonic() + self.seconds
        if self._previous:
            signal.signal(signal.SIGTERM, self._ask)

    def on_train_end(self, *_: Any) -> None:
        """End the time limit, which is for the training only."""
        self._deadline = math.inf

    def on_test_batch_end(self, *_: Any) -> None:
        """Stop if asked to. The training is complete and saved."""
        if self.asked:
            raise Interrupted("stopped in the test, after the training")
