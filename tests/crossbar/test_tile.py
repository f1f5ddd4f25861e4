"""One array: programming, reading, writing, waiting, and its state."""

from __future__ import annotations

import dataclasses
import io
import math

import pytest
import torch

from resbench.crossbar.checks import Axis
from resbench.crossbar.devices import ConstantStep, Device, Drift, Ideal, OneSidedCell, SoftBounds
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import UnitCellTile, make_tile
from tests.crossbar.zoo import ZOO, model_name

STREAM = Stream.from_seed(0)
QUIET = {"dw_min_dtod": 0.0, "dw_min_std": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0, "up_down_dtod": 0.0}
FINE = ConstantStep(dw_min=1e-4, w_max=10, w_min=-10, **QUIET)  # type: ignore[arg-type]


def batch(out: int, columns: int, n: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, columns, generator=draw), torch.randn(n, out, generator=draw) * 0.3


def test_programming_clips_to_the_bounds_of_each_device() -> None:
    tile = Tile(SoftBounds(), (40, 30), STREAM)
    tile.program(torch.full((40, 30), 0.7))
    torch.testing.assert_close(tile.weight, tile.constants["w_max"].clamp(max=0.7))


def test_constants_that_all_devices_share_are_held_once() -> None:
    fabricated = SoftBounds(w_max_dtod=0.0).fabricate((3, 4), STREAM.child("fabrication"))
    tile = Tile(SoftBounds(w_max_dtod=0.0), (3, 4), STREAM)
    shared = {name for name, values in tile.constants.items() if values.numel() == 1}
    assert shared == {"w_max", "reset_bias"}
    for name, values in tile.constants.items():
        assert torch.equal(values.expand(3, 4), fabricated[name])
    assert sum(values.numel() for values in Tile(SoftBounds().without_spread(), (3, 4), STREAM).constants.values()) == 7


def test_constants_can_be_held_in_half_precision() -> None:
    device = SoftBounds(states=10, lifetime=5000.0, half_constants=True)
    tile, whole = (Tile(d, (30, 40), STREAM) for d in (device, dataclasses.replace(device, half_constants=False)))
    held = {name for name, values in tile.held_constants.items() if values.dtype == torch.float16}
    assert held == {"w_max", "w_min", "step_up", "step_down", "slope_up", "slope_down"}
    for name, values in tile.constants.items():
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, whole.constants[name], rtol=2**-11 if name in held else 0, atol=0)
    tile.update(*batch(30, 40), 1.0)
    tile.decay()
    assert (tile.weight >= tile.constants["w_min"]).all()
    assert (tile.weight <= tile.constants["w_max"]).all()


def test_write_noise_is_seen_but_not_stored() -> None:
    tile = Tile(SoftBounds(dw_min=0.01, write_noise_std=3.0), (100, 100), STREAM)
    tile.program(torch.zeros(100, 100))
    assert (tile.stored == 0).all()
    assert float(tile.weight.std()) == pytest.approx(0.03, rel=4.5 / 2**0.5 / 100)
    seen = tile.weight.clone()
    tile.program(torch.zeros(100, 100))
    assert not torch.equal(tile.weight, seen)
    silent = Tile(SoftBounds(dw_min=0.01, write_noise_std=3.0, apply_write_noise_on_set=False), (9, 9), STREAM)
    silent.program(torch.zeros(9, 9))
    assert (silent.weight == 0).all()


def test_read_gives_lines() -> None:
    tile = Tile(FINE, (3, 4), STREAM)
    tile.program(torch.arange(12.0).reshape(3, 4) / 2)
    assert torch.equal(tile.read(torch.tensor([1, 3])), tile.weight[:, [1, 3]].T)
    assert torch.equal(tile.read(torch.tensor([2]), "row"), tile.weight[[2]])
    assert tile.transfers_out == 3


def test_a_view_of_lines_is_a_read_of_them_that_follows_the_tile() -> None:
    tile = Tile(FINE, (3, 4), STREAM)
    columns, rows = tile.view_lines(1, 3), tile.view_lines(2, 3, "row")
    tile.program(torch.arange(12.0).reshape(3, 4) / 16)
    assert torch.equal(columns, tile.weight[:, 1:3].T)
    assert torch.equal(rows, tile.weight[2:])
    assert tile.transfers_out == 3


