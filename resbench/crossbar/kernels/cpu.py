"""The pulsed update on the CPU, compiled by Numba.

:func:`update` hands the mini-batch to :func:`resbench.crossbar.kernels.apply.pulse`, which finds the pulses and applies
them, and notes what has changed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.changes import Changes
from resbench.crossbar.checks import Axis
from resbench.crossbar.kernels import apply, events, threads
from resbench.crossbar.kernels.maxima import image_maxima
from resbench.crossbar.kernels.scan import NO_STOP, scan
from resbench.crossbar.kernels.scan_records import POINT, Bits, Flips, Geometry, Sides, Train
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import MASK32
from resbench.crossbar.rows import MapRows, PatchRows, Rows, ScaledRows
from resbench.crossbar.views import CompositeViews, Floats, flat

EVERYWHERE = np.empty(0, np.int64)
ALL_ONE = np.empty(0, np.float32)
UNMARKED = np.empty(0, np.int8)
UNTURNED = np.empty(0, np.uint8)
NO_FLIPS = Flips(UNTURNED, UNTURNED)
#: From this size on, transposing a matrix block by block is faster.
BLOCKWISE = 2**15


def update(array: DeviceArray, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Pulse an array with the samples of a mini-batch, in place; arguments as in the reference kernel."""
    factors, flips = ALL_ONE, NO_FLIPS
    if isinstance(x, ScaledRows):
        if x.factors is not None:
            factors = x.factors.numpy()
        flips, x = Flips(_turned(x.signs), flips.rows), x.rows
    if isinstance(d, ScaledRows) and d.factors is None:
        flips, d = Flips(flips.columns, _turned(d.signs)), d.rows
    # NumPy from here on: its views and reshapes cost a fraction of torch's.
    if isinstance(x, PatchRows) and isinstance(d, MapRows):
        images, maps, geometry = np.ascontiguousarray(x.source.numpy()), d.source.numpy(), x.geometry
        errors = np.ascontiguousarray(maps).reshape(*maps.shape[:2], -1)
    else:
        images, geometry = np.ascontiguousarray(x.dense().numpy())[:, :, None, None], POINT
        errors = _transposed(d.dense().numpy())[None]
    _pulse(array, Sides(images, errors, factors), flips, geometry, lr, pulses, granularity)


def carry(
    source: DeviceArray, target: DeviceArray, first: int, last: int, rate: float, pulses: PulseTrain, axis: Axis
) -> None:
    """Add ``rate`` times lines of an array to those of another: :meth:`resbench.crossbar.tile.Tile.carry`."""
    weight = source.numpy_views().weight.reshape(source.shape)
    values = weight[:, first:last].T if axis == "column" else weight[first:last]
    chosen = np.zeros((last - first, target.shape[axis == "column"]), np.float32)
    chosen.reshape(-1)[first :: chosen.shape[1] + 1] = 1.0
    _write(target, chosen, values, rate, pulses, axis)


def write(array: DeviceArray, lines: Tensor, values: Tensor, lr: float, pulses: PulseTrain, axis: Axis) -> None:
    """Add ``lr`` times values to lines of an array: :meth:`resbench.crossbar.tile.Tile.write`."""
    chosen = np.zeros((len(lines), array.shape[axis == "column"]), np.float32)
    chosen[np.arange(len(lines)), lines.numpy()] = 1.0
    _write(array, chosen, values.numpy(), lr, pulses, axis)


def _write(array: DeviceArray, chosen: Floats, values: Floats, lr: float, pulses: PulseTrain, axis: Axis) -> None:
    """Pulse the chosen lines, one for each row of ``chosen``, with the values ``[n, across]``."""
    driven, errors = (chosen, values) if axis == "column" else (values, chosen)
    # Copies, because a tile may be carried onto itself.
    sides = Sides(driven.copy()[:, :, None, None], errors.T.copy()[None], ALL_ONE)
    _pulse(array, sides, NO_FLIPS, POINT, -lr, pulses, array.granularity)


def _pulse(
    array: DeviceArray,
    sides: Sides,
    flips: Flips,
    geometry: Geometry,
    lr: float,
    pulses: PulseTrain,
    granularity: float,
) -> None:
    """Pulse an array with a mini-batch as compiled kernels take it, and note what changed."""
    views = array.numpy_views()
    devices, record = views.devices, views.record
    if devices is None:
        _pulse_parts(array, sides, flips, train_of(array, geometry, lr, pulses, granularity))
        return
    followed, available = array.is_followed, torch.get_num_threads()
    if available > 1 and (crew := threads.crew(available, sides.d.size, views.columns)) > 1:
        train = train_of(array, geometry, lr, pulses, granularity)
        done = threads.pulse(sides, flips, train, devices, array.shape, followed, crew, views.columns)
    else:
        common = pulses.numbers, geometry, array.updates, lr, granularity
        done = apply.pulse(devices.form, devices.w_min, record, *common, *sides, *flips, followed)
    crosspoints, complete, slots, views.columns = done
    array.known_slots += slots
    if followed and not complete:
        array.touch(None)
    elif crosspoints.size > 0:
        array.touch(crosspoints)


