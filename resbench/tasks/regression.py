"""Regression."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from resbench.errors import BadValue
from resbench.tasks.base import Task


class Regression(Task):
    """Regression with the mean squared error, averaged over samples and outputs.

    The network returns ``[n, outputs]``. Arguments and errors are those of :class:`~resbench.tasks.base.Task`. If the
    output of the network has another shape than the targets, BadValue is raised.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``[n, outputs]``."""
        outputs: Tensor = self.network(inputs)
        return outputs

    def measure(self, batch: tuple[Tensor, Tensor]) -> tuple[list[Tensor], int]:
        inputs, targets = batch
        outputs = self(inputs)
        if outputs.shape != targets.shape:
            hint = f", the targets are {list(targets.shape)}; write a network with as many outputs as targets"
            raise BadValue("network", f"its output is {list(outputs.shape)}", hint)
        return [functional.mse_loss(outputs, targets)], len(targets)

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Outputs ``[n, outputs]``."""
        outputs: Tensor = self(batch)
        return outputs
