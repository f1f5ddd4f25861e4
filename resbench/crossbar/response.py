"""The response of devices to pulses: single steps, symmetric points, and curves of many pulses."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from resbench.crossbar.devices import Constants, Device, PulsedDevice
from resbench.crossbar.pulses import ONE_PULSE
from resbench.crossbar.randomness import Stream
from resbench.crossbar.unit_cells import make_tile

SCAN = 200
BISECTIONS = 40


def step_at(device: PulsedDevice, constants: Constants, w: Tensor, up: bool) -> Tensor:
    """Change by one pulse without noise at visible weights w, before the clip, in the shape of w and the constants."""
    sign = torch.tensor(1.0 if up else -1.0)
    v = w + constants.get("reference", torch.zeros(()))
    return device.response(v, sign, *device.directed(constants, up), *device.pulse_scalars(up), torch.zeros(()))


def symmetric_points(device: PulsedDevice, constants: Constants) -> Tensor:
    """The weight of each device at which an up and a down pulse cancel.

    Pulses of alternating direction pull a weight there, whatever the gradient is.

    Returns:
        float32 ``[out, in]``; NaN if the steps differ at all weights, or agree at all weights.
    """
    reference = constants.get("reference", torch.zeros(()))
    low, high = constants["w_min"] - reference, constants["w_max"] - reference

    def drift(w: Tensor) -> Tensor:
        return step_at(device, constants, w, up=True) + step_at(device, constants, w, up=False)

    # The first change of sign from above to below zero on a coarse grid, then bisection inside it.
    grid = torch.stack([low + (high - low) * (k / SCAN) for k in range(SCAN + 1)])
    falls = (torch.stack([drift(w) for w in grid]) > 0).to(torch.int8).diff(dim=0) < 0
    left = falls.to(torch.int8).argmax(dim=0, keepdim=True)
    below, above = grid.gather(0, left)[0], grid.gather(0, left + 1)[0]
    for _ in range(BISECTIONS):
        middle = (below + above) / 2
        rising = drift(middle) > 0
        below, above = torch.where(rising, middle, below), torch.where(rising, above, middle)
    return torch.where(falls.any(dim=0), (below + above) / 2, torch.nan)


def sweep(device: Device, start: float, pulses: int, devices: int, stream: Stream, points: int = 200) -> Tensor:
    """The weights of some devices while they get pulses up and then as many pulses down.

    Args:
        device: the device; one without granularity gets the same total change in small exact updates.
        start: first weight.
        pulses: number of pulses in each direction.
        devices: number of devices, each with its own constants.
        stream: random stream.
        points: largest number of weights that are recorded in each direction.

    Returns:
        float32 ``[recorded, devices]``, including the start, equally spaced in pulses within each direction.
    """
    tile = make_tile(device, (devices, 1), stream)
    tile.program(torch.full((devices, 1), start))
    stride = math.ceil(pulses / points)
    recorded = [tile.weight.clone()]
    for sign in (1.0, -1.0):
        for _ in range(math.ceil(pulses / stride)):
            errors = torch.full((stride, devices), -sign)
            change = (device.w_max - device.w_min) / pulses
            # With this rate every probability is above 1 whatever the granularity.
            rate = change if device.is_continuous else 2 * device.granularity
            tile.update(torch.ones(stride, 1), errors, rate, ONE_PULSE)
            recorded.append(tile.weight.clone())
    return torch.cat(recorded, dim=1).T
