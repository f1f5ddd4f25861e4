"""Progress without a terminal, which cannot show a bar: one line for each epoch."""

from __future__ import annotations

import time

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint


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
