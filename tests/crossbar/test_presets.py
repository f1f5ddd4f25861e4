"""Published devices: what their docstrings say is what they are."""

import dataclasses
import math
import re

import pytest
import torch

from resbench.crossbar import presets
from resbench.crossbar.devices import Device, PulsedDevice, VectorCell
from resbench.crossbar.pulses import ONE_PULSE, PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.response import step_at
from resbench.crossbar.tile import Tile
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
#: Number of states that the source of another device prints.
PRINTED = {presets.ReRamCMO: 32}


@pytest.mark.parametrize("device", PRESETS, ids=model_name)
def test_docstring_states_precision_and_source(device: Device) -> None:
    first = (type(device).__doc__ or "").splitlines()[0]
    stated = re.search(r"([\d.]+) states \(([\d.]+) bits\)", first)
    assert stated, first
    digits = len(stated[1].partition(".")[2])
    assert float(stated[1]) == pytest.approx(round(device.state_count, digits))
    assert float(stated[2]) == round(device.bits, 1)
    assert re.search(r"(19|20)\d\d", device.source)
    assert device.obtained in ("fitted", "printed", "states only")


@pytest.mark.parametrize("device", PRESETS, ids=model_name)
def test_states_are_a_knob_of_every_preset(device: Device) -> None:
    assert type(device)(states=16).state_count == pytest.approx(16)
    assert device.with_states(16) == type(device)(states=16)
    assert device.with_states(math.inf).is_continuous


@pytest.mark.parametrize(
    ("model", "states"), (TABLE_3 | PRINTED).items(), ids=lambda value: getattr(value, "__name__", "")
)
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


def curve(device: PulsedDevice, start: float, pulses: int, up: bool) -> list[float]:
    """Weights of the mean device without noise after each of some pulses."""
    tile = Tile(dataclasses.replace(device, dw_min_std=0.0), (1, 1), Stream.from_seed(0))
    tile.program(torch.full((1, 1), start))
    weights = [start]
    for _ in range(pulses):
        tile.update(torch.ones(1, 1), torch.full((1, 1), -1.0 if up else 1.0), 1.0, ONE_PULSE)
        weights.append(tile.weight.item())
    return weights


@pytest.mark.parametrize(("up", "a"), [(True, 0.702081), (False, 0.848677)])
def test_neurosim_crosses_its_range_in_32_pulses_on_its_curve(up: bool, a: float) -> None:
    """``w(x) = B (1 - e^(-x/A)) - 1``, forward for up pulses and back for down pulses."""
    scale = 2 / (1 - math.exp(-1 / a))
    expected = [scale * (1 - math.exp(-pulse / (32 * a))) - 1 for pulse in range(33)]
    weights = curve(presets.NeuroSim(), -1.0 if up else 1.0, 32, up)
    assert weights == pytest.approx(expected if up else expected[::-1], abs=2e-5)


def test_enode_has_the_steps_of_its_table() -> None:
    """Means of the lookup table in uS at two of its 48 conductances; half its range is 340.28 uS."""
    device = presets.ENODe()
    constants = device.fabricate((1, 1), Stream.from_seed(0))
    for place, steps in {17: (6.221, 2.672), 34: (3.340, 3.319)}.items():
        weight = torch.full((1, 1), 2 * place / 47 - 1)
        for up, step in zip((True, False), steps, strict=True):
            change = step_at(device, constants, weight, up).abs().item()
            assert change == pytest.approx(step / 340.28, abs=0.03 * device.step)
