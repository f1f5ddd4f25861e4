"""The pulsed update on the CPU, compiled by Numba: find the pulses, apply them, note what was touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.kernels import apply, events
from resbench.crossbar.kernels.compiled import announce
from resbench.crossbar.kernels.scan import scan
from resbench.crossbar.rows import MapRows, PatchRows, Rows, matrix

if TYPE_CHECKING:
    from resbench.crossbar.pulses import PulseTrain
    from resbench.crossbar.tile import Tile

EMPTY = np.empty(0, np.float32)
EVERYWHERE = np.empty(0, np.int64)
SCALARS = 6
CONSTANTS = 4
Array = Any

announce()


def update(tile: Tile, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Pulse a tile with the samples of a mini-batch, in place; arguments as in the reference kernel."""
    if isinstance(x, PatchRows) and isinstance(d, MapRows):
        images, errors, geometry = x.source.contiguous().numpy(), d.source.contiguous().flatten(2).numpy(), x.geometry
    else:
        rows, columns = matrix(d), matrix(x)
        images = columns.contiguous().numpy()[:, :, None, None]
        errors, geometry = rows.T.contiguous().numpy()[None], (1, 1, 1, 1, 1, 1, 1)
    found = scan(
        images,
        errors,
        geometry,
        np.uint64(tile.stream.child("rows").key),
        np.uint64(tile.stream.child("columns").key),
        np.uint64(tile.updates),
        lr < 0,
        tuple(np.float32(number) for number in (abs(lr), granularity, pulses.desired_bl, pulses.um_grad_scale)),
        (not (pulses.fixed_bl or pulses.update_bl_management), pulses.managed, pulses.update_bl_management),
    )
    if found.shape[0] == 0:
        return
    cell, up, slot, sample = torch.from_numpy(found).T
    for array, chosen, rising in tile.route(up.bool(), sample):
        if _device(array).response not in apply.KINDS:
            events.apply(array, events.Events(cell[chosen], rising[chosen], slot[chosen], sample[chosen]))
        elif array is tile:
            _apply(array, found)
        else:
            _apply(array, torch.stack([cell, rising.long(), slot, sample], dim=1)[chosen].numpy())
    tile.touch(np.ascontiguousarray(found[:, 0]))


def _apply(tile: Tile, found: Array) -> None:
    device, constants = _device(tile), tile.constants
    ways = []
    for up in (True, False):
        arrays = [_flat(values) for values in device.directed(constants, up)]
        scalars = np.zeros(SCALARS, np.float32)
        nodes = EMPTY
        numbers = [value for value in device.pulse_scalars(up) if isinstance(value, (int, float))]
        scalars[: len(numbers)] = numbers
        for value in device.pulse_scalars(up):
            if isinstance(value, tuple):
                nodes = np.asarray(value, np.float32)
        ways.append((tuple(arrays + [arrays[0]] * (CONSTANTS - len(arrays))), scalars, nodes))
    (up_arrays, up_scalars, up_nodes), (down_arrays, down_scalars, down_nodes) = ways
    reference = _flat(constants["reference"]) if "reference" in constants else EMPTY
    apply.apply(
        found,
        np.uint64(tile.stream.child("cycle noise").key),
        np.uint64(tile.updates),
        apply.KINDS[device.response],
        up_arrays,
        down_arrays,
        up_scalars,
        down_scalars,
        up_nodes,
        down_nodes,
        (_flat(constants["w_min"]), _flat(constants["w_max"]), reference),
        device.dw_min_std > 0,
        np.float32(device.write_noise),
        (_flat(tile.stored), _flat(tile.weight), _flat(tile.pulses_up), _flat(tile.pulses_down)),
    )


def compose(
    composite: Tensor, weights: Sequence[Tensor], gammas: Sequence[float], touched: Sequence[list[Array] | None]
) -> None:
    """``composite = sum_k gamma_k W_k`` where tiles were touched, or everywhere if one does not know; the same sum."""
    cells = EVERYWHERE
    if all(known is not None for known in touched):
        found = [cells for known in touched for cells in known or ()]
        if not found:
            return
        cells = np.concatenate(found) if len(found) > 1 else found[0]
    flat = tuple(_flat(weight) for weight in weights)
    apply.compose(_flat(composite), flat, np.asarray(gammas, np.float32), cells)


def _device(tile: Tile) -> PulsedDevice:
    assert isinstance(tile.device, PulsedDevice)
    return tile.device


def _flat(values: Tensor) -> Array:
    return values.numpy().reshape(-1)
