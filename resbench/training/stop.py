"""Ctrl-C, or the end of its time, ends a run where it can be continued."""

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
    """The user asked the run to stop, by a signal or by the time that it has."""


class StopOnSignal(Callback):
    """Notes SIGINT or SIGTERM, so that the training ends where its state can be saved; a second SIGINT stops at once.

    A second SIGTERM does not: whoever ends a whole group of processes sends it to a run and to the sweep that passes
    it on.

    In the middle of a step the tiles are half updated, and in a validation Lightning cannot resume: nothing that is
    saved there could be continued. Whoever saves looks at :attr:`asked` and raises :class:`Interrupted`; after the
    training, which is saved whole, the test stops at its next batch. Signals are watched inside a ``with`` block.

    ``trainer.max_time`` ends a training in the same way. A result that is complete is the same on any machine, so where
    the clock ends a training it is not complete; each attempt has this time anew.

    Attributes:
        seconds: time of a training; None for as long as it takes.
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
        """Whether a signal has come, or the time of the training is over."""
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
        """The time is that of the training."""
        self._deadline = math.inf

    def on_test_batch_end(self, *_: Any) -> None:
        """Stop, if asked to; the training is complete and saved."""
        if self.asked:
            raise Interrupted("stopped in the test, after the training")
