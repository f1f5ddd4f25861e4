"""The rows of a convolution as the image they come from, unfolded only if somebody asks for them as a matrix."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self, cast

import torch
from torch import Tensor
from torch.nn import functional

from resbench.crossbar.processes import gathered, share


class LazyRows:
    """A matrix of rows that is not yet laid out; any torch function that takes it gets the matrix.

    Kernels that can work from the image take :attr:`source`; everything else, an algorithm's own arithmetic for
    example, sees a float32 matrix ``[n, lines]``.

    Args:
        source: the tensor that the rows come from.
        shape: ``(n, lines)`` of the matrix.
    """

    # Not an abstract base class: whether something is one of these is asked many times a step, and `isinstance` takes
    # four times as long for those.

    #: The matrix of the rows that come from a source; a subclass has it.
    _lay_out: Callable[[Any], Tensor]

    def __init__(self, source: Tensor, shape: tuple[int, int]) -> None:
        self.source = source
        self.shape = torch.Size(shape)
        self._matrix: Tensor | None = None

    @property
    def dtype(self) -> torch.dtype:
        """That of the matrix; to know it nothing is laid out."""
        return self.source.dtype

    @property
    def device(self) -> torch.device:
        """That of the matrix."""
        return self.source.device

    def gathered(self, factor: float) -> Self:
        """As :func:`gather_rows`, laid out no earlier than these."""
        joined = self._of(gathered(self.source) * factor)
        joined.shape = torch.Size((self.shape[0] * share()[1], self.shape[1]))
        return joined

    def cast(self, dtype: torch.dtype) -> Self:
        """The same rows in another dtype, laid out no earlier than these."""
        return self._of(self.source.to(dtype))

    def _of(self, source: Any) -> Self:
        """Rows of this kind from another source."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.source, twin._matrix = source, None
        return twin

    def dense(self) -> Tensor:
        """The matrix ``[n, lines]``, laid out at the first call."""
        if self._matrix is None:
            self._matrix = self._lay_out(self.source)
        return self._matrix

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            return self.dense()[index]
        start, stop, step = index.indices(self.shape[0])
        if (start, stop, step) == (0, self.shape[0], 1):
            return self
        if self._matrix is not None:
            return self._matrix[index]
        # Lay out only the images that the rows come from.
        positions = self.shape[0] // self.source.shape[0]
        first, last = start // positions, -(-stop // positions)
        return self._lay_out(self.source[first:last])[start - first * positions : stop - first * positions : step]

    def __getattr__(self, name: str) -> Any:
        if name == "_lay_out":  # asking the matrix for it would ask for it again
            raise TypeError(f"{type(self).__name__} lacks _lay_out(source), the matrix of its rows")
        return getattr(self.dense(), name)

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run any torch function on the matrix."""
        return function(*_densify(args), **{name: _densify(value) for name, value in (kwargs or {}).items()})


def _delegated(operator: str) -> Callable[..., Any]:
    def method(self: LazyRows, *args: Any) -> Any:
        return getattr(self.dense(), operator)(*_densify(args))

    return method


# Python looks operators up on the class, where ``__getattr__`` does not reach.
for _operator in (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "matmul", "rmatmul", "pow", "neg", "abs"),
    *("lt", "le", "gt", "ge", "len", "iter"),
):
    setattr(LazyRows, f"__{_operator}__", _delegated(f"__{_operator}__"))


def _densify(value: Any) -> Any:
    if isinstance(value, LazyRows):
        return value.dense()
    if isinstance(value, (tuple, list)):
        return type(value)(_densify(item) for item in value)
    return value


Rows = Tensor | LazyRows


class PatchRows(LazyRows):
    """The input rows of a convolution: one row for each output position, images outermost.

    Args:
        image: ``[images, channels, height, width]``, padded already.
        kernel: height and width of the kernel.
        stride: its stride.
        dilation: its dilation.
    """

    def __init__(
        self, image: Tensor, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
    ) -> None:
        images, channels, height, width = image.shape
        high = (height - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
        wide = (width - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
        self.geometry = (*kernel, *stride, *dilation, wide)
        super().__init__(image, (images * high * wide, channels * kernel[0] * kernel[1]))

    def _lay_out(self, source: Tensor) -> Tensor:
        kernel, stride, dilation = self.geometry[:2], self.geometry[2:4], self.geometry[4:6]
        return functional.unfold(source, kernel, dilation=dilation, stride=stride).transpose(1, 2).flatten(0, 1)


class MapRows(LazyRows):
    """The error rows of a convolution: ``[images, channels, height, width]``, one row for each position."""

    def __init__(self, maps: Tensor) -> None:
        images, channels, high, wide = maps.shape
        super().__init__(maps, (images * high * wide, channels))

    def _lay_out(self, source: Tensor) -> Tensor:
        return source.flatten(2).transpose(1, 2).flatten(0, 1)


class OneHotRows(LazyRows):
    """Rows that drive one line each: int64 ``[n]``, which of ``width`` lines."""

    def __init__(self, lines: Tensor, width: int) -> None:
        super().__init__(lines, (lines.shape[0], width))

    _dtype = torch.float32  # of the matrix; the source has indices

    @property
    def dtype(self) -> torch.dtype:
        return self._dtype

    def cast(self, dtype: torch.dtype) -> Self:
        twin = self._of(self.source)
        twin._dtype = dtype
        return twin

    def _lay_out(self, source: Tensor) -> Tensor:
        chosen = torch.zeros(len(source), self.shape[1], dtype=self.dtype, device=source.device)
        return chosen.scatter_(1, source[:, None], 1.0)


class ScaledRows(LazyRows):
    """Rows times a factor each, and lines times a sign each.

    Args:
        rows: ``[n, lines]``.
        factors: float32 ``[n]``, 0 or above; None for 1.
        signs: float32 ``[lines]``, 1 or -1; None for 1.
    """

    source: Any  # rows again

    def cast(self, dtype: torch.dtype) -> Self:
        twin = self._of(cast_rows(self.source, dtype))
        twin.factors = None if self.factors is None else self.factors.to(dtype)
        twin.signs = None if self.signs is None else self.signs.to(dtype)
        return twin

    def __init__(self, rows: Rows, factors: Tensor | None = None, signs: Tensor | None = None) -> None:
        self.factors, self.signs = factors, signs
        super().__init__(cast(Tensor, rows), (rows.shape[0], rows.shape[1]))

    def _lay_out(self, source: Rows) -> Tensor:
        scaled = matrix(source)
        if self.factors is not None:
            scaled = scaled * self.factors[:, None]
        return scaled if self.signs is None else scaled * self.signs

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            return self.dense()[index]
        factors = None if self.factors is None else self.factors[index]
        return ScaledRows(self.source[index], factors, self.signs)


def outer_sum(d: Rows, x: Rows) -> Tensor:
    """``sum_m d_m x_m^T``, ``[out, in]``; of convolutions without laying out the patches.

    Args:
        d: ``[n, out]``.
        x: ``[n, in]``.
    """
    if isinstance(d, MapRows) and isinstance(x, PatchRows):
        kh, kw, stride_h, stride_w, dilation_h, dilation_w, _ = x.geometry
        maps, image = d.source, x.source
        (_, out, rows, columns), (_, channels, height, width) = maps.shape, image.shape
        # A convolution may not see the last lines of the image; its gradient needs exactly what it saw.
        high, wide = (
            (rows - 1) * stride_h + dilation_h * (kh - 1) + 1,
            (columns - 1) * stride_w + dilation_w * (kw - 1) + 1,
        )
        if (height, width) != (high, wide):
            image = image[:, :, :high, :wide]
        kernel = _shape_only((out, channels, kh, kw), image.dtype, image.device)
        gradient: Tensor = torch.ops.aten.convolution_backward(
            maps, image, kernel, None, (stride_h, stride_w), (0, 0), (dilation_h, dilation_w), False, (0, 0), 1,
            (False, True, False),
        )[1]  # fmt: skip
        return gradient.flatten(1)
    return matrix(d).T @ matrix(x)


@functools.lru_cache(maxsize=256)
def _shape_only(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor of which nobody reads the values."""
    return torch.empty(1, dtype=dtype, device=device).expand(shape)


def gather_rows(rows: Rows, factor: float = 1.0) -> Rows:
    """Rows of all processes that share the mini-batch, in the order of their ranks, times a factor."""
    return rows.gathered(factor) if isinstance(rows, LazyRows) else gathered(rows) * factor


def cast_rows(rows: Rows, dtype: torch.dtype) -> Rows:
    """Rows in another dtype."""
    return rows.cast(dtype) if isinstance(rows, LazyRows) else rows.to(dtype)


def matrix(rows: Tensor | LazyRows) -> Tensor:
    """Rows as a matrix ``[n, lines]``."""
    return rows.dense() if isinstance(rows, LazyRows) else rows
