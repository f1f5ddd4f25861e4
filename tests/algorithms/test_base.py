"""The composite weight follows its tiles whoever changes them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from resbench.algorithms import Algorithm, AnalogSGD, MixedPrecision, ResidualLearning, TikiTaka
from resbench.crossbar import kernels
from resbench.crossbar.devices import Device, Drift, OneSidedCell, SoftBounds
from resbench.crossbar.randomness import Stream
from resbench.crossbar.states import NOTES
from resbench.crossbar.tile import Tile
from resbench.errors import BadValue

SHAPE = (4, 5)
RESTLESS = SoftBounds(
    states=50, w_max=1.0, w_min=-1.0, drift=Drift(nu=0.3), lifetime=10.0, diffusion=0.05, reset=0.1, reset_std=0.05
)
ALGORITHMS = {
    "one tile": AnalogSGD(),
    "hidden fast tile": TikiTaka(),
    "visible fast tile": TikiTaka(gamma=0.5),
    "three tiles": ResidualLearning(tiles=3),
}
CHAIN, PAPER = ResidualLearning(), ResidualLearning(schedule="paper")
CHANGES: dict[str, Callable[[Tile], object]] = {
    "pass_time": lambda tile: tile.pass_time(100.0),
    "reset": lambda tile: tile.reset(torch.tensor([True, False, True, True, False])),
    "clip": lambda tile: tile.clip(0.1),
    "program": lambda tile: tile.program(torch.full(SHAPE, -0.3)),
    "decay": lambda tile: tile.decay(),
    "diffuse": lambda tile: tile.diffuse(),
    "end_of_step": lambda tile: tile.end_of_step(),
    "update": lambda tile: tile.update(torch.ones(3, 5), torch.ones(3, 4), 0.1),
    "write": lambda tile: tile.write(torch.tensor([1, 2]), torch.ones(2, 4), 0.2),
    "carry": lambda tile: copy.deepcopy(tile).carry(tile, 0, 2, 0.5),
    "load_state_dict": lambda tile: tile.load_state_dict(Tile(RESTLESS, SHAPE, Stream.from_seed(9)).state_dict()),
}


@pytest.fixture(params=["cpu", "events"])
def backend(request: pytest.FixtureRequest) -> str:
    kernels.use(request.param)
    return str(request.param)


def built(name: str, device: Device = RESTLESS) -> Algorithm:
    algorithm = ALGORITHMS[name].build(SHAPE, device, Stream.from_seed(0))
    algorithm.program(torch.linspace(-0.8, 0.8, 20).reshape(SHAPE))
    for tile in algorithm.tiles:
        tile.program(torch.linspace(0.7, -0.7, 20).reshape(SHAPE))
        tile.pass_time(1.0)
    return algorithm


def held(algorithm: Algorithm) -> Tensor:
    """What the tiles hold together."""
    return sum((gamma * tile.weight for _, gamma, tile in algorithm.named_tiles()), torch.zeros(SHAPE))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_weight_follows_a_tile_that_changes_outside_of_a_step(backend: str, name: str, change: str) -> None:
    algorithm = built(name)
    shown = algorithm.weight
    for tile in algorithm.tiles:
        before = tile.weight.clone()
        CHANGES[change](tile)
        assert not torch.equal(tile.weight, before)
        torch.testing.assert_close(shown, held(algorithm))
    assert algorithm.weight.data_ptr() == shown.data_ptr()


@pytest.mark.parametrize("change", [change for change in CHANGES if change not in ("load_state_dict", "clip")])
def test_it_follows_tiles_of_unit_cells(change: str) -> None:
    algorithm = built("three tiles", OneSidedCell(device=RESTLESS))
    for tile in algorithm.tiles:
        CHANGES[change](tile)
        torch.testing.assert_close(algorithm.weight, held(algorithm))


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda original: pickle.loads(pickle.dumps(original))])
def test_a_copy_follows_its_own_tiles(twin: Callable[[Algorithm], Algorithm]) -> None:
    original = built("three tiles")
    before = original.weight.clone()
    copied = twin(original)
    copied.tiles[0].program(torch.full(SHAPE, 0.5))
    torch.testing.assert_close(copied.weight, held(copied))
    assert not torch.equal(copied.weight, before)
    assert torch.equal(original.weight, before)


def test_the_weight_follows_tiles_before_it_was_ever_programmed() -> None:
    algorithm = ALGORITHMS["three tiles"].build(SHAPE, RESTLESS, Stream.from_seed(0))
    algorithm.tiles[-1].program(torch.full(SHAPE, 0.5))
    torch.testing.assert_close(algorithm.weight, held(algorithm))


def test_a_step_composes_once_and_so_does_programming(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    algorithm = built("three tiles")
    compose = kernels.compose
    monkeypatch.setattr(kernels, "compose", lambda *arguments: calls.append(compose(*arguments)))
    algorithm.step([(torch.ones(8, 5), torch.ones(8, 4))], 0.1)
    assert len(calls) == 1
    algorithm.program(torch.zeros(SHAPE))
    assert len(calls) == 2
    torch.testing.assert_close(algorithm.weight, held(algorithm))


def test_after_a_step_that_failed_the_weight_follows_again() -> None:
    algorithm = built("three tiles")
    with pytest.raises(ValueError, match=r"d: \[8, 3\]"):
        algorithm.step([(torch.ones(8, 5), torch.ones(8, 3))], 0.1)
    algorithm.tiles[0].program(torch.full(SHAPE, 0.5))
    torch.testing.assert_close(algorithm.weight, held(algorithm))


def test_an_algorithm_needs_a_device() -> None:
    with pytest.raises(BadValue, match="device: no device; write one for all tiles, or one for each tile"):
        AnalogSGD().build(SHAPE, [], Stream.from_seed(0))


def test_an_algorithm_on_tiles_is_not_built_again() -> None:
    with pytest.raises(ValueError, match="this TikiTaka is on tiles already"):
        built("hidden fast tile").build(SHAPE, RESTLESS, Stream.from_seed(0))


@pytest.mark.parametrize(
    ("saved", "loads", "message"),
    [
        (AnalogSGD(), MixedPrecision(), "algorithm: MixedPrecision counts vectors, next_row, which the state lacks"),
        (MixedPrecision(), AnalogSGD(), "algorithm: the state counts vectors, next_row, which AnalogSGD lacks"),
        (CHAIN, PAPER, "schedule: Paper counts target, flag, switches, history, which the state lacks"),
        (PAPER, CHAIN, "schedule: the state counts target, flag, switches, history, which Schedule lacks"),
        (ResidualLearning(gamma=0.2), CHAIN, "gamma: the tiles have shares 0.125, 0.25, 0.5, 1, but the state is of"),
        (ResidualLearning(tiles=3), CHAIN, "gamma: the tiles have shares .* of shares 0.25, 0.5, 1"),
    ],
)
def test_the_state_of_another_algorithm_is_refused(saved: Algorithm, loads: Algorithm, message: str) -> None:
    state = saved.build(SHAPE, RESTLESS, Stream.from_seed(0)).state_dict()
    with pytest.raises(BadValue, match=message):
        loads.build(SHAPE, RESTLESS, Stream.from_seed(0)).load_state_dict(state)


def test_a_state_of_an_earlier_version_loads_without_notes() -> None:
    saved, loads = (CHAIN.build(SHAPE, RESTLESS, Stream.from_seed(seed)) for seed in (0, 1))
    saved.step([(torch.ones(8, 5), torch.ones(8, 4))], 0.1)
    state = {
        name: {key: part for key, part in value.items() if key not in NOTES} if isinstance(value, dict) else value
        for name, value in saved.state_dict().items()
    }
    loads.load_state_dict(state)
    assert torch.equal(loads.weight, saved.weight)
    assert loads.get_extra_state() == saved.get_extra_state()
