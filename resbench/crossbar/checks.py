"""Checks of the arguments of a tile, made once in each call before anything changes, on every backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from resbench.crossbar.rows import Rows, rows_of
from resbench.errors import BadValue

Axis = Literal["column", "row"]
#: Dtypes of weights. Half precision is too coarse for the steps of a fine device.
PRECISIONS = (torch.float32, torch.float64)


def fitting(name: str, values: Tensor | Rows, lines: int, weight: Tensor) -> Rows:
    """Rows in the form and dtype that a tile takes.

    Args:
        name: name of the argument, for messages.
        values: ``[n, lines]`` of any real dtype.
        lines: number of rows or columns of the tile.
        weight: weight of the tile.

    Raises:
        BadValue: for another shape, another device, or complex numbers.
    """
    rows = rows_of(values)
    shape, source = rows.shape, rows.source
    if len(shape) != 2 or shape[1] != lines:
        raise BadValue(name, list(shape), f"does not fit a tile {list(weight.shape)}; write [n, {lines}]")
    if source.device != weight.device:
        raise BadValue(name, f"it is on {source.device}", f", the tile on {weight.device}; move one of them")
    if rows.dtype is not weight.dtype:
        if source.is_complex():
            raise BadValue(name, source.dtype, "is no real number; write float32")
        rows = rows.cast(weight.dtype)
    return rows.of(rows.source.detach()) if source.requires_grad else rows


def check_lines(lines: Tensor, axis: Axis, shape: tuple[int, int]) -> None:
    """Raise BadValue unless these are numbers ``[n]`` of columns (rows) of a tile.

    On a GPU this would wait for the device. There, torch reports other numbers later, and Triton's kernels write
    nothing on such lines.
    """
    count = _lines(shape, axis)
    if lines.dtype is not torch.int64 or lines.dim() != 1:
        raise BadValue(
            "lines", f"{list(lines.shape)} of {lines.dtype}", f"; write the numbers of {axis}s, [n] of torch.int64"
        )
    if lines.is_cpu:
        chosen = lines.tolist()
        if chosen and not (min(chosen) >= 0 and max(chosen) < count):
            raise BadValue("lines", f"{min(chosen)} to {max(chosen)}", f", the tile has {axis}s 0 to {count - 1}")


def check_values(values: Tensor, lines: Tensor, axis: Axis, shape: tuple[int, int]) -> None:
    """Raise BadValue unless these are ``[n, out]`` values for n columns (``[n, in]`` for n rows)."""
    expected = (lines.shape[0], shape[axis == "row"])
    if values.shape != expected:
        raise BadValue(
            "values",
            f"{list(values.shape)} for {expected[0]} {axis}s",
            f"; write {list(expected)}, a row for each {axis}",
        )


def check_carry(source: tuple[int, int], target: tuple[int, int], first: int, last: int, axis: Axis) -> None:
    """Raise BadValue unless columns (rows) ``first`` to ``last - 1`` can go from a tile of a shape to another."""
    if target != source:
        raise BadValue("target", f"a tile {list(target)}", f"does not fit one {list(source)}; give one of that shape")
    check_range(first, last, axis, source)


def check_range(first: int, last: int, axis: Axis, shape: tuple[int, int]) -> None:
    """Raise BadValue unless a tile has columns (rows) ``first`` to ``last - 1``."""
    count = _lines(shape, axis)
    if not 0 <= first < last <= count:
        raise BadValue("first, last", f"{first} to {last - 1}", f", the tile has {axis}s 0 to {count - 1}")


def check_precision(dtype: torch.dtype) -> None:
    """Raise TypeError unless tiles can hold weights in this dtype."""
    if dtype not in PRECISIONS:
        raise TypeError(
            f"precision: tiles in {dtype} would lose the steps of their devices; leave the model in torch.float32, and "
            "compute products in half precision by torch.autocast"
        )


def _lines(shape: Sequence[int], axis: Axis) -> int:
    if axis not in ("column", "row"):
        raise BadValue("axis", repr(axis), "is unknown; write column or row")
    return shape[axis == "column"]
