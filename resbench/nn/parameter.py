"""The parameter of an analog layer: other code sees it like any parameter, but only its algorithm trains it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from resbench.algorithms import Algorithm
from resbench.crossbar.rows import Rows

#: Number of backward passes without a step after which a warning follows: more than anybody accumulates.
MANY = 1000
OWNED = "the algorithm of the layer owns this analog weight"


class ForeignWrite(RuntimeError):
    """Something other than its algorithm wrote to an analog weight, or tried to; the devices do not follow that."""


class Pair(tuple[Rows, Rows]):
    """Inputs x and errors d of a backward pass, which must stay as they are until the step.

    Both may share memory with tensors of the caller. Torch's own layers have their gradient after backward, but this
    pair is read by the step.

    Attributes:
        writes: torch's count of writes to x and d when they were recorded.
    """

    writes: int

    @classmethod
    def of(cls, x: Rows, d: Rows) -> Pair:
        """The pair of x and d as they are now."""
        pair = cls((x, d))
        pair.writes = x.source._version + d.source._version
        return pair

    def is_overwritten(self) -> bool:
        """Whether x or d changed in place since then."""
        return self[0].source._version + self[1].source._version != self.writes


class AnalogWeight(nn.Parameter):
    """The composite weight of an algorithm as a parameter that shares its memory.

    Other code may read, count, move and freeze it. Backward records the pairs (x, d) of the layer here: its input, and
    the derivative of the loss by its output. The optimiser passes them to the algorithm.

    Devices change by pulses only. If other code writes to the parameter or its ``data``, the next use of the weight
    raises :class:`ForeignWrite`. Torch counts writes to a tensor; the parameter shares the memory of the algorithm, but
    not its count.

    Attributes:
        algorithm: the algorithm that holds and trains the weight.
        array: the same memory as a plain tensor, for products.
        pairs: pending (x ``[n, in]``, d ``[n, out]``) of the backward passes since the last step.
        lr_scale: factor on the learning rate, which compensates a mapping scale.
        many: number of pending pairs at which a warning is given.
        label: name of the weight in messages; :func:`to_analog` sets it to its name in the model.
        writes: torch's count of writes to this parameter when it was last tied to the algorithm.
        process: rank of the process that trains the tiles, where processes share the work; None if all have the same.
    """

    algorithm: Algorithm
    array: Tensor
    pairs: list[Pair]
    lr_scale: float
    many: int
    label: str
    writes: int
    process: int | None

    def __new__(
        cls,
        algorithm: Algorithm,
        shape: torch.Size | tuple[int, ...],
        requires_grad: bool = True,
        lr_scale: float = 1.0,
        label: str | None = None,
    ) -> AnalogWeight:
        # `data` has its own count of writes, which does not rise when the algorithm writes to its buffers.
        weight = super().__new__(cls, algorithm.weight.data.view(shape), requires_grad)
        weight.algorithm = algorithm
        weight.array = algorithm.weight.detach().view(shape)
        weight.pairs = []
        weight.lr_scale = lr_scale
        weight.many = MANY
        weight.label = label or f"analog weight {tuple(shape)}"
        weight.writes = weight._version
        weight.process = None
        return weight

    def __init__(self, *_: object) -> None:
        super().__init__()

    @property
    def data(self) -> Tensor:
        """The weight without its history, as for any tensor; writes to it are counted."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        torch.Tensor.data.__set__(self, value)  # type: ignore[attr-defined]
        self.writes = -1  # no longer the memory of the algorithm, until `tie`

    def tie(self) -> None:
        """Share memory with the algorithm again, after both were moved or the weight was programmed."""
        self.data = self.algorithm.weight.data.view(self.shape)
        self.array = self.algorithm.weight.detach().view(self.shape)
        self.writes = self._version

    def check_writes(self) -> None:
        """Refuse the weight if other code wrote to it.

        Raises:
            ForeignWrite: if anything but the algorithm wrote to the weight.
        """
        if self._version != self.writes:
            raise ForeignWrite(
                f"{self.label}: something other than its algorithm wrote to this analog weight, and devices change by "
                "pulses only; to program it, write layer.set_weights(weight), or load_state_dict of the digital model"
            )

    def refuse_gradient(self) -> None:
        """Refuse a gradient that autograd put here; the layer itself never causes one.

        Raises:
            ForeignWrite: always.
        """
        raise ForeignWrite(
            f"{self.label}: autograd put a gradient on this analog weight, which moves by pulses of its algorithm "
            "only; leave it out of penalties, and call its layer instead of using layer.weight"
        )

    def append(self, x: Rows, d: Rows) -> None:
        """Record the pair of a backward pass."""
        self.pairs.append(Pair.of(x, d))
        if len(self.pairs) == self.many:
            warnings.warn(
                f"{self.label}: {self.many} backward passes wait for a step, and stay in memory until then; train the "
                "model with resbench.nn.AnalogOptimizer, and call zero_grad between mini-batches",
                stacklevel=2,
            )

    def check_pairs(self) -> None:
        """Refuse pending pairs that are no longer what backward recorded.

        Raises:
            RuntimeError: if an input or an error was changed in place.
        """
        for pair in self.pairs:
            if pair.is_overwritten():
                raise RuntimeError(
                    f"{self.label}: the input of this analog layer, or the gradient of its output, was changed in "
                    "place between backward and step, which trains with both; write .clone() where the buffer goes "
                    "into the network (or into backward), or call step before it is overwritten"
                )

    def step(self, lr: float) -> None:
        """Train the weight with the pending pairs and drop them.

        Raises:
            ForeignWrite: if anybody else wrote to the weight.
        """
        self.algorithm.step(self.pop_pairs(), lr * self.lr_scale)

    def pop_pairs(self, parts: int = 1) -> Sequence[tuple[Rows, Rows]]:
        """The pending pairs, which are dropped here.

        Where processes share the mini-batch, the process that trains the tiles gets the pairs of all, in the order of
        their ranks. The loss of each is a mean over its part, so d is divided by their number, which is exact for a
        power of two. The other processes get none.

        Args:
            parts: number of these processes.

        Raises:
            ForeignWrite: if anybody else wrote to the weight.
        """
        self.check_writes()
        pairs, self.pairs = self.pairs, []
        if parts == 1:
            return pairs
        gathered = [(x.gathered(self.process), d.gathered(self.process, 1 / parts)) for x, d in pairs]
        return [(x, d) for x, d in gathered if x is not None and d is not None]

    def __deepcopy__(self, memo: dict[int, Any]) -> AnalogWeight:
        if id(self) not in memo:
            algorithm = copy.deepcopy(self.algorithm, memo)
            memo[id(self)] = AnalogWeight(algorithm, self.shape, self.requires_grad, self.lr_scale, self.label)
        twin: AnalogWeight = memo[id(self)]
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        return AnalogWeight, (self.algorithm, tuple(self.shape), self.requires_grad, self.lr_scale, self.label)


def _zero_grad(self: nn.Module, set_to_none: bool = True) -> None:
    """Torch's ``Module.zero_grad``, which also drops the pending pairs of analog weights."""
    _torch_zero_grad(self, set_to_none)
    for parameter in self.parameters():
        if type(parameter) is AnalogWeight:
            parameter.pairs.clear()


# Torch has no hook for `zero_grad`, and any module may contain analog layers, so the method of all modules is replaced.
_torch_zero_grad = nn.Module.zero_grad
nn.Module.zero_grad = _zero_grad  # type: ignore[method-assign]
