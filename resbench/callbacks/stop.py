"""Ctrl-C ends a run between two mini-batches, with a checkpoint to continue from."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class Interrupted(Exception):
    """The user asked the run to stop."""


class StopOnSignal(Callback):
    """Stops a training at the end of the mini-batch in which SIGINT arrives; the second one stops at once.

    In the middle of a step the tiles are half updated, and in a validation Lightning cannot resume: nothing that is
    saved there could be continued. The signal is watched inside a ``with`` block.

    Args:
        checkpoint: file to save the state to.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.asked = False
        self._previous: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and stop, if asked to."""
        if self.asked:
            trainer.save_checkpoint(self.checkpoint)
            raise Interrupted(f"stopped at step {trainer.global_step}")

    def on_test_batch_end(self, *_: Any) -> None:
        """Stop, if asked to; the training is complete and saved."""
        if self.asked:
            raise Interrupted("stopped in the test, after the training")
