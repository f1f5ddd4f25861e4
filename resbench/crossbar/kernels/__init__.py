"""The pulsed update, one function with several backends that draw the same random numbers.

``reference`` defines the update in readable code, sample by sample and slot by slot. ``events`` finds all pulses of a
mini-batch first and then applies them, vectorised in torch, on any device. ``cpu`` does the same compiled by Numba, and
``cuda`` compiled by Triton. All give the same pulses; weights agree to float rounding. ``exact`` has the updates
without pulses.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.changes import Changes
from resbench.crossbar.checks import Axis
from resbench.crossbar.kernels import events, exact, reference
from resbench.crossbar.kernels.sifted import SiftedWrite
from resbench.crossbar.kernels.together import TOGETHER
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import MapRows, PatchRows, Rows
from resbench.crossbar.views import Floats
from resbench.errors import check_choice

Backend = Literal["auto", "cpu", "cuda", "events", "reference"]
_backend: Backend = "auto"


class Updates(Protocol):
    """The function that every backend has."""

    def update(self, array: DeviceArray, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
        """Apply the rank-1 updates of a mini-batch to an array, in place; arguments as in the reference kernel."""


class Compiled(Updates, Protocol):
    """What compiled backends have in addition."""

    def compose(
        self, composite: Tensor, arrays: Sequence[DeviceArray], gammas: Sequence[float], changes: Changes
    ) -> None:
        """``composite = sum_k gamma_k W_k`` in place, only where arrays changed if that is known."""


class Triton(Compiled, Protocol):
    """What Triton's kernels offer beyond that."""

    def is_covered(self, array: DeviceArray) -> bool:
        """Whether the devices of an array can be compiled."""

    def write_sifted(self, array: DeviceArray, write: SiftedWrite) -> None:
        """Write whole pulses out of a buffer."""

    def follow_rates(self, array: DeviceArray, x: Rows, d: Rows, means: Tensor, tau: float, numerator: float) -> Tensor:
        """Factors on x that let the rate of an update follow the samples."""

    def add_up(
        self, composite: Tensor, terms: Sequence[tuple[Tensor, float]], signs: tuple[Tensor, Tensor] | None = None
    ) -> None:
        """Composite weight of any matrices, with signs of rows and columns."""


class Numba(Compiled, Protocol):
    """What only Numba's backend has."""

    def carry(
        self,
        source: DeviceArray,
        target: DeviceArray,
        first: int,
        last: int,
        rate: float,
        pulses: PulseTrain,
        axis: Axis,
    ) -> None:
        """Add ``rate`` times lines of an array to those of another."""

    def write(
        self, array: DeviceArray, lines: Tensor, values: Tensor, lr: float, pulses: PulseTrain, axis: Axis
    ) -> None:
        """Add ``lr`` times values to lines of an array."""

    def row_maxima(self, rows: PatchRows) -> Floats:
        """``max_j |x_mj|`` of every row m."""


def use(backend: Backend) -> None:
    """Choose the backend of all tiles of this process; ``auto`` takes the fastest that covers the case."""
    global _backend
    check_choice("backend", backend, get_args(Backend))
    _backend = backend


