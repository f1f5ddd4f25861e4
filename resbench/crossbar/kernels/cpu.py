"""The pulsed update on the CPU, compiled by Numba: find the pulses, apply them, note what was touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.kernels import apply, events, threads
from resbench.crossbar.kernels.maxima import image_maxima
from resbench.crossbar.kernels.scan import NO_STOP, scan
from resbench.crossbar.randomness import MASK32
from resbench.crossbar.rows import MapRows, OneHotRows, PatchRows, Rows, ScaledRows, matrix

if TYPE_CHECKING:
    from resbench.crossbar.changes import Changes
    from resbench.crossbar.checks import Axis
    from resbench.crossbar.pulses import PulseTrain
    from resbench.crossbar.tile import Tile

EVERYWHERE = np.empty(0, np.int64)
ALL_ONE = np.empty(0, np.float32)
NO_FLIPS = np.empty(0, np.uint8)
POINT = (1, 1, 1, 1, 1, 1, 1)
#: Size from which laying out a transposed matrix block by block is faster.
BLOCKWISE = 2**15
SCALARS = 6
CONSTANTS = 4
Array = Any


def update(tile: Tile, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Pulse a tile with the samples of a mini-batch, in place; arguments as in the reference kernel."""
    factors, x_flips, d_flips = ALL_ONE, NO_FLIPS, NO_FLIPS
    if isinstance(x, ScaledRows):
        if x.factors is not None:
            factors = x.factors.numpy()
        x_flips, x = _flips(x.signs), x.source
    if isinstance(d, ScaledRows) and d.factors is None:
        d_flips, d = _flips(d.signs), d.source
    # From here on in numpy, whose views and reshapes cost a fraction of torch's.
    if isinstance(x, PatchRows) and isinstance(d, MapRows):
        images, maps, geometry = np.ascontiguousarray(x.source.numpy()), d.source.numpy(), x.geometry
        errors = np.ascontiguousarray(maps).reshape(*maps.shape[:2], -1)
    else:
        images, geometry = np.ascontiguousarray(_matrix(x))[:, :, None, None], POINT
        errors = _transposed(_matrix(d))[None]
    _pulse(tile, (images, errors, factors), (x_flips, d_flips), geometry, lr, pulses, granularity)


def carry(source: Tile, target: Tile, first: int, last: int, rate: float, pulses: PulseTrain, axis: Axis) -> None:
    """Add ``rate`` times lines of a tile to those of another: :meth:`resbench.crossbar.tile.Tile.carry`."""
    values = lines(source, first, last, axis)
    chosen = np.zeros((last - first, target.shape[axis == "column"]), np.float32)
    chosen.reshape(-1)[first :: chosen.shape[1] + 1] = 1.0
    driven, errors = (chosen, values.T) if axis == "column" else (values, chosen.T)
    sides = np.ascontiguousarray(driven)[:, :, None, None], np.ascontiguousarray(errors)[None], ALL_ONE
    _pulse(target, sides, (NO_FLIPS, NO_FLIPS), POINT, -rate, pulses, target.granularity)


def lines(tile: Tile, first: int, last: int, axis: Axis) -> Array:
    """Columns (rows) of a tile as they are now, ``[n, out]`` (``[n, in]``)."""
    weight = Memory.of(tile).weight.reshape(tile.shape)
    return np.ascontiguousarray(weight[:, first:last].T if axis == "column" else weight[first:last])


def _pulse(
    tile: Tile, sides: Any, flips: Any, geometry: Any, lr: float, pulses: PulseTrain, granularity: float
) -> None:
    """Pulse a tile with a mini-batch as compiled kernels take it: sides x, d and factors on x, and lines to flip."""
    memory, update = Memory.of(tile), tile.updates & MASK32
    scanned = (
        geometry,
        *memory.keys,
        update,
        lr < 0,
        (abs(lr), granularity, float(pulses.desired_bl), pulses.um_grad_scale),
        pulses.switches,
    )
    if memory.pulse is None:
        _update_cells(tile, sides, flips, scanned)
        return
    errors, followed, available = sides[1], tile.is_followed, torch.get_num_threads()
    work = sides, flips, scanned, followed, tile.shape, update, memory.device
    if available > 1 and (crew := threads.crew(available, errors.size, memory.columns)) > 1:
        assert memory.apply is not None
        cells, complete, slots, memory.columns = threads.pulse(memory.apply, *work, crew, memory.columns)
    else:
        cells, complete, slots, memory.columns = memory.pulse(*work)
    tile.slots += slots
    if followed and not complete:
        tile.touch(None)
    elif cells.size > 0:
        tile.touch(cells)


def _update_cells(tile: Tile, sides: Any, flips: Any, scanned: Any) -> None:
    """Find the pulses of a tile of unit cells, or of a user's devices, and take each to the array that it is for."""
    n, going = tile.shape[1], 0
    tile.touch(None)
    while going >= 0:
        visits, columns, going, slots = scan(*sides, *scanned, going, NO_STOP, apply.COLUMNS_AT_ONCE)
        tile.slots += slots
        if len(visits) == 0:
            continue
        apply.flip(columns, flips[0])
        apply.flip(visits[:, 0], flips[1])
        cell, up, slot, sample = torch.from_numpy(apply.events(visits, columns, n)).T
        for array, chosen, rising in tile.route(up.bool(), sample):
            _apply(array, n, events.Events(cell[chosen], rising[chosen], slot[chosen], sample[chosen]))


