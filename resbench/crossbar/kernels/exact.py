"""Updates without pulses: the rank-1 product itself, and the limit of infinitely fine devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from resbench.crossbar.devices import PulsedDevice

if TYPE_CHECKING:
    from resbench.crossbar.tile import Tile


def ideal(tile: Tile, x: Tensor, d: Tensor, lr: float) -> None:
    """``W <- W - lr sum_m d_m x_m^T``, for devices that are none."""
    tile.weight.addmm_(d.T, x, alpha=-lr)


def rank_one(tile: Tile, x: Tensor, d: Tensor, lr: float) -> None:
    """``W <- clip(W - lr d_m x_m^T)`` for one sample after the other, using only the bounds of the devices."""
    arrays: set[Tile] = set()
    for m in range(x.shape[0]):
        change = -lr * torch.outer(d[m], x[m])
        size = change.abs()
        for array, chosen, up in tile.route(change > 0, torch.tensor(m, device=x.device)):
            array.stored.add_(torch.where(chosen, torch.where(up, size, -size), 0.0))
            torch.clamp(array.stored, array.constant("w_min"), array.constant("w_max"), out=array.stored)
            arrays.add(array)
    for array in arrays:
        array.settle()


def flow(tile: Tile, x: Tensor, d: Tensor, lr: float) -> None:
    """Devices without granularity: ``W <- clip(W + P q_up(W) - N q_down(W))``.

    P and N are the total upward and downward changes that the mini-batch asks of each weight, ``sum max(-+ lr d_m
    x_m^T, 0)``; q is the response of the device relative to its granularity. This is the limit dw_min -> 0 of the
    pulsed update to first order in lr: the noise of a pulse vanishes, the asymmetry of the device stays.
    """
    d = -lr * d
    x_up, x_down, d_up, d_down = x.clamp(min=0), (-x).clamp(min=0), d.clamp(min=0), (-d).clamp(min=0)
    sample = torch.arange(x.shape[0], device=x.device).expand(2, -1)
    up = torch.tensor([[True], [False]], device=x.device).expand_as(sample)
    for array, chosen, rising in tile.route(up, sample):
        to_raise, to_lower = chosen.to(x.dtype)[:, :, None]
        raised = (d_up * to_raise).T @ x_up + (d_down * to_raise).T @ x_down
        lowered = (d_up * to_lower).T @ x_down + (d_down * to_lower).T @ x_up
        turned = rising[:, 0].to(x.dtype)
        _flow(
            array,
            rise=turned[0] * raised + turned[1] * lowered,
            fall=(1 - turned[0]) * raised + (1 - turned[1]) * lowered,
        )


def _flow(tile: Tile, rise: Tensor, fall: Tensor) -> None:
    device, constants = tile.device, tile.constants
    assert isinstance(device, PulsedDevice)
    quiet = torch.zeros((), device=rise.device)
    reference = constants.get("reference", quiet)
    before = tile.stored + reference
    after = before.clone()
    for amount, up in ((rise, True), (fall, False)):
        sign = torch.tensor(1.0 if up else -1.0, device=rise.device)
        after += amount * device.response(
            before, sign, *device.directed(constants, up), *device.pulse_scalars(up), quiet
        )
    tile.stored.copy_(torch.clamp(after, constants["w_min"], constants["w_max"]) - reference)
