"""Classification of single samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from resbench.algorithms import Algorithm
from resbench.crossbar import kernels
from resbench.crossbar.devices import Device
from resbench.crossbar.mapping import ONE_ARRAY, MappingParameters
from resbench.crossbar.periphery import IOParameters
from resbench.errors import BadValue
from resbench.tasks.base import Table, Task


class Classification(Task):
    """Classification with cross entropy; logs loss and acc, the fraction of samples whose largest logit is right.

    Args:
        network: returns logits ``[n, classes]``; the layers that ``layers`` names become analog.
        algorithm: how analog layers represent and train their weights.
        device: device of all tiles, or a list with one for each tile, fast tile first; digital algorithms need none.
        layers: patterns of the names of the layers that become analog, such as ``fc1`` or ``conv*``.
        label_smoothing: share of the target that is spread evenly over all classes in training, in [0, 1).
        forward_io: converters and noise of the forward products; null is perfect.
        backward_io: converters and noise of the backward products; null is perfect.
        mapping: how weights map to arrays.
        backend: kernels of the pulsed update; ``auto`` chooses the fastest ones.
        seed: seed of the tiles.

    Raises:
        BadValue: for a label_smoothing outside its range, and in the cases of :class:`~resbench.tasks.base.Task`.
    """

    metrics: ClassVar[tuple[str, ...]] = ("loss", "acc")

    def __init__(
        self,
        network: nn.Module,
        algorithm: Algorithm,
        device: Device | Sequence[Device] | None = None,
        layers: Sequence[str] = ("*",),
        label_smoothing: float = 0.0,
        forward_io: IOParameters | None = None,
        backward_io: IOParameters | None = None,
        mapping: MappingParameters = ONE_ARRAY,
        backend: kernels.Backend = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__(network, algorithm, device, layers, forward_io, backward_io, mapping, backend, seed)
        if not 0 <= label_smoothing < 1:
            raise BadValue("label_smoothing", label_smoothing, "is no share; write a number in [0, 1), 0 for none")
        self.label_smoothing = label_smoothing

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``[n, classes]``."""
        logits: Tensor = self.network(inputs)
        return logits

    def measure(self, batch: tuple[Tensor, Tensor]) -> tuple[list[Tensor], int]:
        inputs, targets = batch
        logits = self(inputs)
        smoothing = self.label_smoothing if self.training else 0.0
        loss = functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        accuracy = (logits.detach().argmax(1) == targets).float().mean()
        return [loss, accuracy], len(targets)

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Probabilities ``[n, classes]``."""
        return torch.softmax(self(batch), dim=1)

    def table(self, predictions: Tensor) -> Table:
        """For each sample its index, the most probable class and the probability of each class."""
        columns = ["sample", "class", *(f"p{k}" for k in range(predictions.shape[1]))]
        best = predictions.argmax(1).tolist()
        return columns, ([sample, best[sample], *row.tolist()] for sample, row in enumerate(predictions))