@pytest.mark.parametrize("axis", ["column", "row"])
@pytest.mark.parametrize("states", [None, math.inf])
def test_write_adds_to_lines_in_expectation(axis: str, states: float | None) -> None:
    device = FINE if states is None else FINE.with_states(states)
    tile = Tile(device, (6, 5), STREAM)
    values = torch.linspace(-0.4, 0.8, 6 if axis == "column" else 5)[None]
    pulses = PulseTrain(desired_bl=10**5)
    tile.write(torch.tensor([2]), values, 0.5, pulses, axis)  # type: ignore[arg-type]
    expected = torch.zeros(6, 5)
    expected.select(1 if axis == "column" else 0, 2).copy_(0.5 * values[0])
    torch.testing.assert_close(tile.weight, expected, atol=0.02, rtol=0)
    assert tile.transfers_in == 1
    assert tile.slots == pytest.approx(0 if tile.is_continuous else 0.5 * 0.8 / FINE.granularity, abs=1)


@pytest.mark.parametrize("axis", ["column", "row"])
@pytest.mark.parametrize("device", [SoftBounds(states=20), SoftBounds(), OneSidedCell(device=SoftBounds(states=20))])
def test_carrying_lines_is_reading_and_writing_them(device: Device, axis: Axis) -> None:
    def pair() -> tuple[Tile, Tile]:
        tiles = make_tile(device, (5, 4), Stream.from_seed(1)), make_tile(device, (5, 4), Stream.from_seed(2))
        tiles[0].program(torch.linspace(-0.5, 0.5, 20).reshape(5, 4))
        return tiles

    (source, target), (read, written) = pair(), pair()
    for _ in range(3):
        source.carry(target, 1, 3, 0.5, axis=axis)
        written.write(torch.arange(1, 3), read.read(torch.arange(1, 3), axis), 0.5, axis=axis)
    assert target.weight.any()
    for tile, expected in ((source, read), (target, written)):
        assert tile.get_extra_state() == expected.get_extra_state()
        assert torch.equal(tile.weight, expected.weight)
        assert torch.equal(tile.pulses_up, expected.pulses_up)


def test_ideal_device_is_the_exact_update() -> None:
    tile, (x, d) = Tile(Ideal(), (3, 4), STREAM), batch(3, 4)
    tile.update(x, d, 0.1)
    torch.testing.assert_close(tile.weight, -0.1 * d.T @ x)


def test_exact_pulses_clip_after_every_sample() -> None:
    tile = Tile(ConstantStep(w_max=0.5, w_min=-0.5, **QUIET), (1, 1), STREAM)  # type: ignore[arg-type]
    tile.update(torch.ones(2, 1), torch.tensor([[-9.0], [0.1]]), 1.0, PulseTrain(pulse_type="exact"))
    assert float(tile.weight) == pytest.approx(0.4)


def test_decay_and_diffusion_happen_once_a_step() -> None:
    device = ConstantStep(diffusion=0.02, lifetime=10, reset=0.1, w_max=9, w_min=-9, w_max_dtod=0, w_min_dtod=0)
    tile = Tile(device, (200, 200), STREAM)
    tile.program(torch.full((200, 200), 0.4))
    tile.end_of_step()
    assert float(tile.weight.mean()) == pytest.approx(0.37, abs=4.5 * 0.018 / 200)
    assert float(tile.weight.std()) == pytest.approx(0.9 * 0.02, rel=4.5 / 2**0.5 / 200)


def test_reset_of_some_columns_with_some_chance() -> None:
    tile = Tile(ConstantStep(reset=0.1, reset_std=0.0, w_max_dtod=0.0), (2000, 3), STREAM)
    tile.reset(torch.tensor([True, False, True]), 0.25)
    changed = tile.weight == 0.1
    assert not changed[:, 1].any()
    assert changed.float().mean(0)[[0, 2]].tolist() == pytest.approx([0.25, 0.25], abs=4.5 * 0.433 / 2000**0.5)


