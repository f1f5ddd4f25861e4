"""Linear and convolutional layers whose weight lives on crossbar tiles."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from resbench.algorithms import Algorithm
from resbench.crossbar.devices import Device
from resbench.crossbar.randomness import Stream
from resbench.nn.parameter import AnalogWeight


class AnalogLayer(nn.Module):
    """What analog layers share: the weight parameter tied to its algorithm, and the recording of (x, d).

    The bias is digital. Forward uses the composite weight detached, so that autograd computes no weight gradient; the
    gradient of the output is recorded with the input as a pair for the algorithm.
    """

    weight: AnalogWeight
    bias: nn.Parameter | None

    def __init__(
        self, layer: nn.Linear | nn.Conv2d, algorithm: Algorithm, device: Device | Sequence[Device], stream: Stream
    ) -> None:
        super().__init__()
        weight = layer.weight.detach().flatten(1)
        self.algorithm = algorithm.build((weight.shape[0], weight.shape[1]), device, stream)
        self.algorithm.program(weight)
        self.weight = AnalogWeight(self.algorithm, layer.weight.shape)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone())

    @abstractmethod
    def rows(self, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """The pair as rank-1 updates: x ``[n, in]``, d ``[n, out]``, images outermost, positions inner."""

    def record(self, x: Tensor, y: Tensor) -> Tensor:
        """Have backward append (x, dL/dy) to the pending pairs of the weight.

        Raises:
            RuntimeError: in backward, if x was changed in place after this layer used it.
        """
        if not (self.weight.requires_grad and torch.is_grad_enabled()):
            return y
        if not y.requires_grad:
            y.requires_grad_()
        x, version = x.detach(), x._version

        def append(d: Tensor) -> None:
            if x._version != version:
                raise RuntimeError(
                    "the input of an analog layer was changed in place before backward; use an out-of-place operation"
                )
            rows, errors = self.rows(x, d.detach())
            # A single row is a view of d, which autograd may hand to the bias as its gradient: keep a private copy.
            self.weight.pairs.append((rows, errors.clone() if errors.shape[0] == 1 else errors))

        y.register_hook(append)
        return y

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.weight.tie()
        return self


class AnalogLinear(AnalogLayer):
    """A linear layer on crossbar tiles: ``y = x W^T + b`` with W ``[out, in]`` held by an algorithm.

    Args:
        layer: the digital layer to take shape, weights and bias from, the weights as far as the devices can hold them.
        algorithm: how the weight is held and trained.
        device: device of the tiles, or one for each tile, fast tile first.
        stream: random stream of the layer; layers with different streams are independent.
    """

    def forward(self, x: Tensor) -> Tensor:
        y = self.record(x, functional.linear(x, self.weight.detach()))
        return y if self.bias is None else y + self.bias

    def rows(self, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        return x.reshape(-1, x.shape[-1]), d.reshape(-1, d.shape[-1])

    def extra_repr(self) -> str:
        """The geometry, as torch prints it."""
        out, columns = self.weight.shape
        return f"in_features={columns}, out_features={out}, bias={self.bias is not None}"


class AnalogConv2d(AnalogLayer):
    """A two-dimensional convolution on crossbar tiles; on the array W is ``[out_channels, in_channels * kh * kw]``.

    Every output position of every image is one row of the matrix-vector product and one rank-1 update.

    Args:
        layer: the digital convolution to take geometry, weights and bias from; ``groups`` must be 1.
        algorithm: how the weight is held and trained.
        device: device of the tiles, or one for each tile, fast tile first.
        stream: random stream of the layer.

    Raises:
        ValueError: for a grouped convolution.
    """

    def __init__(
        self, layer: nn.Conv2d, algorithm: Algorithm, device: Device | Sequence[Device], stream: Stream
    ) -> None:
        if layer.groups != 1:
            raise ValueError(f"groups: {layer.groups} does not fit one array; leave this convolution digital")
        super().__init__(layer, algorithm, device, stream)
        self.kernel_size = layer.kernel_size
        self.geometry: dict[str, Any] = {"stride": layer.stride, "dilation": layer.dilation, "padding": layer.padding}
        self.outer_padding: tuple[list[int], str] | None = None
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
            self.outer_padding = list(layer._reversed_padding_repeated_twice), mode
            self.geometry["padding"] = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.outer_padding is not None:
            x = functional.pad(x, *self.outer_padding)
        y = self.record(x, functional.conv2d(x, self.weight.detach(), **self.geometry))
        return y if self.bias is None else y + self.bias[:, None, None]

    def rows(self, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        patches = functional.unfold(x, self.kernel_size, **self.geometry)
        return patches.transpose(1, 2).flatten(0, 1), d.flatten(2).transpose(1, 2).flatten(0, 1)

    def extra_repr(self) -> str:
        """The geometry, in torch's words."""
        shape = "x".join(str(size) for size in self.weight.shape)
        return f"{shape}, " + ", ".join(f"{name}={value}" for name, value in self.geometry.items())


def analog_layers(model: nn.Module) -> Iterator[tuple[str, AnalogLayer]]:
    """(name, layer) of every analog layer of a model, in the order of its modules."""
    for name, module in model.named_modules():
        if isinstance(module, AnalogLayer):
            yield name, module
