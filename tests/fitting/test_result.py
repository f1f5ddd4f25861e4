"""Known devices are recovered within their standard errors; measured tables give what is known of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from resbench.crossbar.devices import Constants, ExpStep, LinearStep, PiecewiseStep, PowStep, PulsedDevice, SoftBounds
from resbench.crossbar.randomness import Stream
from resbench.crossbar.response import step_at
from resbench.errors import BadValue
from resbench.fitting.result import DeviceFit, fit_device
from resbench.fitting.table import Branch, Measurement
from resbench.registry import named
from tests.fitting.measured import measured

DATA = Path(__file__).with_name("data")
#: A tile weight of -1 and 1 is one in the fit too, so that parameters can be compared.
SAME = (-1.0, 1.0)
KNOWN: dict[str, Any] = {"w_max": 1.0, "w_min": -1.0, "dw_min_std": 0.3, "write_noise_std": 0.3}
DEVICES: dict[str, PulsedDevice] = {
    "SoftBounds": SoftBounds(dw_min=0.05, up_down=0.2, **KNOWN).without_spread(),
    "16 states": SoftBounds(states=16, **KNOWN).without_spread(),
    "LinearStep": LinearStep(dw_min=0.03, gamma_up=0.5, gamma_down=0.3, **KNOWN).without_spread(),
    "PowStep": PowStep(dw_min=0.1, pow_gamma=2.5, pow_up_down=0.3, **KNOWN).without_spread(),
    "ExpStep": ExpStep(
        **{"dw_min": 0.05, "A_up": 0.1, "A_down": 0.1, "gamma_up": 2.3, "gamma_down": 2.3, "a": 1.0, "b": 0.0, **KNOWN}
    ).without_spread(),
    "PiecewiseStep": PiecewiseStep(
        dw_min=0.04, piecewise_up=(0.8, 1.8, 1.0, 1.8, 0.4), piecewise_down=(0.5, 1.5, 0.8, 1.7, 0.9), **KNOWN
    ).without_spread(),
}


def known(device: PulsedDevice, name: str) -> Any:
    """An argument of a device, which may have been given as a number of states."""
    return np.array(device.step if name == "dw_min" else getattr(device, name))


def errors_of(fit: DeviceFit, device: PulsedDevice) -> dict[str, float]:
    """Distance of each argument from the known one, in standard errors; of a table, the largest one."""
    return {
        name: float(np.max(np.abs(np.array(fit.fields[name]) - known(device, name)) / np.maximum(error, 1e-9)))
        for name, error in fit.errors.items()
    }


def quiet(device: PulsedDevice, w: torch.Tensor) -> Constants:
    """Constants of the mean device, one for each weight."""
    return device.without_spread().fabricate((1, w.shape[1]), Stream.from_seed(0))


@pytest.mark.parametrize("name", DEVICES)
def test_a_known_device_is_recovered_within_its_standard_errors(name: str) -> None:
    device = DEVICES[name]
    fit = fit_device(measured(device, pulses=120, cycles=4), SAME)
    assert fit.model == type(device).__name__
    away = errors_of(fit, device)
    assert {"dw_min", "dw_min_std", "write_noise_std"} <= away.keys()
    assert max(away.values()) < 3.5, away
    # The errors are small enough to tell a wrong device: one whose steps are off by a tenth or two somewhere.
    for up in (True, False):
        w = torch.linspace(-0.8, 0.8, 9)[None]
        steps = [step_at(one, quiet(one, w), w, up).abs() for one in (device, fit.device)]
        assert (steps[1] - steps[0]).abs().max() < 0.15 * steps[0].max(), up
    assert fit.explained > 0.97
    assert not fit.warnings


def test_spreads_between_devices_are_recovered() -> None:
    device = SoftBounds(
        **{"dw_min": 0.05, "dw_min_dtod": 0.25, "w_max_dtod": 0.15, "w_min_dtod": 0.2, "up_down_dtod": 0.1, **KNOWN}
    )
    fit = fit_device(measured(device, pulses=60, devices=20), SAME)
    assert fit.model == "SoftBounds"
    away = errors_of(fit, device)
    spreads = {"dw_min_dtod", "w_max_dtod", "w_min_dtod", "up_down_dtod"}
    assert spreads <= away.keys()
    assert max(away.values()) < 3.5, away
    assert all(fit.errors[name] < 0.5 * getattr(device, name) for name in spreads)


def test_the_same_readings_of_many_devices_have_no_spread() -> None:
    fit = fit_device(measured(DEVICES["SoftBounds"], pulses=60, devices=6), SAME)
    assert fit.fields["dw_min_dtod"] < 0.06
    assert fit.fields["w_max_dtod"] < 0.06


def test_conductances_are_scaled_to_weights() -> None:
    """In siemens or in weights, the device is the same; by default weights -1 and 1 are the ends of the branches."""
    weights = measured(DEVICES["SoftBounds"], pulses=60)
    scaled = [dataclasses.replace(branch, readings=2e-5 + 1e-5 * branch.readings) for branch in weights.branches]
    fit = fit_device(Measurement("siemens", tuple(scaled)), (1e-5, 3e-5))
    assert fit.fields == pytest.approx(fit_device(weights, SAME).fields, rel=1e-4)
    low, high = Measurement("siemens", tuple(scaled)).ends()
    assert (low, high) == pytest.approx([2e-5 + 1e-5 * end for end in weights.ends()])


def test_the_yaml_is_the_device_and_the_json_says_how_good_it_is() -> None:
    fit = fit_device(measured(DEVICES["LinearStep"], pulses=60), SAME)
    written = yaml.safe_load(fit.yaml())["model"]["init_args"]["device"]
    assert named(written["class_path"])(**written["init_args"]) == fit.device
    content = json.loads(fit.json())
    assert content["init_args"] == written["init_args"]
    assert content["states"] == fit.device.state_count
    assert content["held_out_rms"] == min(content["models_held_out_rms"][fit.model], 1)
    assert content["standard_errors"]["dw_min"] > 0


def test_a_shape_that_no_model_has_is_said() -> None:
    """A step that comes and goes along the range, with little noise."""
    at = np.arange(100)
    wave = at / 50 - 1 + 0.08 * np.sin(at / 3)
    branches = Branch("1", "1", 1, at, wave), Branch("1", "1", -1, at, -wave)
    assert any("another shape" in warning for warning in fit_device(Measurement("wave", branches)).warnings)


def test_a_table_of_aihwkit_is_fitted() -> None:
    """ReRAM of Gong et al. 2018: 1000 pulses up and down, with noise of readings of 0.17 weight units at any place."""
    fit = fit_device(DATA / "gong2018_reram.csv", SAME)
    assert fit.explained > 0.92
    assert fit.fields["write_noise_std"] * fit.fields["dw_min"] == pytest.approx(0.167, abs=0.005)
    assert 300 < fit.device.state_count < 1500  # about 1000 in aihwkit's preset of this device


def test_ramps_of_cross_sim_are_fitted() -> None:
    """The step up grows with the conductance from 0.005 to 0.02, that down is 0.015, in the weights of the fit."""
    fit = fit_device(DATA / "crosssim_ramps.csv")
    assert fit.explained > 0.999
    assert fit.held_out < 0.025
    assert 130 < fit.device.state_count < 190  # the range takes 150 pulses down and 190 up
    assert fit.low == pytest.approx(1.657e-4, rel=1e-3)


@pytest.mark.parametrize(
    ("span", "says"),
    [((1.0, -1.0), "range: 1 to -1 is no range"), ((0.0, 0.1), "range: 0 to 0.1 puts a reading at weight")],
)
def test_a_wrong_range_is_refused(span: tuple[float, float], says: str) -> None:
    with pytest.raises(BadValue, match=says):
        fit_device(measured(DEVICES["SoftBounds"], pulses=20), span)