def test_clip_call() -> None:
    tile = Tile(FINE, (1, 2), STREAM)
    tile.program(torch.tensor([[-3.0, 0.5]]))
    tile.clip(1.0)
    assert tile.weight.tolist() == [[-1.0, 0.5]]
    with pytest.raises(ValueError, match="bound: -1"):
        tile.clip(-1)


def test_drift_follows_a_power_law_since_the_last_change() -> None:
    tile = Tile(SoftBounds(w_max_dtod=0.0, drift=Drift(nu=0.1, nu_dtod=0.2)), (50, 50), STREAM)
    tile.program(torch.full((50, 50), 0.2))
    tile.pass_time(100.0)
    torch.testing.assert_close(tile.weight, 0.2 * 100.0 ** -tile.constants["drift_nu"])
    tile.program(torch.full((50, 50), 0.1))
    tile.pass_time(5.0)
    assert torch.allclose(tile.weight, torch.tensor(0.1))
    tile.pass_time(50.0)
    torch.testing.assert_close(tile.weight, 0.1 * 50.0 ** -tile.constants["drift_nu"])


def test_drift_depends_on_conductance_and_chance() -> None:
    by_conductance = Drift(nu=0.05, nu_k=0.02, log_g0=math.log(0.5))
    one = torch.ones(1)
    low, high = (
        float(by_conductance.drifted(w * one, w * one, 10 * one, 0.05 * one, 0 * one, 0 * one)) / w for w in (0.1, 0.5)
    )
    assert high == pytest.approx(10**-0.05)
    assert low == pytest.approx(10 ** -(0.05 + 0.02 * math.log(5)))
    tile = Tile(dataclasses.replace(FINE, drift=Drift(nu=0.1, w_noise_std=0.01)), (200, 200), STREAM)
    tile.pass_time(1.0)
    assert float(tile.weight.std()) == pytest.approx(0.01, rel=0.02)


def test_time_does_not_touch_devices_without_drift() -> None:
    tile = Tile(FINE, (2, 2), STREAM)
    tile.program(torch.ones(2, 2))
    tile.pass_time(1e6)
    assert (tile.weight == 1).all()


@pytest.mark.parametrize("device", ZOO, ids=model_name)
def test_state_survives_a_checkpoint_of_plain_types(device: Device) -> None:
    x, d = batch(4, 3)
    tile = make_tile(device if isinstance(device, Ideal) else device.with_states(8), (4, 3), STREAM)
    tile.program(torch.full((4, 3), 0.1))
    tile.update(x, d, 0.2)
    tile.read(torch.tensor([0]))
    buffer = io.BytesIO()
    torch.save(tile.state_dict(), buffer)
    buffer.seek(0)
    copy = make_tile(tile.device, (4, 3), Stream.from_seed(0))
    copy.load_state_dict(torch.load(buffer, weights_only=True))
    for other in (tile, copy):
        other.update(x, d, 0.2)
        other.end_of_step()
    assert copy.get_extra_state() == tile.get_extra_state()
    for name, values in tile.state_dict().items():
        if isinstance(values, torch.Tensor):
            assert torch.equal(values, copy.state_dict()[name]), name


@pytest.mark.parametrize("device", ZOO, ids=model_name)
def test_streams_make_arrays_independent(device: Device) -> None:
    x, d = batch(6, 5, n=20)
    tiles = [make_tile(device, (6, 5), STREAM.child(k)) for k in (0, 0, 1)]
    for tile in tiles:
        tile.program(torch.full((6, 5), 0.05))
        tile.update(x, d, 0.1)
    assert torch.equal(tiles[0].weight, tiles[1].weight)
    assert isinstance(device, Ideal) or not torch.equal(tiles[0].weight, tiles[2].weight)


def test_a_cell_is_not_a_plain_tile() -> None:
    with pytest.raises(ValueError, match="make_tile"):
        Tile(OneSidedCell(device=SoftBounds()), (2, 2), STREAM)
    assert isinstance(make_tile(OneSidedCell(device=SoftBounds()), (2, 2), STREAM), UnitCellTile)
    assert repr(make_tile(SoftBounds(states=4), (2, 3), STREAM)) == "Tile(2 x 3, SoftBounds, 4 states)"
