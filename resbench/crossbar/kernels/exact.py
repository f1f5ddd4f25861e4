"""Updates without pulses: the rank-1 product itself, and the limit of infinitely fine devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from resbench.crossbar.tile import Tile


def rank_one(tile: Tile, x: Tensor, d: Tensor, lr: float) -> None:
    """``W <- clip(W - lr d_m x_m^T)`` for one sample after the other, using only the bounds of the devices."""
    low, high = tile.constants["w_min"], tile.constants["w_max"]
    for m in range(x.shape[0]):
        tile.stored.addr_(d[m], x[m], alpha=-lr)
        torch.clamp(tile.stored, low, high, out=tile.stored)
    _show(tile)


def flow(tile: Tile, x: Tensor, d: Tensor, lr: float) -> None:
    """Devices without granularity: ``W <- clip(W + P q_up(W) - N q_down(W))``.

    P and N are the total upward and downward changes that the mini-batch asks of each weight, ``sum max(-+ lr d_m
    x_m^T, 0)``; q is the response of the device relative to its mean step. This is the limit dw_min -> 0 of the
    pulsed update to first order in lr: the noise of a pulse vanishes, the asymmetry of the device stays.
    """
    d = -lr * d
    x_up, x_down, d_up, d_down = x.clamp(min=0), (-x).clamp(min=0), d.clamp(min=0), (-d).clamp(min=0)
    rise = d_up.T @ x_up + d_down.T @ x_down
    fall = d_up.T @ x_down + d_down.T @ x_up
    device, constants = tile.device, tile.constants
    reference = constants.get("reference", torch.zeros((), device=x.device))
    before = tile.stored + reference
    after = before.clone()
    quiet = torch.zeros((), device=x.device)
    for amount, up in ((rise, True), (fall, False)):
        sign = torch.tensor(1.0 if up else -1.0, device=x.device)
        response = device.response(before, sign, *device.directed(constants, up), *device.pulse_scalars(up), quiet)
        after += amount * response
    tile.stored.copy_(torch.clamp(after, constants["w_min"], constants["w_max"]) - reference)
    _show(tile)


def _show(tile: Tile) -> None:
    """These updates carry no write noise of their own: the visible weight follows the stored one."""
    if tile.device.write_noise > 0:
        tile.weight.copy_(tile.stored)
