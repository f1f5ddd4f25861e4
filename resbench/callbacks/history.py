"""Metrics by epoch, time, and how often each analog layer is used: what a record needs from a training."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from resbench.nn import AnalogLayer, analog_layers


class History(Checkpoint):
    """Collects what a record holds of a training; its state is in the checkpoint, so it spans interruptions.

    Lightning calls a ``Checkpoint`` after the module's own hooks: only then are the metrics of the epoch there.

    Attributes:
        epochs: one entry an epoch: ``epoch``, ``step``, ``values`` (``train/*`` and ``val/*``).
        reuse: by analog layer, the vectors that one sample puts through it.
        seconds: wall time of training, validation included, up to where it last stopped.
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, Any]] = []
        self.reuse: dict[str, int] = {}
        self.seconds = 0.0
        self._validation: dict[str, float] = {}
        self._start: float | None = None
        self._counting: list[RemovableHandle] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, and wait for the first batch to pass the analog layers."""
        self._start = time.perf_counter()
        self.epochs = [entry for entry in self.epochs if entry["epoch"] < trainer.current_epoch]
        first_batch: Counter[str] = Counter()
        for name, layer in analog_layers(getattr(pl_module, "network", pl_module)):
            self._counting.append(self._count_vectors(name, layer, first_batch))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After the first batch every layer was used as often as one sample uses it."""
        while self._counting:
            self._counting.pop().remove()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the metrics of the validation set, for the epoch that this is in."""
        if not trainer.sanity_checking:
            self._validation = _values(trainer, "val/")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the metrics of the epoch."""
        values, self._validation = {**self._validation, **_values(trainer, "train/")}, {}
        self.epochs.append({"epoch": trainer.current_epoch, "step": trainer.global_step, "values": values})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self._stop_clock()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop the clock."""
        self._stop_clock()

    def state_dict(self) -> dict[str, Any]:
        """Plain types, for the checkpoint."""
        return {"epochs": self.epochs, "validation": self._validation, "reuse": self.reuse, "seconds": self._time()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the history of a checkpoint."""
        self.epochs, self.reuse = list(state_dict["epochs"]), dict(state_dict["reuse"])
        self._validation = dict(state_dict["validation"])
        self.seconds = state_dict["seconds"]

    def _time(self) -> float:
        return self.seconds + (0.0 if self._start is None else time.perf_counter() - self._start)

    def _stop_clock(self) -> None:
        self.seconds, self._start = self._time(), None

    def _count_vectors(self, name: str, layer: AnalogLayer, counted: Counter[str]) -> RemovableHandle:
        def count(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            # An LSTM uses its cells in every step.
            counted[name] += layer.output_rows(output).shape[0] // inputs[0].shape[0]
            self.reuse[name] = counted[name]

        return layer.register_forward_hook(count)


def _values(trainer: Trainer, split: str) -> dict[str, float]:
    return {key: value.item() for key, value in trainer.callback_metrics.items() if key.startswith(split)}
