"""The pulsed update as it is defined: samples in order, slots in order, one pulse at every coincidence.

Slow and meant to be read; the other backends are compared with it.
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
    """Pulse a tile with the samples of a mini-batch, in place.

    Args:
        tile: the array.
        x: float32 ``[n, in]``.
        d: float32 ``[n, out]``.
        lr: learning rate; its sign turns the direction of every pulse.
        train: pulse train parameters.
        granularity: mean step that sets the probabilities.
    """
    bl, x_scale, d_scale = train.scales(x, d, lr, granularity)
    if train.pulse_type == "stochastic":
        rounding = tile.stream.child("rounding")
        column_thresholds = train.thresholds(x, x_scale, rounding.child("columns"), tile.updates)
        row_thresholds = train.thresholds(d, d_scale, rounding.child("rows"), tile.updates)
        up = -torch.sign(d)[:, :, None] * torch.sign(x)[:, None, :] * (1 if lr > 0 else -1)
        for m in range(x.shape[0]):
            for t in range(int(bl[m])):
                slot, sample = torch.tensor([t]), torch.tensor([m])
                rows = (
                    tile.stream.child("rows").line_words(d.shape[1], slot, sample, tile.updates)[0] < row_thresholds[m]
                )
                columns = (
                    tile.stream.child("columns").line_words(x.shape[1], slot, sample, tile.updates)[0]
                    < column_thresholds[m]
                )
                coincidence = rows[:, None] & columns[None, :]
                pulse(tile, coincidence, up[m], slot=t, sample=m)
        return
    for m in range(x.shape[0]):
        if bl[m] == 0:
            continue
        counts = -train.counts(x[m], d[m], bl[m], x_scale[m], d_scale[m]) * (1 if lr > 0 else -1)
        for t in range(int(counts.abs().max())):
            pulse(tile, counts.abs() > t, torch.sign(counts), slot=t, sample=m)


def pulse(tile: Tile, hit: Tensor, direction: Tensor, slot: int, sample: int) -> None:
    """One pulse on every device where ``hit``, up where ``direction`` is positive.

    ``v = w + reference; v <- clip(v + response(v, xi), w_min, w_max); w = v - reference``, with fresh noise xi for
    each device, slot and sample, then fresh write noise on the visible weight.
    """
    device, constants = tile.device, tile.constants
    cell = torch.arange(hit.numel()).reshape(hit.shape)
    words = philox(tile.stream.child("cycle noise").key, cell, slot, sample, tile.updates)
    xi = gaussian(words[0], words[1])
    reference = constants.get("reference", torch.zeros(()))
    before = tile.stored + reference
    for sign, counter in ((1.0, tile.pulses_up), (-1.0, tile.pulses_down)):
        here = hit & (direction * sign > 0)
        change = device.response(
            before, torch.tensor(sign), *device.directed(constants, sign > 0), *device.pulse_scalars(sign > 0), xi
        )
        after = torch.clamp(before + change, constants["w_min"], constants["w_max"]) - reference
        tile.stored.copy_(torch.where(here, after, tile.stored))
        counter.add_(here)
    if device.write_noise > 0:
        noisy = tile.stored + device.write_noise * gaussian(words[2], words[3])
        tile.weight.copy_(torch.where(hit, noisy, tile.weight))
