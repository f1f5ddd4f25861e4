"""Language modelling."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from resbench.tasks.base import Task


class LanguageModelling(Task):
    """Prediction of the next character at every position; the loss is the cross entropy in nats per character.

    The network gives logits ``[n, t, characters]`` of int64 ``[n, t]``. Each position counts as one vector for the
    analog layers. Arguments and errors are those of :class:`~resbench.tasks.base.Task`.
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
