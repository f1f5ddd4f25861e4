"""The pulsed update, one function with several backends that draw the same random numbers.

``reference`` is the readable truth, sample by sample and slot by slot. ``events`` finds all pulses of a mini-batch
first and applies only those, vectorised in torch, on any device. ``cpu`` does the same compiled by Numba, ``cuda``
compiled by Triton. All give the same pulses; weights agree to float rounding.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from resbench.crossbar.devices import Ideal
from resbench.crossbar.kernels import events, exact, reference
from resbench.crossbar.rows import MapRows, PatchRows, Rows, matrix

if TYPE_CHECKING:
    from resbench.crossbar.changes import Changes
    from resbench.crossbar.checks import Axis
    from resbench.crossbar.pulses import PulseTrain
    from resbench.crossbar.tile import Tile

Backend = Literal["auto", "cpu", "cuda", "events", "reference"]
BACKENDS: tuple[Backend, ...] = ("auto", "cpu", "cuda", "events", "reference")
_backend: Backend = "auto"


def use(backend: Backend) -> None:
    """Choose the backend of all tiles of this process; ``auto`` takes the fastest that covers the case."""
    global _backend
    if backend not in BACKENDS:
        raise ValueError(f"backend: {backend!r} is unknown; write one of {', '.join(BACKENDS)}")
    _backend = backend


def update(tile: Tile, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Apply the rank-1 updates of a mini-batch to a tile, in place; see :meth:`resbench.crossbar.tile.Tile.update`."""
    if lr == 0 or x.shape[0] == 0:
        return
    if pulses.is_plain and tile.is_pulsed:
        if is_numba(tile):
            _numba().update(tile, x, d, lr, pulses, granularity)
            return
        if _has_triton_kernels(tile.weight):
            from resbench.crossbar.kernels import cuda

            cuda.update(tile, x, d, lr, pulses, granularity)
            return
    tile.touch(None)
    x, d = matrix(x).to(tile.weight.dtype), matrix(d).to(tile.weight.dtype)
    if isinstance(tile.device, Ideal):
        exact.ideal(tile, x, d, lr)
    elif tile.is_continuous:
        exact.flow(tile, x, d, lr)
    elif pulses.pulse_type == "exact":
        exact.rank_one(tile, x, d, lr)
    elif _backend == "reference":
        reference.update(tile, x, d, lr, pulses, granularity)
    else:
        events.update(tile, x, d, lr, pulses, granularity)


def carry(source: Tile, target: Tile, first: int, last: int, rate: float, pulses: PulseTrain, axis: Axis) -> bool:
    """Do :meth:`resbench.crossbar.tile.Tile.carry` at once, if a compiled kernel can; returns whether it did."""
    can = pulses.is_plain and target.is_pulsed and is_numba(source) and is_numba(target)
    if can:
        _numba().carry(source, target, first, last, rate, pulses, axis)
    return can


def lines(tile: Tile, first: int, last: int, axis: Axis) -> Any:
    """Columns (rows) of a tile that compiled kernels serve, as a numpy array ``[n, out]`` (``[n, in]``)."""
    return _numba().lines(tile, first, last, axis)


def compose(composite: Tensor, tiles: Sequence[Tile], gammas: Sequence[float], changes: Changes) -> None:
    """Bring ``composite = sum_k gamma_k W_k`` up to date in place, only where tiles changed if that is known."""
    if has_numba_kernels(composite):
        _numba().compose(composite, tiles, gammas, changes)
        return
    if any(tile.changes is not changes for tile in tiles):
        changes.follow(tiles)
    touched = changes.collect()
    weights = [tile.weight for tile, gamma in zip(tiles, gammas, strict=True) if gamma != 0]
    shares = [gamma for gamma in gammas if gamma != 0]
    if _has_triton_kernels(composite):
        from resbench.crossbar.kernels import cuda

        cuda.compose(composite, weights, shares, touched)
        return
    composite.zero_()
    for weight, share in zip(weights, shares, strict=True):
        composite.add_(weight, alpha=share)


def row_maxima(rows: Rows) -> Tensor:
    """``max_j |x_mj|`` of every row m, ``[n]``; patches are not laid out where Numba's kernels serve them."""
    if isinstance(rows, PatchRows) and has_numba_kernels(rows.source):
        return torch.from_numpy(_numba().row_maxima(rows))
    if isinstance(rows, MapRows):
        return rows.source.abs().amax(dim=1).flatten()
    return matrix(rows).abs().amax(dim=1)


# Compiled kernels are imported where they are used, because that takes time.


def has_numba_kernels(weight: Tensor) -> bool:
    """Whether the kernels compiled by Numba serve this tensor."""
    return _backend in ("auto", "cpu") and weight.dtype is torch.float32 and weight.is_cpu


def is_numba(tile: Tile) -> bool:
    """Whether they serve this tile."""
    return (tile.memory is not None and _backend in ("auto", "cpu")) or has_numba_kernels(tile.weight)


@functools.cache
def _numba() -> ModuleType:
    return importlib.import_module("resbench.crossbar.kernels.cpu")


def _has_triton_kernels(weight: Tensor) -> bool:
    return _backend in ("auto", "cuda") and weight.dtype == torch.float32 and _triton_runs_on(weight.device.type)


@functools.cache
def _triton_runs_on(device: str) -> bool:
    if importlib.util.find_spec("triton") is None:
        return False
    if device == "cuda":
        return True
    import triton

    return bool(device == "cpu" and triton.knobs.runtime.interpret)