def update(array: DeviceArray, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Apply the rank-1 updates of a mini-batch to an array, in place.

    Arguments are those of :meth:`resbench.crossbar.tile.Tile.update`.
    """
    if lr == 0 or x.shape[0] == 0:
        return
    kernel = _kernel(array, pulses)
    if kernel in (exact, events, reference):
        array.touch(None)
        if TOGETHER.finish is not None:  # rows may be views of another array
            TOGETHER.finish()
    kernel.update(array, x, d, lr, pulses, granularity)


def _kernel(array: DeviceArray, pulses: PulseTrain) -> Updates:
    """The module that updates an array by such pulses."""
    if pulses.is_plain and array.is_pulsed:
        if is_numba(array):
            return _numba()
        if _is_triton(array, pulses):
            return _triton()
    if not array.is_pulsed or pulses.pulse_type == "exact":
        return exact
    return reference if _backend == "reference" else events


def carry(
    source: DeviceArray, target: DeviceArray, first: int, last: int, rate: float, pulses: PulseTrain, axis: Axis
) -> bool:
    """Do :meth:`resbench.crossbar.tile.Tile.carry` at once, if a compiled kernel can; returns whether it did."""
    can = pulses.is_plain and target.is_pulsed and is_numba(source) and is_numba(target)
    if can:
        _numba().carry(source, target, first, last, rate, pulses, axis)
    return can


def write(array: DeviceArray, lines: Tensor, values: Tensor, lr: float, pulses: PulseTrain, axis: Axis) -> bool:
    """Do :meth:`resbench.crossbar.tile.Tile.write` at once, if a compiled kernel can; returns whether it did."""
    can = pulses.is_plain and array.is_pulsed and is_numba(array) and values.dtype is torch.float32 and values.is_cpu
    if can and lr != 0 and len(lines) > 0:
        _numba().write(array, lines, values.detach(), lr, pulses, axis)
    return can


def write_sifted(array: DeviceArray, write: SiftedWrite) -> bool:
    """Do :meth:`resbench.crossbar.tile.Tile.write_sifted` if Triton's kernels can; returns whether they did."""
    can = _is_triton(array, write.pulses) and write.lr != 0 and write.lines.numel() > 0
    can = can and write.buffer.dtype is torch.float32
    can = can and (write.source is None or write.source.dtype is torch.float32)
    if can:
        _triton().write_sifted(array, write)
    return can


def compose(composite: Tensor, arrays: Sequence[DeviceArray], gammas: Sequence[float], changes: Changes) -> None:
    """Bring ``composite = sum_k gamma_k W_k`` up to date in place, only where arrays changed if that is known."""
    if has_numba_kernels(composite):
        _numba().compose(composite, arrays, gammas, changes)
    elif _has_triton_kernels(composite):
        _triton().compose(composite, arrays, gammas, changes)
    else:
        changes.follow(arrays).collect()
        composite.zero_()
        for array, gamma in zip(arrays, gammas, strict=True):
            if gamma != 0:
                composite.add_(array.weight, alpha=gamma)


def add_up(
    composite: Tensor, terms: Sequence[tuple[Tensor, float]], signs: tuple[Tensor, Tensor] | None = None
) -> bool:
    """``composite = sum_k share_k S_k * W_k`` in place, if Triton's kernels can; returns whether they did.

    Args:
        composite: float32 ``[out, in]``.
        terms: W_k, the memory of tiles and buffers ``[out, in]``, and their shares.
        signs: float32 ``[out]`` and ``[in]``; S_k is their outer product, but 1 for the last term; None: no signs.
    """
    can = not has_numba_kernels(composite) and _has_triton_kernels(composite)
    if can:
        _triton().add_up(composite, terms, signs)
    return can


def can_follow_rates(array: DeviceArray, pulses: PulseTrain) -> bool:
    """Whether a GPU can find the rate of an update by itself, as :func:`follow_rates` does."""
    if not _is_triton(array, pulses):
        return False
    adapts, managed, _ = pulses.switches  # the host has to know a rate to which trains adapt
    return managed and not adapts


def follow_rates(array: DeviceArray, x: Rows, d: Rows, means: Tensor, tau: float, numerator: float) -> Tensor:
    """Let the rate of an update follow the largest x and d of the samples, on a GPU, as ``buffers.running_rates`` does.

    Args:
        array: the array that is pulsed next.
        x: ``[n, in]``.
        d: ``[n, out]``.
        means: float64 ``[3]``, changed: running means of the largest x and d, and the last rate.
        tau: share of a sample in the means.
        numerator: rate at means of 1.

    Returns:
        float32 ``[n]``, the rates over the last one.
    """
    return _triton().follow_rates(array, x, d, means, tau, numerator)


def row_maxima(rows: Rows) -> Tensor:
    """``max_j |x_mj|`` of every row m, ``[n]``; patches are not laid out where Numba's kernels serve them."""
    if isinstance(rows, PatchRows) and has_numba_kernels(rows.source):
        return torch.from_numpy(_numba().row_maxima(rows))
    if isinstance(rows, MapRows):
        return rows.source.abs().amax(dim=1).flatten()
    return rows.dense().abs().amax(dim=1)


def runs_ahead(values: Tensor) -> bool:
    """Whether the host would wait to read these values: they are on a GPU, or Triton's interpreter stands for one."""
    return not values.is_cpu or (_backend == "cuda" and _triton_runs_on("cpu"))


def has_numba_kernels(weight: Tensor) -> bool:
    """Whether the kernels compiled by Numba serve this tensor."""
    return _backend in ("auto", "cpu") and weight.dtype is torch.float32 and weight.is_cpu


def is_numba(array: DeviceArray) -> bool:
    """Whether these kernels serve this array."""
    return (array.views is not None and _backend in ("auto", "cpu")) or has_numba_kernels(array.memory)


def _is_triton(array: DeviceArray, pulses: PulseTrain) -> bool:
    """Whether Triton's kernels pulse this array with such pulses."""
    if is_numba(array) or not (pulses.is_plain and array.is_pulsed and _has_triton_kernels(array.memory)):
        return False
    return _triton().is_covered(array)


def _has_triton_kernels(weight: Tensor) -> bool:
    return _backend in ("auto", "cuda") and weight.dtype == torch.float32 and _triton_runs_on(weight.device.type)


# Compiled kernels are imported when they are first used: importing takes time, and Triton may be missing.


@functools.cache
def _numba() -> Numba:
    from resbench.crossbar.kernels import cpu

    return cpu


@functools.cache
def _triton() -> Triton:
    from resbench.crossbar.kernels import cuda

    return cuda


@functools.cache
def has_triton() -> bool:
    """Whether Triton is installed."""
    return importlib.util.find_spec("triton") is not None


@functools.cache
def _triton_runs_on(device: str) -> bool:
    if not has_triton():
        return False
    if device == "cuda":
        return True
    import triton

    return bool(device == "cpu" and triton.knobs.runtime.interpret)
