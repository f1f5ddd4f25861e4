"""The pulsed update as a list of events, vectorised over the whole mini-batch.

With update management nearly all lines of nearly all slots are silent. Bits do not depend on the weights, so all
pulses of the mini-batch are known before the first is applied: rows are drawn first, columns only where a row fired,
and a coincidence is an event (cell, direction, noise). Devices do not interact, so the events of one device are
applied in order, all devices at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from resbench.crossbar.randomness import gaussian, philox

if TYPE_CHECKING:
    from resbench.crossbar.pulses import PulseTrain
    from resbench.crossbar.tile import Tile


def update(tile: Tile, x: Tensor, d: Tensor, lr: float, train: PulseTrain, granularity: float) -> None:
    """Pulse a tile with the samples of a mini-batch, in place; arguments as in the reference kernel."""
    bl, x_scale, d_scale = train.scales(x, d, lr, granularity)
    sample = torch.repeat_interleave(torch.arange(bl.numel(), device=bl.device), bl)
    if sample.numel() == 0:
        return
    slot = torch.arange(sample.numel(), device=bl.device) - (torch.cumsum(bl, 0) - bl)[sample]

    rounding = tile.stream.child("rounding")
    row_thresholds = train.thresholds(d, d_scale, rounding.child("rows"), tile.updates)
    rows = tile.stream.child("rows").line_words(d.shape[1], slot, sample, tile.updates) < row_thresholds[sample]
    active = rows.any(dim=1)
    sample, slot, rows = sample[active], slot[active], rows[active]

    column_thresholds = train.thresholds(x, x_scale, rounding.child("columns"), tile.updates)
    columns = (
        tile.stream.child("columns").line_words(x.shape[1], slot, sample, tile.updates) < column_thresholds[sample]
    )

    pair, row, column = _coincidences(rows, columns)
    if pair.numel() == 0:
        return
    up = (torch.sign(d[sample[pair], row]) * torch.sign(x[sample[pair], column]) * lr) < 0
    _apply(tile, row * tile.shape[1] + column, up, slot[pair], sample[pair])


def _coincidences(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Indices (pair, row, column) of all coincidences of ``rows [p, out]`` and ``columns [p, in]``, pairs ascending."""
    row_pair, row_line = rows.nonzero(as_tuple=True)
    _, column_line = columns.nonzero(as_tuple=True)
    width = columns.sum(dim=1)
    start = torch.cumsum(width, 0) - width
    repeats = width[row_pair]
    event_row = torch.repeat_interleave(torch.arange(row_pair.numel(), device=rows.device), repeats)
    offset = torch.arange(event_row.numel(), device=rows.device) - (torch.cumsum(repeats, 0) - repeats)[event_row]
    pair = row_pair[event_row]
    return pair, row_line[event_row], column_line[start[pair] + offset]


def _apply(tile: Tile, cell: Tensor, up: Tensor, slot: Tensor, sample: Tensor) -> None:
    """Apply events, which come in order of time, to the devices: the r-th event of every device in round r."""
    device = tile.device
    words = philox(tile.stream.child("cycle noise").key, cell, slot, sample, tile.updates)
    xi = gaussian(words[0], words[1])

    cell, order = torch.sort(cell, stable=True)
    up, xi = up[order], xi[order]
    _, multiplicity = torch.unique_consecutive(cell, return_counts=True)
    first = torch.repeat_interleave(torch.cumsum(multiplicity, 0) - multiplicity, multiplicity)
    rank = torch.arange(cell.numel(), device=cell.device) - first
    last = rank == torch.repeat_interleave(multiplicity - 1, multiplicity)

    for counter, chosen in ((tile.pulses_up, up), (tile.pulses_down, ~up)):
        counter.view(-1).index_add_(0, cell[chosen], torch.ones_like(cell[chosen], dtype=counter.dtype))

    constants = {name: values.reshape(-1) for name, values in tile.constants.items()}
    stored = tile.stored.view(-1)
    by_rank = torch.argsort(rank, stable=True)
    for events in torch.split(by_rank, torch.bincount(rank).tolist()):
        here, rising = cell[events], up[events]
        local = {name: values[here] for name, values in constants.items()}
        reference = local.get("reference", torch.zeros((), device=cell.device))
        before = stored[here] + reference
        sign = torch.where(rising, 1.0, -1.0)
        rise, fall = (
            device.response(before, sign, *device.directed(local, way), *device.pulse_scalars(way), xi[events])
            for way in (True, False)
        )
        after = torch.clamp(before + torch.where(rising, rise, fall), local["w_min"], local["w_max"])
        stored[here] = after - reference
    if device.write_noise > 0:
        noise = gaussian(words[2], words[3])[order][last]
        tile.weight.view(-1)[cell[last]] = stored[cell[last]] + device.write_noise * noise