def train_of(array: DeviceArray, geometry: Geometry, lr: float, pulses: PulseTrain, granularity: float) -> Train:
    """The pulse trains of the next call of an array, for functions that take them as a record."""
    views, (adaptive, managed, shortened) = array.numpy_views(), pulses.switches
    return Train(
        geometry=geometry,
        row_key=views.row_key,
        column_key=views.column_key,
        update=array.updates & MASK32,
        rising=lr < 0,
        rate=abs(lr),
        step=granularity,
        longest=float(pulses.desired_bl),
        d_factor=pulses.um_grad_scale,
        adaptive=adaptive,
        managed=managed,
        shortened=shortened,
    )


def _pulse_parts(array: DeviceArray, sides: Sides, flips: Flips, train: Train) -> None:
    """Find the pulses of unit cells, or of a user's devices, and apply each to the array that it is routed to."""
    n, going = array.shape[1], 0
    array.touch(None)
    while going >= 0:
        listed = scan(sides, train, going, NO_STOP, apply.COLUMNS_AT_ONCE, False)
        visits, columns, going = listed.visits, listed.columns, listed.going
        array.slots += listed.slots
        if len(visits) == 0:
            continue
        apply.flip(columns, flips.columns)
        apply.flip(visits[:, 0], flips.rows)
        crosspoint, up, slot, sample, number = torch.from_numpy(apply.events(visits, columns, n)).T
        found = events.Events(crosspoint, up.bool(), slot, sample, number)
        for part, chosen, rising in array.route(found.up, sample):
            _apply(part, n, found.chosen(chosen, rising))


def _apply(array: DeviceArray, n: int, found: events.Events) -> None:
    devices = array.numpy_views().devices
    if devices is None:
        events.apply(array, found)
        return
    # Each pulse as a visit of one column.
    single = torch.arange(found.crosspoint.numel())
    fields = (found.crosspoint // n * 2, found.slot, found.sample, single, single + 1, found.number)
    visits = torch.stack(fields, dim=1).numpy()
    columns = (found.crosspoint % n * 2 + found.up).to(torch.int32).numpy()
    apply.apply(visits, columns, UNMARKED, n, (0, array.shape[0]), array.updates & MASK32, devices)


def _turned(signs: Tensor | None) -> Bits:
    return UNTURNED if signs is None else (signs.numpy() < 0).view(np.uint8)


def compose(composite: Tensor, arrays: Sequence[DeviceArray], gammas: Sequence[float], changes: Changes) -> None:
    """``composite = sum_k gamma_k W_k`` where arrays changed, or everywhere if that is not known; the same sum."""
    known = changes.views
    if known is None or known.gammas != tuple(gammas) or known.arrays != [array.views for array in arrays]:
        known = changes.views = _composite_views(composite, arrays, gammas)
        changes.follow(arrays)
    found = changes.collect()
    if found is None:
        apply.compose(known.composite, known.weights, known.shares, EVERYWHERE)
    elif found:
        crosspoints = found[0] if len(found) == 1 else np.concatenate(found)
        apply.compose(known.composite, known.weights, known.shares, np.asarray(crosspoints))


def _composite_views(composite: Tensor, arrays: Sequence[DeviceArray], gammas: Sequence[float]) -> CompositeViews:
    views = [array.numpy_views() for array in arrays]
    shown = [(view.weight, gamma) for view, gamma in zip(views, gammas, strict=True) if gamma != 0]
    weights, shares = zip(*shown, strict=True)
    return CompositeViews(views, tuple(gammas), flat(composite), weights, np.asarray(shares, np.float32))


def row_maxima(rows: PatchRows) -> Floats:
    """``max_j |x_mj|`` of every row m."""
    images = np.ascontiguousarray(rows.source.numpy())
    maxima = np.empty(rows.shape[0], np.float32)
    image_maxima(images, rows.geometry, maxima.reshape(len(images), -1))
    return maxima


def _transposed(values: Floats) -> Floats:
    """A matrix transposed and contiguous: large ones by torch, which works block by block as NumPy does not."""
    if values.size < BLOCKWISE:
        return np.ascontiguousarray(values.T)
    return torch.from_numpy(values).t().contiguous().numpy()
