"""Linear layers on crossbar tiles."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from resbench.crossbar.rows import Rows
from resbench.nn.base import AnalogLayer


class AnalogLinear(AnalogLayer):
    """A linear layer on one array: ``y = x W^T + b`` with W ``[out, in]`` held by an algorithm.

    Args:
        layer: the digital layer to take shape, weights and bias from, the weights as far as the devices can hold them.
        hardware: what the array is made of.

    Raises:
        BadValue: for a mapping that splits the layer, or that scales its weight beyond what the devices hold.
    """

    def exact_product(self, x: Tensor, weight: Tensor, offset: Tensor | None) -> Tensor:
        return functional.linear(x, weight, offset)

    def plain_product(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight.array, self.bias)

    def input_rows(self, x: Tensor) -> Rows:
        return Rows(x if x.dim() == 2 else x.reshape(-1, x.shape[-1]))

    def output_rows(self, y: Tensor) -> Tensor:
        return y if y.dim() == 2 else y.reshape(-1, y.shape[-1])

    def from_output_rows(self, rows: Tensor, x: Tensor) -> Tensor:
        return rows if x.dim() == 2 else rows.view(*x.shape[:-1], rows.shape[-1])

    def per_output(self, values: Tensor) -> Tensor:
        return values

    def extra_repr(self) -> str:
        """The geometry, as torch prints it."""
        out, columns = self.kernel_shape
        return f"in_features={columns}, out_features={out}, bias={self.bias is not None or self.bias_column}"


def linear_of(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """The digital linear layer of a matrix ``[out, in]`` and a bias ``[out]``."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight.detach().contiguous())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach())
    return layer
