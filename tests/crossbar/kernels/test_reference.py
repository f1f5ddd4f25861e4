"""Properties of the pulsed update that hold for every device, shape and pulse type, and both torch kernels."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from resbench.crossbar import kernels
from resbench.crossbar.devices import (
    ConstantStep,
    Device,
    ExpStep,
    LinearStep,
    OneSidedCell,
    PiecewiseStep,
    PowStepReference,
    SoftBounds,
    SoftBoundsReference,
    VectorCell,
)
from resbench.crossbar.pulses import PulseTrain, PulseType
from resbench.crossbar.randomness import Stream
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import make_tile

DEVICES: list[Device] = [
    ConstantStep(states=5, write_noise_std=1.0),
    LinearStep(states=8, gamma_up=0.4, gamma_down=0.7),
    SoftBounds(states=4, corrupt_devices_prob=0.2),
    SoftBoundsReference(states=6, reference_std=0.1, subtract_symmetry_point=True),
    ExpStep(states=6, dw_min_std_slope=0.2),
    SoftBoundsReference(states=6, reference_mean=0.2, w_max_dtod=0.0, reference_std=0.0),
    PowStepReference(states=6, pow_gamma=1.7, reference_std=0.1, subtract_symmetry_point=True),
    PiecewiseStep(states=9, piecewise_up=(1.0, 2.0, 0.5), piecewise_down=(0.5, 1.0, 1.0)),
    VectorCell(devices=(SoftBounds(states=4), ConstantStep(states=5)), update_policy="single_random"),
    OneSidedCell(device=SoftBounds(states=6), refresh_every=1, refresh_upper_thres=0.3, refresh_lower_thres=0.1),
]
TRAINS = [
    *(PulseTrain(pulse_type=kind) for kind in get_args(PulseType)),
    PulseTrain(desired_bl=3, update_bl_management=False, update_management=False),
    PulseTrain(res=0.2, sto_round=True, um_grad_scale=0.5),
]
FAR: dict[str, Any] = {"w_max": 1e4, "w_min": -1e4, "dw_min_std": 0.0, "dw_min_dtod": 0.0, "up_down_dtod": 0.0}
any_device = st.sampled_from(DEVICES)
any_train = st.sampled_from(TRAINS)
any_shape = st.tuples(st.integers(1, 7), st.integers(1, 6), st.integers(1, 6))
any_rate = st.sampled_from([0.01, 0.3, 3.0, -0.3])


def batch(shape: tuple[int, int, int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """X and d of n samples for an array of out x in, half of d zero as after a ReLU."""
    n, out, columns = shape
    draw = torch.Generator().manual_seed(hash((seed, shape)) % 2**31)
    live = torch.rand(n, out, generator=draw) < 0.5
    return torch.randn(n, columns, generator=draw), torch.randn(n, out, generator=draw) * live


def updated(
    backend: kernels.Backend, device: Device, x: Tensor, d: Tensor, lr: float, pulses: PulseTrain, calls: int = 2
) -> Tile:
    kernels.use(backend)
    tile = make_tile(device, (d.shape[1], x.shape[1]), Stream.from_seed(1))
    tile.program(torch.linspace(-0.3, 0.3, d.shape[1] * x.shape[1]).reshape(d.shape[1], -1))
    for _ in range(calls):
        tile.update(x, d, lr, pulses)
    return tile


def signed_counts(tile: Tile) -> Tensor:
    return tile.pulses_up - tile.pulses_down


@settings(max_examples=60)
@given(device=any_device, train=any_train, shape=any_shape, lr=any_rate)
def test_events_are_the_pulses_of_the_definition(
    device: Device, train: PulseTrain, shape: tuple[int, int, int], lr: float
) -> None:
    x, d = batch(shape)
    tile, truth = (updated(backend, device, x, d, lr, train) for backend in ("events", "reference"))
    assert torch.equal(tile.pulses_up, truth.pulses_up)
    assert torch.equal(tile.pulses_down, truth.pulses_down)
    assert tile.slots == truth.slots
    torch.testing.assert_close(tile.weight, truth.weight, atol=1e-6, rtol=0)


@given(device=any_device, train=any_train, shape=any_shape, lr=any_rate, continuous=st.booleans())
def test_weights_never_leave_the_bounds_of_their_device(
    device: Device, train: PulseTrain, shape: tuple[int, int, int], lr: float, continuous: bool
) -> None:
    x, d = batch(shape)
    tile = updated("events", device.with_states(math.inf) if continuous else device, x, d, lr, train)
    for array in getattr(tile, "tiles", [tile]):
        constants = array.constants
        low, high = constants["w_min"], constants["w_max"]
        reference = constants.get("reference", torch.zeros_like(low))
        # programming ignores the reference, pulses are clipped around it
        assert (array.stored >= torch.minimum(low, low - reference) - 1e-6).all()
        assert (array.stored <= torch.maximum(high, high - reference) + 1e-6).all()
        assert array.weight.isfinite().all()


@settings(max_examples=30)
@given(device=any_device, train=any_train, shape=any_shape, backend=st.sampled_from(["cpu", "events", "reference"]))
def test_a_silent_line_gets_no_pulse(
    device: Device, train: PulseTrain, shape: tuple[int, int, int], backend: kernels.Backend
) -> None:
    x, d = batch(shape)
    x[:, 0] = 0
    d[:, -1] = 0
    tile = updated(backend, device, x, d, 0.5, train)
    counts = tile.pulses_up + tile.pulses_down
    if not isinstance(device, OneSidedCell):  # a refresh writes wherever a cell is worn
        assert int(counts[:, 0].sum()) == 0
        assert int(counts[-1].sum()) == 0
    quiet = updated(backend, device, x * 0, d, 0.5, train)
    untouched = updated(backend, device, x, d, 0.0, train)
    if not isinstance(device, OneSidedCell):
        assert torch.equal(quiet.pulses_up, untouched.pulses_up)
        assert int(untouched.pulses_up.sum()) == 0


@given(train=any_train, shape=any_shape)
def test_a_negative_rate_turns_every_pulse(train: PulseTrain, shape: tuple[int, int, int]) -> None:
    x, d = batch(shape)
    device = ConstantStep(dw_min=0.1, **FAR)
    down, up = (updated("events", device, x, d, lr, train) for lr in (0.5, -0.5))
    assert torch.equal(down.pulses_up, up.pulses_down)
    assert torch.equal(down.pulses_down, up.pulses_up)


@pytest.mark.parametrize("managed", [True, False])
@pytest.mark.parametrize("backend", ["cpu", "events"])
def test_expected_change_is_the_gradient_step(backend: kernels.Backend, managed: bool) -> None:
    n, lr, step = 3000, 0.02, 0.01
    x, d = torch.tensor([[0.9, -0.4, 0.0, 0.1]]), torch.tensor([[0.8, -0.3, 0.0]])
    train = PulseTrain(update_bl_management=managed)
    tile = updated(backend, ConstantStep(dw_min=step, **FAR), x.repeat(n, 1), d.repeat(n, 1), lr, train, calls=1)
    expected = -lr * d.T @ x * n / step
    assert ((signed_counts(tile) - expected).abs() <= 4.5 * expected.abs() ** 0.5).all()


@settings(max_examples=20)
@given(shape=any_shape, kind=st.sampled_from(["mean_count", "deterministic_implicit", "exact"]), turn=st.randoms())
def test_samples_commute_where_steps_do_not_depend_on_the_weight(
    shape: tuple[int, int, int], kind: Any, turn: Any
) -> None:
    x, d = batch(shape)
    order = list(range(shape[0]))
    turn.shuffle(order)
    device, train = ConstantStep(dw_min=0.01, **FAR), PulseTrain(pulse_type=kind)
    forward, shuffled = (updated("events", device, *rows, 0.1, train) for rows in ((x, d), (x[order], d[order])))
    torch.testing.assert_close(forward.weight, shuffled.weight, atol=1e-4, rtol=0)


def test_samples_do_not_commute_at_a_bound() -> None:
    device = ConstantStep(dw_min=0.1, w_max=0.5, w_min=-0.5, w_max_dtod=0, dw_min_dtod=0, dw_min_std=0, up_down_dtod=0)
    train = PulseTrain(desired_bl=1, update_bl_management=False, update_management=False)
    ends = []
    for d in ([[-1.0], [1.0]], [[1.0], [-1.0]]):
        tile = make_tile(device, (1, 1), Stream.from_seed(0))
        tile.program(torch.tensor([[0.5]]))
        tile.update(torch.ones(2, 1), torch.tensor(d), 1000.0, train)
        ends.append(round(float(tile.weight), 5))
    assert ends == [0.4, 0.5]


def test_pulses_do_not_depend_on_threads_or_input_precision() -> None:
    x, d = batch((40, 30, 20))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = updated("events", DEVICES[2], x, d, 0.3, PulseTrain())
        torch.set_num_threads(2)
        two = updated("events", DEVICES[2], x, d, 0.3, PulseTrain())
    finally:
        torch.set_num_threads(threads)
    double = updated("events", DEVICES[2], x.double(), d.double(), 0.3, PulseTrain())
    for other in (two, double):
        assert torch.equal(one.weight, other.weight)
        assert torch.equal(one.pulses_up, other.pulses_up)


def test_fine_devices_approach_the_one_without_granularity() -> None:
    """The limit of many states: the noise of a pulse vanishes, the asymmetry of the device stays."""
    x, d = batch((4, 5, 6))
    limit = updated("events", SoftBounds(states=math.inf), x, d, 0.01, PulseTrain())
    train = PulseTrain(desired_bl=10**6)
    errors = [
        float((updated("cpu", SoftBounds(states=states), x, d, 0.01, train).weight - limit.weight).abs().max())
        for states in (100, 100_000)
    ]
    assert errors[1] < 0.003 < errors[0]


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="backend: 'cuda9' is unknown"):
        kernels.use("cuda9")  # type: ignore[arg-type]
