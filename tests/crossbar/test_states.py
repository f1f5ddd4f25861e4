"""A tile takes the state of a tile with the same devices only."""

import dataclasses
import math

import pytest
import torch

from resbench.crossbar.devices import ConstantStep, Device, Drift, Ideal, SoftBounds, VectorCell
from resbench.crossbar.randomness import Stream
from resbench.crossbar.states import DEVICE
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import make_tile
from resbench.errors import BadValue

DEVICE_16 = SoftBounds(states=16)
PAIR = VectorCell(devices=(DEVICE_16, DEVICE_16))


def tile(device: Device, seed: int = 0) -> Tile:
    return make_tile(device, (3, 4), Stream.from_seed(seed))


@pytest.mark.parametrize(
    ("saved", "loads", "message"),
    [
        (SoftBounds(states=4), SoftBounds(states=256), "states: 256, but the state is of devices with 4 states"),
        (SoftBounds(states=4), SoftBounds(states=math.inf), "states: inf, but the state is of devices with 4 states"),
        (SoftBounds(states=4, w_max=1.0, w_min=-1.0), SoftBounds(states=4), "device: SoftBounds has granularity 0.3"),
        (SoftBounds(states=16, dw_min_std=0.0), DEVICE_16, "device: SoftBounds has pulses"),
        (SoftBounds(states=16, write_noise_std=0.1), DEVICE_16, "device: SoftBounds has write_noise 0.0, that of the"),
        (ConstantStep(states=16), DEVICE_16, "device: SoftBounds has model linear_step, that of the state con"),
        (Ideal(), DEVICE_16, "device: SoftBounds has model linear_step, that of the state Ideal"),
        (DEVICE_16, PAIR, "device: VectorCell has model VectorCell, that of the state linear_step"),
        (PAIR, DEVICE_16, "device: SoftBounds has model linear_step, that of the state VectorCell"),
        (VectorCell(devices=PAIR.devices, gamma_vec=(1.0, 0.5)), PAIR, "device: VectorCell has shares"),
    ],
)
def test_the_state_of_other_devices_is_refused(saved: Device, loads: Device, message: str) -> None:
    with pytest.raises(BadValue, match=message):
        tile(loads).set_extra_state(tile(saved).get_extra_state())


def test_constants_and_drift_may_differ() -> None:
    """They are in the state, or change nothing of what a pulse does."""
    device = SoftBounds(states=16, drift=Drift(nu=0.1))
    other = dataclasses.replace(device, drift=Drift(nu=0.2), w_max_dtod=0.1)
    saved, loads = tile(device), tile(other, seed=1)
    loads.load_state_dict(saved.state_dict())
    assert torch.equal(loads.constant("w_max"), saved.constant("w_max"))


def test_constants_that_all_devices_share_by_chance_are_taken_too() -> None:
    """Of twelve devices, none or some are stuck, and without a stuck one each constant is a single number."""
    device = dataclasses.replace(DEVICE_16.without_spread(), corrupt_devices_prob=0.1)
    drawn = [tile(device, seed) for seed in range(6)]
    assert {made.held_constants["w_max"].shape for made in drawn} == {(1, 1), (3, 4)}
    for saved in drawn:
        for loads in (tile(device, seed) for seed in range(6)):
            loads.load_state_dict(saved.state_dict())
            assert all(torch.equal(values, saved.constants[name]) for name, values in loads.constants.items())
            loads.program(torch.full((3, 4), 2.0))
            assert torch.equal(loads.weight, saved.constant("w_max").expand(3, 4))


def test_a_state_of_an_earlier_version_has_counters_only() -> None:
    state = tile(SoftBounds(states=4)).get_extra_state() | {"updates": 7}
    del state[DEVICE]
    loads = tile(DEVICE_16)
    loads.set_extra_state(state)
    assert loads.updates == 7
    with pytest.raises(BadValue, match="device: a VectorCell counts samples, which the state lacks"):
        tile(PAIR).set_extra_state(state)


def test_the_refused_state_leaves_its_counters_out() -> None:
    state = tile(SoftBounds(states=4)).get_extra_state() | {"updates": 7}
    loads = tile(DEVICE_16)
    with pytest.raises(BadValue, match="states: 16, but"):
        loads.set_extra_state(state)
    assert loads.updates == 0
