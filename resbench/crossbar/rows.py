"""The vectors of a mini-batch as the rows of a matrix, which is laid out only on demand.

The rows of a convolution stay in their image. Kernels that work on the image take ``source``; everything else calls
:meth:`Rows.dense`.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from resbench.crossbar.processes import gathered, gathered_by


class Rows:
    """A matrix ``[n, lines]``: one vector for each sample, or for each output position of a convolution.

    It is not a tensor. ``rows.dense()`` is the matrix as a tensor, and ``rows[first:stop]`` are some of the rows.

    Args:
        source: the tensor that contains the rows: here the matrix itself, in subclasses an image.

    Attributes:
        shape: ``(n, lines)``.
    """

    def __init__(self, source: Tensor) -> None:
        self.source = source
        self.shape = source.shape

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the matrix; asking for it lays out nothing."""
        return self.source.dtype

    @property
    def device(self) -> torch.device:
        """The device of the matrix."""
        return self.source.device

    def dense(self) -> Tensor:
        """The matrix ``[n, lines]``; rows of a convolution are laid out at the first call."""
        return self.source

    def of(self, source: Tensor) -> Self:
        """Rows of the same kind from another source."""
        return type(self)(source)

    def cast(self, dtype: torch.dtype) -> Self:
        """The same rows in another dtype."""
        return self if self.source.dtype is dtype else self.of(self.source.to(dtype))

    def gathered(self, process: int | None, factor: float = 1.0) -> Self | None:
        """Rows of all processes that share the mini-batch, in the order of their ranks, times a factor.

        Args:
            process: rank of the process that gets them, where the others get None; None for all of them.
            factor: the factor.
        """
        source = gathered(self.source) if process is None else gathered_by(process, self.source)
        return None if source is None else self.of(source * factor)

    def __getitem__(self, part: slice) -> Rows:
        return Rows(self.source[part])

    if not TYPE_CHECKING:  # a type checker reports missing attributes by itself

        def __getattr__(self, name: str) -> Any:
            hint = "write rows.dense() for the matrix as a tensor"
            raise AttributeError(f"rows of a mini-batch have no {name!r}; {hint}")


class ImageRows(Rows):
    """Rows that stay in their images, images outermost. Subclasses implement how they are laid out."""

    _matrix: Tensor | None = None

    @abstractmethod  # for mypy alone: asking about instances of an abstract base class takes four times as long
    def lay_out(self, images: Tensor) -> Tensor:
        """The rows of some images as a matrix."""

    def dense(self) -> Tensor:
        if self._matrix is None:
            self._matrix = self.lay_out(self.source)
        return self._matrix

    def __getitem__(self, part: slice) -> Rows:
        start, stop, step = part.indices(self.shape[0])
        if self._matrix is not None:
            return Rows(self._matrix[part])
        # Lay out only the images that contain these rows.
        positions = self.shape[0] // self.source.shape[0]
        first, last = start // positions, -(-stop // positions)
        offset = first * positions
        return Rows(self.lay_out(self.source[first:last])[start - offset : stop - offset : step])


