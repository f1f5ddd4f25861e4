"""The pulsed update on the CPU, compiled by Numba: find the pulses, apply them, note what was touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.kernels import apply, events
from resbench.crossbar.kernels.compiled import announce
from resbench.crossbar.kernels.scan import image_maxima, scan
from resbench.crossbar.rows import MapRows, OneHotRows, PatchRows, Rows, ScaledRows, matrix

if TYPE_CHECKING:
    from resbench.crossbar.pulses import PulseTrain
    from resbench.crossbar.tile import Tile

EVERYWHERE = np.empty(0, np.int64)
NONE = np.empty(0, np.float32)
POINT = (1, 1, 1, 1, 1, 1, 1)
#: Entries of columns after which what was found is applied, so that lists stay small however many pulses there are.
COLUMNS_AT_ONCE = 2**22
SCALARS = 6
CONSTANTS = 4
Array = Any

announce()


def update(tile: Tile, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Pulse a tile with the samples of a mini-batch, in place; arguments as in the reference kernel."""
    factors, x_signs, d_signs = NONE, None, None
    if isinstance(x, ScaledRows):
        if x.factors is not None:
            factors = x.factors.numpy()
        x_signs, x = x.signs, x.source
    if isinstance(d, ScaledRows) and d.factors is None:
        d_signs, d = d.signs, d.source
    # From here on in numpy, whose views and reshapes cost a fraction of torch's.
    if isinstance(x, PatchRows) and isinstance(d, MapRows):
        images, maps, geometry = np.ascontiguousarray(x.source.numpy()), d.source.numpy(), x.geometry
        errors = np.ascontiguousarray(maps).reshape(*maps.shape[:2], -1)
    else:
        images, geometry = np.ascontiguousarray(_matrix(x))[:, :, None, None], POINT
        errors = np.ascontiguousarray(_matrix(d).T)[None]
    memory = Memory.of(tile)
    going = 0
    while going >= 0:
        visits, columns, going = scan(
            images,
            errors,
            factors,
            geometry,
            *memory.keys,
            tile.updates,
            lr < 0,
            (abs(lr), granularity, float(pulses.desired_bl), pulses.um_grad_scale),
            (not (pulses.fixed_bl or pulses.update_bl_management), pulses.managed, pulses.update_bl_management),
            going,
            COLUMNS_AT_ONCE,
        )
        if visits.shape[0] > 0:
            _turn(visits[:, 0], d_signs)
            _turn(columns, x_signs)
            _apply(tile, memory, visits, columns)


def _turn(entries: Array, signs: Tensor | None) -> None:
    """Flip the bit of entries ``2 line + bit`` whose line has a negative sign."""
    if signs is not None:
        entries ^= (signs.numpy() < 0)[entries >> 1]


def _apply(tile: Tile, memory: Memory, visits: Array, columns: Array) -> None:
    n = tile.shape[1]
    if memory.apply is not None:
        memory.apply(visits, columns, tile.shape, tile.updates, *memory.arguments)
        if tile.is_followed:
            tile.touch(apply.cells(visits, columns, n))
        return
    tile.touch(None)
    cell, up, slot, sample = torch.from_numpy(apply.events(visits, columns, n)).T
    for array, chosen, rising in tile.route(up.bool(), sample):
        here = events.Events(cell[chosen], rising[chosen], slot[chosen], sample[chosen])
        part = Memory.of(array)
        if part.apply is None:
            events.apply(array, here)
            continue
        # Each pulse as a visit of one column.
        single = torch.arange(here.cell.numel())
        visits = torch.stack([here.cell // n * 2, here.slot, here.sample, single, single + 1], dim=1).numpy()
        columns = (here.cell % n * 2 + here.up).to(torch.int32).numpy()
        part.apply(visits, columns, tile.shape, array.updates, *part.arguments)


class Memory:
    """The memory of a tile as the compiled kernels take it, kept as long as the tile stays where it is.

    Attributes:
        weight: what is seen of the tile, flat.
        keys: keys of the row and column bits.
        apply: what applies pulses to these devices; None for cells and for devices of users.
        arguments: what it takes after the update counter.
    """

    def __init__(self, tile: Tile) -> None:
        self.address = tile.weight.data_ptr()
        self.weight = _flat(tile.weight)
        self.keys = tuple(np.uint64(tile.stream.child(side).key) for side in ("rows", "columns"))
        device = tile.device
        self.apply = apply.APPLY.get(device.response) if isinstance(device, PulsedDevice) else None
        if self.apply is None or not isinstance(device, PulsedDevice):
            return
        constants = tile.constants
        arrays, scalars, nodes = [], np.zeros((2, SCALARS), np.float32), []
        for way, up in enumerate((True, False)):
            directed = [_flat(values) for values in device.directed(constants, up)]
            arrays += directed + [directed[0]] * (CONSTANTS - len(directed))
            numbers = [value for value in device.pulse_scalars(up) if isinstance(value, (int, float))]
            tables = [value for value in device.pulse_scalars(up) if isinstance(value, tuple)]
            scalars[way, : len(numbers)] = numbers
            nodes.append(np.asarray(tables[0] if tables else (), np.float32))
        self.arguments = (
            np.uint64(tile.stream.child("cycle noise").key),
            tuple(arrays),
            scalars,
            tuple(nodes),
            (
                _flat(constants["w_min"]),
                _flat(constants["w_max"]),
                _flat(constants["reference"]) if "reference" in constants else np.empty(0, np.float32),
            ),
            device.dw_min_std > 0,
            np.float32(device.write_noise),
            (_flat(tile.stored), self.weight),
            (_flat(tile.pulses_up), _flat(tile.pulses_down)),
        )

    @classmethod
    def of(cls, tile: Tile) -> Memory:
        """The memory of a tile, looked up again after the tile was moved."""
        memory = _memories.get(tile)
        if memory is None or memory.address != tile.weight.data_ptr():
            memory = _memories[tile] = cls(tile)
        return memory


_memories: WeakKeyDictionary[Tile, Memory] = WeakKeyDictionary()


def compose(
    composite: Tensor, tiles: Sequence[Tile], gammas: Sequence[float], touched: Sequence[list[Array] | None]
) -> None:
    """``composite = sum_k gamma_k W_k`` where tiles were touched, or everywhere if one does not know; the same sum."""
    cells = EVERYWHERE
    if None not in touched:
        found = [cells for known in touched if known for cells in known]
        if not found:
            return
        cells = np.concatenate(found) if len(found) > 1 else found[0]
    weights = tuple(Memory.of(tile).weight for tile in tiles)
    apply.compose(_flat(composite), weights, np.asarray(gammas, np.float32), cells)


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


def _flat(values: Tensor) -> Array:
    return values.numpy().reshape(-1)
