"""Language modelling."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from resbench.tasks.base import Table, Task


class LanguageModelling(Task):
    """Prediction of the next character at every position; the loss is the cross entropy in nats per character.

    The network returns logits ``[n, t, characters]`` for int64 ``[n, t]``. Each position is one vector for the analog
    layers. Arguments and errors are those of :class:`~resbench.tasks.base.Task`.
    """

    def forward(self, characters: Tensor) -> Tensor:
        """Logits ``[n, t, characters]``."""
        logits: Tensor = self.network(characters)
        return logits

    def measure(self, batch: tuple[Tensor, Tensor]) -> tuple[list[Tensor], int]:
        characters, following = batch
        logits = self(characters)
        return [functional.cross_entropy(logits.flatten(0, 1), following.flatten())], following.numel()

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Probabilities of the next character at each position, ``[n, t, characters]``."""
        return torch.softmax(self(batch), dim=2)

    def table(self, predictions: Tensor) -> Table:
        """For each position of each window, the number of the most probable next character, and all probabilities.

        Characters have the numbers of the data module; the record of the run lists them in that order.
        """
        columns = ["sample", "position", "class", *(f"p{k}" for k in range(predictions.shape[2]))]
        best = predictions.argmax(2).tolist()
        return columns, (
            [sample, position, best[sample][position], *row.tolist()]
            for sample, window in enumerate(predictions)
            for position, row in enumerate(window)
        )
