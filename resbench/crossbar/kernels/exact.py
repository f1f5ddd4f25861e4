"""Updates without pulses: the rank-1 product itself, and the limit of infinitely fine devices."""

from __future__ import annotations

import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.devices import Ideal, PulsedDevice
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows


def update(array: DeviceArray, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Change an array by the samples of a mini-batch, in place; arguments as in the reference kernel."""
    rule = ideal if isinstance(array.device, Ideal) else flow if array.is_continuous else rank_one
    rule(array, x.dense(), d.dense(), lr)


def ideal(array: DeviceArray, x: Tensor, d: Tensor, lr: float) -> None:
    """``W <- W - lr sum_m d_m x_m^T``, for devices that are none."""
    array.weight.addmm_(d.T, x, alpha=-lr)


def rank_one(array: DeviceArray, x: Tensor, d: Tensor, lr: float) -> None:
    """``W <- clip(W - lr d_m x_m^T)`` for one sample after the other, using only the bounds of the devices."""
    changed: set[DeviceArray] = set()
    for m in range(x.shape[0]):
        change = -lr * torch.outer(d[m], x[m])
        size = change.abs()
        for part, chosen, up in array.route(change > 0, torch.tensor(m, device=x.device)):
            part.stored.add_(torch.where(chosen, torch.where(up, size, -size), 0.0))
            torch.clamp(part.stored, part.constant("w_min"), part.constant("w_max"), out=part.stored)
            changed.add(part)
    for part in changed:
        part.settle()


def flow(array: DeviceArray, x: Tensor, d: Tensor, lr: float) -> None:
    """Devices without granularity: ``W <- clip(W + P q_up(W) - N q_down(W))``.

    P and N are the total upward and downward changes that the mini-batch asks of each weight, ``sum max(-+ lr d_m
    x_m^T, 0)``; q is the response of the device relative to its granularity. This is the limit dw_min -> 0 of the
    pulsed update to first order in lr: the noise of a pulse vanishes, the asymmetry of the device stays.
    """
    d = -lr * d
    x_up, x_down, d_up, d_down = x.clamp(min=0), (-x).clamp(min=0), d.clamp(min=0), (-d).clamp(min=0)
    sample = torch.arange(x.shape[0], device=x.device).expand(2, -1)
    up = torch.tensor([[True], [False]], device=x.device).expand_as(sample)
    for part, chosen, rising in array.route(up, sample):
        to_raise, to_lower = chosen.to(x.dtype)[:, :, None]
        raised = (d_up * to_raise).T @ x_up + (d_down * to_raise).T @ x_down
        lowered = (d_up * to_lower).T @ x_down + (d_down * to_lower).T @ x_up
        turned = rising[:, 0].to(x.dtype)
        _flow(
            part,
            rise=turned[0] * raised + turned[1] * lowered,
            fall=(1 - turned[0]) * raised + (1 - turned[1]) * lowered,
        )


def _flow(array: DeviceArray, rise: Tensor, fall: Tensor) -> None:
    device, constants = array.device, array.constants
    assert isinstance(device, PulsedDevice)
    quiet = torch.zeros((), device=rise.device)
    reference = constants.get("reference", quiet)
    before = array.stored + reference
    after = before.clone()
    for amount, up in ((rise, True), (fall, False)):
        sign = torch.tensor(1.0 if up else -1.0, device=rise.device)
        after += amount * device.response(
            before, sign, *device.directed(constants, up), *device.pulse_scalars(up), quiet
        )
    array.stored.copy_(torch.clamp(after, constants["w_min"], constants["w_max"]) - reference)
