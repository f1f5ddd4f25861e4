"""Device models: precision, fabrication, and what each refuses. Their curves are among the replayed vectors."""

from __future__ import annotations

import dis
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resbench.crossbar import devices
from resbench.crossbar.devices import (
    ConstantStep,
    Device,
    Drift,
    ExpStep,
    Ideal,
    LinearStep,
    OneSidedCell,
    PiecewiseStep,
    PowStep,
    PowStepReference,
    PulsedDevice,
    ReferenceCell,
    SoftBounds,
    SoftBoundsPmax,
    SoftBoundsReference,
    VectorCell,
    arithmetic,
)
from resbench.crossbar.randomness import Stream
from tests.crossbar.zoo import PULSED, ZOO, model_name

STREAM = Stream.from_seed(0)


# -- precision ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ZOO, ids=model_name)
@given(states=st.integers(2, 1000))
def test_states_set_the_granularity(device: Device, states: int) -> None:
    if isinstance(device, Ideal):
        return
    finer = device.with_states(states)
    assert finer.state_count == pytest.approx(states)
    assert finer.bits == pytest.approx(math.log2(states))
    assert finer.with_states(states) == finer


@pytest.mark.parametrize("device", ZOO, ids=model_name)
def test_infinite_states_are_no_granularity(device: Device) -> None:
    continuous = device.with_states(math.inf)
    assert continuous.is_continuous
    assert continuous.granularity == 0
    assert continuous.state_count == math.inf


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SoftBounds(states=1), "states: 1 .*whole number of 2 or more"),
        (lambda: SoftBounds(states=4.5), "states: 4.5"),
        (lambda: SoftBounds(states="four"), "states: four is impossible"),  # type: ignore[arg-type]
        (lambda: SoftBounds(dw_min="fine"), "dw_min: fine is not a step"),  # type: ignore[arg-type]
        (lambda: SoftBounds(states=16, w_max=math.inf), "w_min, w_max: -0.6, inf have no states between them"),
        (lambda: SoftBounds(states=16, up_down=math.nan), "up_down: nan is no number"),
        (lambda: SoftBounds(states=4, dw_min=0.1), "states, dw_min: both .*4 states are a dw_min of 0.3"),
        (lambda: SoftBounds(dw_min=0), "dw_min: 0 .*above 0"),
        (lambda: SoftBounds(w_min=0.1), "w_min, w_max: 0.1, 0.6"),
        (lambda: ConstantStep(dw_min_std=-1), "dw_min_std: -1"),
        (lambda: ConstantStep(corrupt_devices_prob=2), "corrupt_devices_prob: 2"),
        (lambda: SoftBounds(reverse_up=True, mult_noise=False), "mult_noise"),
        (lambda: SoftBoundsPmax(alpha=0), "p_max, alpha"),
        (lambda: SoftBoundsPmax(range_min=1), "range_min, range_max"),
        (lambda: PiecewiseStep(piecewise_up=(1, 2), piecewise_down=(1,)), "2 and 1 nodes"),
        (lambda: PiecewiseStep(piecewise_up=(0,)), "piecewise_up"),
        (lambda: Ideal(states=4), "states: 4 is impossible for Ideal"),
        (lambda: Drift(nu=-1), "drift.nu: -1"),
        (lambda: Drift(nu=math.nan), "drift.nu: nan is negative or not finite"),
        (lambda: Drift(nu_dtod=-1), "drift.nu_dtod: -1"),
        (lambda: Drift(t_0=0), "drift.t_0: 0"),
        (lambda: VectorCell(devices=()), "at least one"),
        (lambda: VectorCell(devices=(SoftBounds(),), update_policy="each"), "update_policy: 'each'"),  # type: ignore[arg-type]
        (lambda: VectorCell(devices=(SoftBounds(),), gamma_vec=(1, 1)), "gamma_vec: 2 shares, 1 elements"),
        (lambda: VectorCell(devices=(SoftBounds(),), first_update_idx=1), "first_update_idx: 1"),
        (lambda: VectorCell(devices=(SoftBounds(states=math.inf), SoftBounds())), "with and without granularity"),
        (lambda: VectorCell(devices=(Ideal(), Ideal())), "devices: Ideal is no element"),  # type: ignore[arg-type]
        (lambda: VectorCell(devices=(VectorCell(devices=(SoftBounds(),)),)), "devices: VectorCell is no"),  # type: ignore[arg-type]
        (lambda: ReferenceCell(device=Ideal()), "device: Ideal is no element that pulses move"),  # type: ignore[arg-type]
        (lambda: ReferenceCell(device=SoftBounds(), reference=Ideal()), "reference: Ideal is no"),  # type: ignore[arg-type]
        (lambda: OneSidedCell(device=Ideal()), "device: Ideal is no element"),  # type: ignore[arg-type]
        (lambda: OneSidedCell(device=SoftBounds(), refresh_every=-1), "refresh_every: -1"),
    ],
)
def test_impossible_parameters_are_refused(make: Callable[[], Device], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


# -- fabrication -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [device for device in ZOO if isinstance(device, devices.Element)], ids=model_name)
def test_constants_are_planes_and_depend_on_the_stream_alone(device: devices.Element) -> None:
    first, again, other = (device.fabricate((3, 4), stream) for stream in (STREAM, STREAM, STREAM.child("other")))
    assert {"w_max", "w_min", "reset_bias"} <= first.keys()
    for name, values in first.items():
        assert values.shape == (3, 4)
        assert values.dtype == torch.float32
        assert not values.isnan().any()
        assert torch.equal(values, again[name])
    if isinstance(device, PulsedDevice):
        is_spread = device.dw_min_dtod > 0 or device.up_down_dtod > 0  # NeuroSim and ENODe have one device
        assert torch.equal(first["step_up"], other["step_up"]) is not is_spread
        for up in (True, False):
            assert len(device.directed(first, up)) == len(device.pulse_constants)


@pytest.mark.parametrize("device", PULSED, ids=model_name)
def test_steps_without_granularity_are_relative_to_it(device: PulsedDevice) -> None:
    coarse, continuous = (device.with_states(states).fabricate((3, 4), STREAM) for states in (8, math.inf))
    granularity = device.with_states(8).granularity
    torch.testing.assert_close(continuous["step_up"] * granularity, coarse["step_up"], rtol=1e-5, atol=0)
    torch.testing.assert_close(continuous["w_max"], coarse["w_max"])


def test_consistency_folds_steps_and_bounds() -> None:
    wide: dict[str, Any] = {"dw_min_dtod": 2.0, "w_max_dtod": 2.0, "w_min_dtod": 2.0}
    folded = ConstantStep(**wide).fabricate((100, 100), STREAM)
    raw = ConstantStep(**wide, enforce_consistency=False).fabricate((100, 100), STREAM)
    torch.testing.assert_close(folded["step_up"], raw["step_up"].abs())
    assert (folded["w_max"] >= 0).all()
    assert (folded["w_min"] <= 0).all()
    assert (raw["step_up"] < 0).any()
    dead = raw["w_max"] == raw["w_min"]
    assert dead.any()
    assert (raw["w_min"] <= raw["w_max"]).all()


def test_stuck_devices_hold_their_value() -> None:
    constants = SoftBounds(corrupt_devices_prob=0.3, corrupt_devices_range=0.05).fabricate((200, 200), STREAM)
    stuck = constants["step_up"] == 0
    assert float(stuck.float().mean()) == pytest.approx(0.3, abs=4.5 * 0.46 / 200)
    assert torch.equal(stuck, constants["w_max"] == constants["w_min"])
    assert (constants["w_max"][stuck].abs() <= 0.05).all()
    assert (constants["slope_up"][stuck] == 0).all()


def test_perfect_bias_is_the_last_column() -> None:
    constants = SoftBounds(perfect_bias=True, corrupt_devices_prob=1.0).fabricate((5, 4), STREAM)
    assert (constants["step_up"][:, -1] == 0.001).all()
    assert torch.allclose(constants["w_min"][:, -1], torch.tensor(-60.0))
    assert (constants["step_up"][:, :-1] == 0).all()


def test_a_reset_value_may_be_negative() -> None:
    assert (ConstantStep(reset=-0.2).fabricate((2, 2), STREAM)["reset_bias"] == -0.2).all()


def test_reversed_slopes_grow_toward_the_bound() -> None:
    device = SoftBounds(reverse_up=True, reverse_down=True, dw_min_dtod=0, w_max_dtod=0, w_min_dtod=0, up_down_dtod=0)
    constants = device.fabricate((1, 1), STREAM)
    rise = [one_pulse(device, constants, w, up=True) for w in (-0.6, 0.0, 0.6)]
    assert rise == pytest.approx([0.001 * (w + 0.61) / 0.61 for w in (-0.6, 0.0, 0.6)], rel=1e-4)
    assert one_pulse(device, constants, 0.6, up=False) == pytest.approx(-0.001 * 0.01 / 0.61, rel=1e-3)


@pytest.mark.parametrize(
    "device",
    [
        SoftBoundsReference(dw_min=0.1, up_down=0.4, subtract_symmetry_point=True),
        PowStepReference(dw_min=0.1, up_down=0.4, pow_gamma=1.7, subtract_symmetry_point=True),
    ],
    ids=model_name,
)
def test_zero_weight_becomes_the_symmetric_point(device: PulsedDevice) -> None:
    constants = device.fabricate((20, 20), STREAM)
    quiet = torch.zeros(())
    changes = [
        device.response(
            constants["reference"],
            torch.tensor(1.0 if up else -1.0),
            *device.directed(constants, up),
            *device.pulse_scalars(up),
            quiet,
        )
        for up in (True, False)
    ]
    torch.testing.assert_close(changes[0], -changes[1], rtol=0, atol=1e-6)
    torch.testing.assert_close(constants["reset_bias"], constants["reference"])


# -- responses ---------------------------------------------------------------------------------------------------------


def one_pulse(device: PulsedDevice, constants: devices.Constants, w: float, up: bool) -> float:
    return float(
        device.response(
            torch.tensor(w),
            torch.tensor(1.0 if up else -1.0),
            *device.directed(constants, up),
            *device.pulse_scalars(up),
            torch.zeros(()),
        )
    )


@pytest.mark.parametrize("device", PULSED, ids=model_name)
def test_up_is_up_and_down_is_down(device: PulsedDevice) -> None:
    device = device.with_states(20)
    constants = device.fabricate((10, 10), STREAM)
    w = (constants["w_max"] + constants["w_min"]) / 2
    for up in (True, False):
        sign = torch.tensor(1.0 if up else -1.0)
        change = device.response(w, sign, *device.directed(constants, up), *device.pulse_scalars(up), torch.zeros(()))
        assert (change * sign > 0).all()


@pytest.mark.parametrize("device", PULSED, ids=model_name)
def test_granularity_is_the_mean_step_of_a_device_at_its_middle(device: PulsedDevice) -> None:
    if isinstance(device, ExpStep):
        return  # its granularity is the down step at zero, wherever the middle is: see the next test
    flat = device.without_spread()
    constants = flat.fabricate((1, 1), STREAM)
    step = one_pulse(flat, constants, 0.0 if not isinstance(flat, PowStep) else (flat.w_max + flat.w_min) / 2, up=True)
    assert step == pytest.approx(flat.granularity, rel=1e-4)


def test_granularity_of_exponential_steps_is_the_down_step_at_zero() -> None:
    device = ExpStep(up_down=0.2, dw_min_dtod=0.0, up_down_dtod=0.0)
    step = one_pulse(device, device.fabricate((1, 1), STREAM), 0.0, up=False)
    assert device.granularity == pytest.approx(-step, rel=1e-5)


@pytest.mark.parametrize(
    "response", dict.fromkeys(device.response for device in PULSED), ids=lambda response: response.__name__
)
def test_responses_are_plain_arithmetic(response: Any) -> None:
    """What every backend relies on: no branch, no method, no name but those of the arithmetic module."""
    names = set(response.__code__.co_names)
    assert names <= {name for name in vars(arithmetic) if not name.startswith("_")}
    assert not [step.opname for step in dis.get_instructions(response) if "JUMP" in step.opname]


def test_interpolation_between_nodes() -> None:
    position = torch.tensor([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0])
    assert arithmetic.interpolate((1.0, 3.0, 2.0), position).tolist() == [1.0, 1.0, 2.0, 3.0, 2.0, 2.0]
    assert arithmetic.interpolate((1.5,), position).tolist() == [1.5] * 6


def test_linear_step_folds_its_slopes() -> None:
    kept = LinearStep(gamma_up=-0.3, gamma_up_dtod=0.0, allow_increasing=True).fabricate((2, 2), STREAM)
    folded = LinearStep(gamma_up=-0.3, gamma_up_dtod=0.0).fabricate((2, 2), STREAM)
    assert (kept["slope_up"] > 0).all()
    torch.testing.assert_close(folded["slope_up"], -kept["slope_up"])
