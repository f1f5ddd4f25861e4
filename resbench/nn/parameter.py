"""The parameter of an analog layer: visible to foreign code like any other, trained by its algorithm alone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from resbench.algorithms import Algorithm
from resbench.crossbar.rows import Rows, gather_rows


class AnalogWeight(nn.Parameter):
    """The composite weight of an algorithm as a parameter that shares its memory.

    Foreign code may read, count, move and freeze it. Backward records the pairs (x, d) of the layer here, as they
    entered and left it; the optimiser passes them to the algorithm.

    Attributes:
        algorithm: the algorithm that holds and trains the weight.
        array: the same memory as a plain tensor, what products take.
        pairs: pending (x ``[n, in]``, d ``[n, out]``) of the backward passes since the last step.
        lr_scale: factor on the learning rate, for a mapping scale that is compensated there.
    """

    algorithm: Algorithm
    array: Tensor
    pairs: list[tuple[Rows, Rows]]
    lr_scale: float

    def __new__(
        cls,
        algorithm: Algorithm,
        shape: torch.Size | tuple[int, ...],
        requires_grad: bool = True,
        lr_scale: float = 1.0,
    ) -> AnalogWeight:
        weight = super().__new__(cls, algorithm.weight.view(shape), requires_grad)
        weight.algorithm = algorithm
        weight.array = weight.detach()
        weight.pairs = []
        weight.lr_scale = lr_scale
        return weight

    def __init__(self, *_: object) -> None:
        super().__init__()

    def tie(self) -> None:
        """Share memory with the algorithm again, after both were moved."""
        self.data = self.algorithm.weight.view(self.shape)
        self.array = self.detach()

    def step(self, lr: float, parts: int = 1) -> None:
        """Train the weight with the pending pairs and drop them.

        Processes that share the mini-batch all train with the pairs of all, in the order of their ranks. The loss of
        each is a mean over its part, so d is divided by their number, which is exact for a power of two.

        Args:
            lr: learning rate.
            parts: number of these processes.
        """
        pairs, self.pairs = self.pairs, []
        if parts > 1:
            pairs = [(gather_rows(x), gather_rows(d, 1 / parts)) for x, d in pairs]
        # Lazy rows pass for tensors: every torch function takes them.
        self.algorithm.step(pairs, lr * self.lr_scale)  # type: ignore[arg-type]

    def __deepcopy__(self, memo: dict[int, Any]) -> AnalogWeight:
        if id(self) not in memo:
            algorithm = copy.deepcopy(self.algorithm, memo)
            memo[id(self)] = AnalogWeight(algorithm, self.shape, self.requires_grad, self.lr_scale)
        twin: AnalogWeight = memo[id(self)]
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        return AnalogWeight, (self.algorithm, tuple(self.shape), self.requires_grad, self.lr_scale)
