"""Published devices: what their docstrings say is what they are."""

import math
import re

import pytest

from resbench.crossbar import presets
from resbench.crossbar.devices import Device
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
