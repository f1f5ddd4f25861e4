"""Bit length and scales of the pulse trains, rounding, and what is refused."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream

X, D = torch.tensor([[0.5, -0.2, 0.0, 0.05]]), torch.tensor([[-0.3, 0.1]])
STREAM = Stream.from_seed(0)
UNMANAGED = {"update_bl_management": False, "update_management": False}


# Values measured on aihwkit for granularity 0.001: learning rate, options, BL, scale of d, scale of x.
@pytest.mark.parametrize(
    ("lr", "options", "bl", "d_scale", "x_scale"),
    [
        (0.015, {}, 3, 2.88675, 1.73205),
        (0.015, {"update_management": False}, 3, 2.88675, 1.73205),
        (0.002, {}, 1, 1.82574, 1.09545),
        (0.3, {}, 31, 4.83871, 2.0),
        (0.3, {"desired_bl": 10}, 10, 15.0, 2.0),
        (0.015, {"update_bl_management": False}, 31, 0.89803, 0.53882),
        (0.015, UNMANAGED, 31, 0.69561, 0.69561),
        (0.95, UNMANAGED, 31, 5.53581, 5.53581),
        (0.1005, {**UNMANAGED, "fixed_bl": False}, 101, 1.0, 1.0),
        (0.2005, {"update_bl_management": False, "fixed_bl": False, "desired_bl": 10}, 201, 2.23886, 0.44666),
        (0.015, {"um_grad_scale": 0.5}, 2, 5.0, 1.5),
        (-0.015, {}, 3, 2.88675, 1.73205),
    ],
)
def test_bit_length_and_scales(lr: float, options: dict[str, Any], bl: int, d_scale: float, x_scale: float) -> None:
    found = PulseTrain(**options).scales(X, D, lr, 0.001)
    assert int(found[0]) == bl
    assert float(found[1]) == pytest.approx(x_scale, rel=1e-5)
    assert float(found[2]) == pytest.approx(d_scale, rel=1e-5)


@given(
    x=st.lists(st.floats(-2, 2, allow_subnormal=False), min_size=3, max_size=3),
    d=st.lists(st.floats(-2, 2, allow_subnormal=False), min_size=2, max_size=2),
    lr=st.floats(1e-4, 1.0),
    granularity=st.floats(1e-3, 0.5),
    managed=st.booleans(),
)
def test_expected_change_is_the_gradient_step_until_d_is_cut(
    x: list[float], d: list[float], lr: float, granularity: float, managed: bool
) -> None:
    rows, errors = torch.tensor([x]), torch.tensor([d])
    pulses = PulseTrain(update_bl_management=managed)
    bl, x_scale, d_scale = pulses.scales(rows, errors, lr, granularity)
    k = lr * float(rows.abs().max()) * float(errors.abs().max()) / granularity
    if k == 0:
        assert not managed or bl.item() == 0
    elif 1e-30 < k <= pulses.desired_bl:
        assert float(x_scale * d_scale * bl * granularity) == pytest.approx(lr, rel=1e-4)
    elif k > pulses.desired_bl:
        assert float(rows.abs().max() * x_scale) == pytest.approx(1.0, rel=1e-4)
        assert float(errors.abs().max() * d_scale) == pytest.approx(k / pulses.desired_bl, rel=1e-4)


def test_a_silent_side_has_no_train() -> None:
    for x, d in ((X * 0, D), (X, D * 0)):
        bl, x_scale, d_scale = PulseTrain().scales(x, d, 0.1, 0.001)
        assert (bl.item(), x_scale.item(), d_scale.item()) == (0, 0, 0)


def test_each_sample_has_a_train_of_its_own() -> None:
    bl, *_ = PulseTrain().scales(torch.cat([X, X / 100]), torch.cat([D, D]), 0.015, 0.001)
    assert bl.tolist() == [3, 1]


def test_thresholds_are_the_probabilities_in_32_bits() -> None:
    p = torch.tensor([[0.0, 2.0**-32, 0.25, 1.0, 3.0]])
    found = PulseTrain().thresholds(p, torch.ones(1), STREAM, 0)
    assert found.tolist() == [[0, 1, 1 << 30, 1 << 32, 1 << 32]]


def test_probabilities_are_rounded_to_bins() -> None:
    p = torch.full((4000, 1), 0.3)
    ones = torch.ones(4000)
    nearest = PulseTrain(res=0.25).thresholds(p, ones, STREAM, 0).double() / (1 << 32)
    assert nearest.unique().tolist() == [0.25]
    either = PulseTrain(res=0.25, sto_round=True).thresholds(p, ones, STREAM, 0).double() / (1 << 32)
    assert either.unique().tolist() == [0.25, 0.5]
    assert float(either.mean()) == pytest.approx(0.3, abs=4.5 * 0.1 / 4000**0.5)


def test_deterministic_counts_round_stochastically_if_asked() -> None:
    x, d = torch.full((4000, 1), 0.3), torch.ones(4000, 1)
    pulses = PulseTrain(
        pulse_type="mean_count",
        desired_bl=8,
        update_bl_management=False,
        update_management=False,
        res=0.25,
        sto_round=True,
    )
    found = torch.stack(list(pulses.counts(x, d, 1.0, 1 / 8, STREAM, 0))).flatten()
    assert found.unique().tolist() == [2, 4]
    assert float(found.mean()) == pytest.approx(2.4, abs=4.5 * 0.8 / 4000**0.5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pulse_type": "StochasticCompressed"}, "stochastic, mean_count"),
        ({"desired_bl": 0}, "1 or more"),
        ({"um_grad_scale": 0.0}, "above 0"),
        ({"x_res_implicit": 10.0}, "1/levels"),
        ({"res": -0.1}, "from 0 to 1"),
    ],
)
def test_impossible_trains_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        PulseTrain(**options)
    assert str(error.value).startswith(next(iter(options)))
