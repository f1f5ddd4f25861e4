"""The pulsed update as it is defined: samples in order, slots in order, one pulse at every coincidence.

Slow and meant to be read; the other backends are compared with it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows


def update(array: DeviceArray, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Pulse an array with the samples of a mini-batch, in place.

    Args:
        array: single devices, or unit cells.
        x: float32 ``[n, in]``.
        d: float32 ``[n, out]``.
        lr: learning rate; its sign turns the direction of every pulse.
        pulses: pulse train parameters.
        granularity: mean step that sets the probabilities.
    """
    inputs, errors = x.dense(), d.dense()
    rounding = array.stream.child("rounding")
    bl, x_scale, d_scale = pulses.scales(inputs, errors, lr, granularity)
    array.slots += int(bl.sum())
    if pulses.pulse_type == "stochastic":
        column_thresholds = pulses.thresholds(inputs, x_scale, rounding.child("columns"), array.updates)
        row_thresholds = pulses.thresholds(errors, d_scale, rounding.child("rows"), array.updates)
        row_bits, column_bits = array.stream.child("rows"), array.stream.child("columns")
        for m in range(inputs.shape[0]):
            up = torch.outer(torch.sign(errors[m]), torch.sign(inputs[m])) * lr < 0
            for t in range(int(bl[m])):
                slot, sample = torch.tensor([t], device=inputs.device), torch.tensor([m], device=inputs.device)
                rows = row_bits.line_words(errors.shape[1], slot, sample, array.updates)[0] < row_thresholds[m]
                columns = column_bits.line_words(inputs.shape[1], slot, sample, array.updates)[0] < column_thresholds[m]
                coincide(array, rows[:, None] & columns[None, :], up, slot=t, sample=m)
        return
    for m, counts in enumerate(pulses.counts(inputs, errors, lr, granularity, rounding, array.updates)):
        for t in range(int(counts.abs().max())):
            coincide(array, counts.abs() > t, counts * lr < 0, slot=t, sample=m)


def coincide(array: DeviceArray, hit: Tensor, up: Tensor, slot: int, sample: int) -> None:
    """Pulse devices where lines coincide, ``hit``, in the direction ``up``; bool ``[out, in]`` each."""
    number = hit.cumsum(dim=1) - 1  # of each pulse in its row
    for part, chosen, rising in array.route(up, torch.tensor(sample, device=up.device)):
        pulse(part, hit & chosen, rising, number, slot, sample)


def pulse(array: DeviceArray, hit: Tensor, up: Tensor, number: Tensor, slot: int, sample: int) -> None:
    """One pulse on every device of an array where ``hit``, in the direction ``up``.

    ``v = w + reference; v <- clip(v + response(v, xi), w_min, w_max); w = v - reference``, with fresh noise xi for
    each device, slot and sample, then fresh write noise on the visible weight.
    """
    device, constants = array.device, array.constants
    assert isinstance(device, PulsedDevice)
    row = torch.arange(hit.shape[0], device=hit.device)[:, None]
    place = row, number, hit.shape[1], slot, sample, array.updates
    xi = array.stream.child("cycle noise").pulse_normals(*place)
    reference = constants.get("reference", torch.zeros((), device=hit.device))
    before = array.stored + reference
    for way, here, counter in ((True, hit & up, array.pulses_up), (False, hit & ~up, array.pulses_down)):
        sign = torch.tensor(1.0 if way else -1.0, device=hit.device)
        change = device.response(before, sign, *device.directed(constants, way), *device.pulse_scalars(way), xi)
        after = torch.clamp(before + change, constants["w_min"], constants["w_max"]) - reference
        array.stored.copy_(torch.where(here, after, array.stored))
        counter.add_(here)
    if device.write_noise > 0:
        noisy = array.stored + device.write_noise * array.stream.child("pulse write noise").pulse_normals(*place)
        array.weight.copy_(torch.where(hit, noisy, array.weight))