class PatchRows(ImageRows):
    """The input rows of a convolution: one row for each output position.

    Args:
        image: ``[images, channels, height, width]``, already padded.
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
        self.source = image
        self.shape = torch.Size((images * high * wide, channels * kernel[0] * kernel[1]))

    def of(self, source: Tensor) -> Self:
        return type(self)(source, self.geometry[:2], self.geometry[2:4], self.geometry[4:6])

    def lay_out(self, images: Tensor) -> Tensor:
        kernel, stride, dilation = self.geometry[:2], self.geometry[2:4], self.geometry[4:6]
        return functional.unfold(images, kernel, dilation=dilation, stride=stride).transpose(1, 2).flatten(0, 1)


class MapRows(ImageRows):
    """The error rows of a convolution: ``[images, channels, height, width]``, one row for each position."""

    def __init__(self, maps: Tensor) -> None:
        images, channels, high, wide = maps.shape
        self.source = maps
        self.shape = torch.Size((images * high * wide, channels))

    def lay_out(self, images: Tensor) -> Tensor:
        return images.flatten(2).transpose(1, 2).flatten(0, 1)


class OneHotRows(Rows):
    """Rows that are 1 on one line each, and 0 on the others.

    Args:
        lines: int64 ``[n]``, these lines.
        count: number of lines.
        dtype: dtype of the matrix.
    """

    def __init__(self, lines: Tensor, count: int, dtype: torch.dtype) -> None:
        self.source, self._dtype = lines, dtype
        self.shape = torch.Size((lines.numel(), count))

    @property
    def dtype(self) -> torch.dtype:
        return self._dtype

    def dense(self) -> Tensor:
        matrix = torch.zeros(self.shape, dtype=self._dtype, device=self.source.device)
        return matrix.scatter_(1, self.source[:, None], 1.0)

    def of(self, source: Tensor) -> Self:
        return type(self)(source, self.shape[1], self._dtype)

    def cast(self, dtype: torch.dtype) -> Self:
        return type(self)(self.source, self.shape[1], dtype)

    def __getitem__(self, part: slice) -> Rows:
        return self.of(self.source[part])


class ScaledRows(Rows):
    """Rows that are multiplied by a factor for each row and a sign for each line.

    Args:
        rows: ``[n, lines]``.
        factors: float32 ``[n]``, 0 or above; None for 1.
        signs: float32 ``[lines]``, 1 or -1; None for 1.
        rate: float64 ``[1]``, the learning rate of an update with these rows where only a GPU knows it. Its kernels
            take it instead of the rate that they get.
    """

    def __init__(
        self,
        rows: Rows,
        factors: Tensor | None = None,
        signs: Tensor | None = None,
        rate: Tensor | None = None,
    ) -> None:
        self.rows, self.factors, self.signs, self.rate = rows, factors, signs, rate
        self.source, self.shape = rows.source, rows.shape

    def dense(self) -> Tensor:
        scaled = self.rows.dense()
        if self.factors is not None:
            scaled = scaled * self.factors[:, None]
        return scaled if self.signs is None else scaled * self.signs

    def of(self, source: Tensor) -> Self:
        factors, signs = (None if each is None else each.to(source.dtype) for each in (self.factors, self.signs))
        return type(self)(self.rows.of(source), factors, signs, self.rate)

    def __getitem__(self, part: slice) -> Rows:
        factors = None if self.factors is None else self.factors[part]
        return ScaledRows(self.rows[part], factors, self.signs, self.rate)


def rows_of(values: Tensor | Rows) -> Rows:
    """``values`` as rows; a tensor is taken as a matrix ``[n, lines]``."""
    return values if isinstance(values, Rows) else Rows(values)  # asking whether it is a Tensor takes longer


@functools.cache
def circle(lines: int, device: torch.device) -> Tensor:
    """The numbers of all columns (rows) twice, int64 ``[2 lines]``, because transfers wrap around."""
    return torch.arange(2 * lines, device=device) % lines


def part_of_outer_sum(d: Rows, x: Rows, first: int, stop: int) -> Tensor:
    """:func:`outer_sum` over the rows ``first`` to ``stop - 1``.

    If these are the last rows, it is the sum over all rows less that over those before, because the patches of a
    convolution are only laid out for single rows.
    """
    if stop < x.shape[0]:
        return outer_sum(d[first:stop], x[first:stop])
    return outer_sum(d, x) - outer_sum(d[:first], x[:first]) if first > 0 else outer_sum(d, x)


def outer_sum(d: Rows, x: Rows) -> Tensor:
    """The gradient ``sum_m d_m x_m^T``, ``[out, in]``. For convolutions, the patches are not laid out.

    Args:
        d: ``[n, out]``.
        x: ``[n, in]``.
    """
    if not (isinstance(d, MapRows) and isinstance(x, PatchRows)):
        return d.dense().T @ x.dense()
    kh, kw, stride_h, stride_w, dilation_h, dilation_w, _ = x.geometry
    maps, image = d.source, x.source
    (_, out, rows, columns), (_, channels, height, width) = maps.shape, image.shape
    # A convolution may not reach the last lines of the image; its gradient needs exactly the lines that it uses.
    high = (rows - 1) * stride_h + dilation_h * (kh - 1) + 1
    wide = (columns - 1) * stride_w + dilation_w * (kw - 1) + 1
    if (height, width) != (high, wide):
        image = image[:, :, :high, :wide]
    kernel = _shape_only((out, channels, kh, kw), image.dtype, image.device)
    gradient: Tensor = torch.ops.aten.convolution_backward(
        maps, image, kernel, None, (stride_h, stride_w), (0, 0), (dilation_h, dilation_w), False, (0, 0), 1,
        (False, True, False),
    )[1]  # fmt: skip
    return gradient.flatten(1)


@functools.lru_cache(maxsize=256)
def _shape_only(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor of a shape, whose values are never read."""
    return torch.empty(1, dtype=dtype, device=device).expand(shape)
