"""Published devices: what their docstrings say is what they are."""

import math
import re

import pytest
import torch

from resbench.crossbar import presets
from resbench.crossbar.devices import Device, VectorCell
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.unit_cells import VectorTile, make_tile
from tests.crossbar.zoo import PRESETS, model_name

# Table 3 of arXiv:2510.02516, rows whose device is here; its PCM row (200 states) is another fit than the preset's.
TABLE_3 = {
    presets.Capacitor: 400,
    presets.EcRam: 1000,
    presets.EcRamMO: 7100,
    presets.ReRamArrayOM: 21,
    presets.ReRamArrayHfO2: 4,
    presets.ReRamAlOxHfO2: 40,
    presets.ReRamPCMO: 50,
    presets.ReRamHfO2: 26,
}


@pytest.mark.parametrize("device", PRESETS, ids=model_name)
def test_docstring_states_precision_and_source(device: Device) -> None:
    first = (type(device).__doc__ or "").splitlines()[0]
    stated = re.search(r"([\d.]+) states \(([\d.]+) bits\)", first)
    assert stated, first
    digits = len(stated[1].partition(".")[2])
    assert float(stated[1]) == pytest.approx(round(device.state_count, digits))
    assert float(stated[2]) == round(device.bits, 1)
    assert re.search(r"(19|20)\d\d", device.source)


@pytest.mark.parametrize("device", PRESETS, ids=model_name)
def test_states_are_a_knob_of_every_preset(device: Device) -> None:
    assert type(device)(states=16).state_count == pytest.approx(16)
    assert device.with_states(16) == type(device)(states=16)
    assert device.with_states(math.inf).is_continuous


@pytest.mark.parametrize(("model", "states"), TABLE_3.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_number_of_states_of_the_paper(model: type[Device], states: int) -> None:
    assert model().state_count == pytest.approx(states, rel=0.1)


SEVERAL = [device for device in PRESETS if isinstance(device, VectorCell)]


def test_there_are_six_presets_of_two_devices_and_six_of_four() -> None:
    assert sorted(len(device.elements) for device in SEVERAL) == [2] * 6 + [4] * 6


@pytest.mark.parametrize("device", SEVERAL, ids=model_name)
def test_a_sample_pulses_one_of_several_devices(device: VectorCell) -> None:
    """One pulse moves the weight by the mean share of one element's step, and each element gets its part of them."""
    samples, elements = 400, len(device.elements)
    tile = make_tile(device, (10, 10), Stream.from_seed(0))
    once = PulseTrain(desired_bl=1, update_bl_management=False, update_management=False)
    tile.update(torch.ones(samples, 10), -torch.ones(samples, 10), 1e6, once)
    assert isinstance(tile, VectorTile)
    assert (tile.pulses_up == samples).all()
    assert not tile.pulses_down.any()
    received = torch.tensor([float(array.pulses_up[0, 0]) for array in tile.tiles])
    share = 1 / elements
    assert (received - samples * share).abs().max() < 4.5 * (samples * share * (1 - share)) ** 0.5


def test_a_pulse_moves_two_devices_by_half_a_step() -> None:
    """Steps of the elements are 0.0002 in the mean, spread by 0.3 between devices and from pulse to pulse."""
    tile = make_tile(presets.Idealized2(), (100, 100), Stream.from_seed(0))
    once = PulseTrain(desired_bl=1, update_bl_management=False, update_management=False)
    tile.update(torch.ones(1, 100), -torch.ones(1, 100), 1e6, once)
    assert float(tile.weight.mean()) == pytest.approx(0.0001, rel=0.02)
