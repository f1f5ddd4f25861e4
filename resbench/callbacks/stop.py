"""Ctrl-C ends a run where it can be continued."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class Interrupted(Exception):
    """The user asked the run to stop."""


class StopOnSignal(Callback):
    """Notes SIGINT or SIGTERM, so that the training ends where its state can be saved; a second SIGINT stops at once.

    A second SIGTERM does not: whoever ends a whole group of processes sends it to a run and to the sweep that passes
    it on.

    In the middle of a step the tiles are half updated, and in a validation Lightning cannot resume: nothing that is
    saved there could be continued. Whoever saves looks at :attr:`asked` and raises :class:`Interrupted`; after the
    training, which is saved whole, the test stops at its next batch. Signals are watched inside a ``with`` block.

    Attributes:
        asked: whether a signal has come.
    """

    def __init__(self) -> None:
        self.asked = False
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
        self.asked = True
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            raise KeyboardInterrupt

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take SIGTERM back from Lightning, which would stop after any mini-batch, without saving."""
        if self._previous:
            signal.signal(signal.SIGTERM, self._ask)

    def on_test_batch_end(self, *_: Any) -> None:
        """Stop, if asked to; the training is complete and saved."""
        if self.asked:
            raise Interrupted("stopped in the test, after the training")
