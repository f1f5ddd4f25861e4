"""The pulsed update as a list of events, vectorised over the whole mini-batch.

With update management, few lines fire. Which ones does not depend on the weights, so all pulses of a mini-batch are
found before the first is applied. Rows are drawn first, and columns only where a row fired; each coincidence is an
event (crosspoint, direction, slot, sample). Devices do not interact, so all devices take their events at the same time,
each in order.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream, philox
from resbench.crossbar.rows import Rows


class Events(NamedTuple):
    """Coincidences in order of time, one entry each."""

    crosspoint: Tensor  # int64, row * in + column
    up: Tensor  # bool
    slot: Tensor  # int64
    sample: Tensor  # int64
    number: Tensor  # int64, number of the pulse in its row and slot, by column

    def chosen(self, chosen: Tensor, up: Tensor) -> Events:
        """Some of them, in other directions."""
        crosspoint, _, slot, sample, number = (values[chosen] for values in self)
        return Events(crosspoint, up[chosen], slot, sample, number)


def update(array: DeviceArray, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Pulse an array with the samples of a mini-batch, in place; arguments as in the reference kernel."""
    found, slots = find(array, x.dense(), d.dense(), lr, pulses, granularity)
    array.slots += slots
    if found.crosspoint.numel() == 0:
        return
    for part, chosen, rising in array.route(found.up, found.sample):
        apply(part, found.chosen(chosen, rising))


def find(
    array: DeviceArray, x: Tensor, d: Tensor, lr: float, pulses: PulseTrain, granularity: float
) -> tuple[Events, int]:
    """All coincidences of a mini-batch, and the slots of its pulse trains."""
    bl, x_scale, d_scale = pulses.scales(x, d, lr, granularity)
    if pulses.pulse_type != "stochastic":
        return _counted(array, x, d, lr, pulses, granularity), int(bl.sum())
    sample = torch.repeat_interleave(torch.arange(bl.numel(), device=bl.device), bl)
    slot = torch.arange(sample.numel(), device=bl.device) - (torch.cumsum(bl, 0) - bl)[sample]

    rounding = array.stream.child("rounding")
    thresholds = pulses.thresholds(d, d_scale, rounding.child("rows"), array.updates)
    pair, row = _fired(array.stream.child("rows"), thresholds, slot, sample, array.updates)
    active, row_pair = torch.unique_consecutive(pair, return_inverse=True)
    slot, sample = slot[active], sample[active]

    thresholds = pulses.thresholds(x, x_scale, rounding.child("columns"), array.updates)
    column_pair, column = _fired(array.stream.child("columns"), thresholds, slot, sample, array.updates)

    # Every row of a pair meets every column of that pair.
    width = torch.bincount(column_pair, minlength=active.numel())
    start = torch.cumsum(width, 0) - width
    repeats = width[row_pair]
    event_row = torch.repeat_interleave(torch.arange(row.numel(), device=row.device), repeats)
    offset = torch.arange(event_row.numel(), device=row.device) - (torch.cumsum(repeats, 0) - repeats)[event_row]
    pair, row = row_pair[event_row], row[event_row]
    column, sample = column[start[pair] + offset], sample[pair]
    up = torch.sign(d[sample, row]) * torch.sign(x[sample, column]) * lr < 0
    return Events(row * array.shape[1] + column, up, slot[pair], sample, offset), int(bl.sum())


def _counted(array: DeviceArray, x: Tensor, d: Tensor, lr: float, pulses: PulseTrain, granularity: float) -> Events:
    """The coincidences of pulse types that only count them, without random bits: the first slots of each sample."""
    found = []
    counts = pulses.counts(x, d, lr, granularity, array.stream.child("rounding"), array.updates)
    for m, count in enumerate(counts):
        for t in range(int(count.abs().max())):
            hit = count.abs() > t
            crosspoint = hit.flatten().nonzero()[:, 0]
            time = torch.full_like(crosspoint, t), torch.full_like(crosspoint, m)
            found.append(Events(crosspoint, count[hit] * lr < 0, *time, (hit.cumsum(dim=1) - 1)[hit]))
    if not found:
        none = torch.zeros(0, dtype=torch.int64, device=x.device)
        return Events(none, none.bool(), none, none, none)
    return Events(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _fired(bits: Stream, thresholds: Tensor, slot: Tensor, sample: Tensor, update: int) -> tuple[Tensor, Tensor]:
    """Indices (pair, line) of the lines that fire, pairs ascending.

    The same bits as ``Stream.line_words``, but only those blocks of four lines are drawn in which one can fire.

    Args:
        bits: stream of the lines' bits.
        thresholds: int64 ``[n, lines]``.
        slot: int64 ``[p]``.
        sample: int64 ``[p]``.
        update: update counter of the array.
    """
    blocks = torch.nn.functional.pad(thresholds, (0, -thresholds.shape[1] % 4)).unflatten(1, (-1, 4))
    pair, block = (blocks > 0).any(dim=2)[sample].nonzero(as_tuple=True)
    words = torch.stack(philox(bits.key, block, slot[pair], sample[pair], update), dim=1)
    found, lane = (words < blocks[sample[pair], block]).nonzero(as_tuple=True)
    return pair[found], 4 * block[found] + lane


def apply(array: DeviceArray, events: Events) -> None:
    """Apply events, given in order of time, to an array: in round r, every device takes its r-th event."""
    device = array.device
    assert isinstance(device, PulsedDevice)
    crosspoint, up, slot, sample, number = events
    if crosspoint.numel() == 0:
        return
    columns = array.shape[1]
    place = crosspoint // columns, number, columns, slot, sample, array.updates
    xi = array.stream.child("cycle noise").pulse_normals(*place)

    crosspoint, order = torch.sort(crosspoint, stable=True)
    up, xi = up[order], xi[order]
    _, multiplicity = torch.unique_consecutive(crosspoint, return_counts=True)
    first = torch.repeat_interleave(torch.cumsum(multiplicity, 0) - multiplicity, multiplicity)
    rank = torch.arange(crosspoint.numel(), device=crosspoint.device) - first
    last = rank == torch.repeat_interleave(multiplicity - 1, multiplicity)

    for counter, chosen in ((array.pulses_up, up), (array.pulses_down, ~up)):
        counter.view(-1).index_add_(0, crosspoint[chosen], torch.ones_like(crosspoint[chosen], dtype=counter.dtype))

    constants = {name: values.reshape(-1) for name, values in array.held_constants.items()}
    stored = array.stored.view(-1)
    by_rank = torch.argsort(rank, stable=True)
    for now in torch.split(by_rank, torch.bincount(rank).tolist()):
        here, rising = crosspoint[now], up[now]
        local = {name: (values[here] if values.numel() > 1 else values).float() for name, values in constants.items()}
        reference = local.get("reference", torch.zeros((), device=crosspoint.device))
        before = stored[here] + reference
        sign = torch.where(rising, 1.0, -1.0)
        rise, fall = (
            device.response(before, sign, *device.directed(local, way), *device.pulse_scalars(way), xi[now])
            for way in (True, False)
        )
        after = torch.clamp(before + torch.where(rising, rise, fall), local["w_min"], local["w_max"])
        stored[here] = after - reference
    if device.write_noise > 0:
        noise = array.stream.child("pulse write noise").pulse_normals(*place)[order][last]
        array.weight.view(-1)[crosspoint[last]] = stored[crosspoint[last]] + device.write_noise * noise