def _apply(array: Tile, n: int, found: events.Events) -> None:
    part = Memory.of(array)
    if part.apply is None:
        events.apply(array, found)
        return
    # Each pulse as a visit of one column.
    single = torch.arange(found.cell.numel())
    visits = torch.stack([found.cell // n * 2, found.slot, found.sample, single, single + 1], dim=1).numpy()
    columns = (found.cell % n * 2 + found.up).to(torch.int32).numpy()
    part.apply(visits, columns, n, (0, array.shape[0]), array.updates & MASK32, *part.device)


def _flips(signs: Tensor | None) -> Array:
    return NO_FLIPS if signs is None else (signs.numpy() < 0).view(np.uint8)


class Memory:
    """The memory of a tile as the compiled kernels take it.

    Attributes:
        weight: what is seen of the tile, flat.
        keys: keys of the row and column bits.
        pulse: what finds the pulses of these devices and applies them; None for cells and for devices of users.
        apply: what applies them.
        device: what both take of the devices.
        columns: how many fired in the last mini-batch.
    """

    def __init__(self, tile: Tile) -> None:
        self.weight = _flat(tile.weight)
        self.keys = tuple(np.uint64(tile.stream.child(side).key) for side in ("rows", "columns"))
        device = tile.device
        self.pulse = self.apply = None
        self.columns = 0
        if not isinstance(device, PulsedDevice) or device.response not in apply.APPLY:
            return
        self.pulse, self.apply = apply.PULSE[device.response], apply.APPLY[device.response]
        constants = tile.held_constants
        arrays, scalars, nodes = [], np.zeros((2, SCALARS), np.float32), []
        for way, up in enumerate((True, False)):
            directed = [_held(values) for values in device.directed(constants, up)]
            arrays += directed + [directed[0]] * (CONSTANTS - len(directed))
            numbers = [value for value in device.pulse_scalars(up) if isinstance(value, (int, float))]
            tables = [value for value in device.pulse_scalars(up) if isinstance(value, tuple)]
            scalars[way, : len(numbers)] = numbers
            nodes.append(np.asarray(tables[0] if tables else (), np.float32))
        self.device = (
            np.uint64(tile.stream.child("cycle noise").key),
            tuple(arrays),
            scalars,
            tuple(nodes),
            (
                _held(constants["w_min"]),
                _held(constants["w_max"]),
                _held(constants["reference"]) if "reference" in constants else arrays[0][:0],
            ),
            device.dw_min_std > 0,
            np.float32(device.write_noise),
            (_flat(tile.stored), self.weight),
            (_flat(tile.pulses_up), _flat(tile.pulses_down)),
        )

    @classmethod
    def of(cls, tile: Tile) -> Memory:
        """The memory of a tile, looked up when it is first asked for and after the tile was moved."""
        if tile.memory is None:
            tile.memory = cls(tile)
        memory: Memory = tile.memory
        return memory

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """A copy of a tile looks its own memory up."""
        return type(None), ()


def compose(composite: Tensor, tiles: Sequence[Tile], gammas: Sequence[float], changes: Changes) -> None:
    """``composite = sum_k gamma_k W_k`` where tiles changed, or everywhere if that is not known; the same sum."""
    known = changes.memory
    if known is None or known.gammas != tuple(gammas) or known.memories != [tile.memory for tile in tiles]:
        known = changes.memory = Composition(composite, tiles, gammas)
        changes.follow(tiles)
    found = changes.collect()
    if found is None:
        apply.compose(*known.terms, EVERYWHERE)
    elif found:
        apply.compose(*known.terms, found[0] if len(found) == 1 else np.concatenate(found))


class Composition:
    """The memory of a composite weight as the compiled kernel takes it.

    Attributes:
        memories: those of the tiles that it was made from.
        gammas: their shares.
        terms: composite weight and visible weights, flat, and the shares of these.
    """

    def __init__(self, composite: Tensor, tiles: Sequence[Tile], gammas: Sequence[float]) -> None:
        self.memories, self.gammas = [Memory.of(tile) for tile in tiles], tuple(gammas)
        shown = [(memory.weight, gamma) for memory, gamma in zip(self.memories, gammas, strict=True) if gamma != 0]
        weights, shares = zip(*shown, strict=True)
        self.terms = _flat(composite), weights, np.asarray(shares, np.float32)


def row_maxima(rows: PatchRows) -> Array:
    """``max_j |x_mj|`` of every row m."""
    images = np.ascontiguousarray(rows.source.numpy())
    maxima = np.empty(rows.shape[0], np.float32)
    image_maxima(images, rows.geometry, maxima.reshape(len(images), -1))
    return maxima


def _matrix(rows: Rows) -> Array:
    if isinstance(rows, OneHotRows):
        chosen = np.zeros(rows.shape, np.float32)
        chosen[np.arange(len(chosen)), rows.source.numpy()] = 1.0
        return chosen
    return matrix(rows).numpy()


def _transposed(values: Array) -> Array:
    """A matrix transposed and laid out: large ones block by block, which torch does and numpy does not."""
    if values.size < BLOCKWISE:
        return np.ascontiguousarray(values.T)
    return torch.from_numpy(values).t().contiguous().numpy()


def _flat(values: Tensor) -> Array:
    return values.numpy().reshape(-1)


def _held(constants: Tensor) -> Array:
    """Constants as compiled functions read them: float32, or the bits of float16, which Numba does not know."""
    values = _flat(constants)
    return values.view(np.int16) if values.dtype == np.float16 else values
