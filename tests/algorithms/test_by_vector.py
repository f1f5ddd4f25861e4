"""Transfers inside a mini-batch in one compiled call: every bit is that of the loop."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from resbench.algorithms import AGAD, Algorithm, ChoppedTikiTaka, ResidualLearning, TikiTaka, TikiTakaV2
from resbench.algorithms.chain import TileChain
from resbench.algorithms.schedules import VECTORS_AT_ONCE
from resbench.crossbar.devices import Device, ExpStep, LinearStep, OneSidedCell, SoftBounds
from resbench.crossbar.periphery import IOParameters
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows

DEVICE = SoftBounds(states=20)
SHAPE = (5, 9)
ROWS: dict[str, Any] = {"transfer_columns": False}
KEEPING: dict[str, Any] = {"momentum": 0.9, "forget_buffer": False}


def built(kind: type[TileChain], devices: Device | list[Device], looped: bool, **arguments: Any) -> TileChain:
    """An algorithm whose periods count vectors; ``looped`` has no compiled call."""
    if looped:  # a name of its own: short names of algorithms in configs must stay unique in this process
        kind = type(f"Looped{kind.__name__}", (kind,), {"inner_tiles": lambda self, batch: 0})
    make: Callable[..., TileChain] = kind
    algorithm = make(**{"units_in_mbatch": False, "transfer_every": 1.0} | arguments).build(
        SHAPE, devices, Stream.from_seed(3)
    )
    algorithm.program(0.2 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)))
    return algorithm


def trained(algorithm: Algorithm, steps: int, batch: int) -> dict[str, Any]:
    """The state after some steps; some vectors, the first among them, have no error; some steps are a convolution's."""
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        if step % 4 == 3:
            image, maps = torch.randn(2, 1, 6, 6, generator=generator), torch.randn(2, 5, 4, 4, generator=generator)
            x: Any = PatchRows(image, (3, 3), (1, 1), (1, 1))
            d: Any = MapRows(0.3 * maps)
        else:
            x, d = torch.randn(batch, 9, generator=generator), 0.3 * torch.randn(batch, 5, generator=generator)
            d[torch.rand(batch, generator=generator) < 0.2] = 0.0
            if step == 0:
                d[0] = 0.0
        algorithm.step([(x, d)], 0.1)
    return {**algorithm.state_dict(), "weight": algorithm.weight}


def is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_equal(one[key], other[key]) for key in one)
    return torch.equal(one, other) if isinstance(one, Tensor) else bool(one == other)


def check(
    kind: type[TileChain],
    devices: Device | list[Device],
    steps: int = 40,
    batch: int = 6,
    inner: int | None = None,
    **arguments: Any,
) -> None:
    """The compiled call is taken for all tiles or ``inner``, transfers something, and ends in the state of the loop."""
    quick, looped = (built(kind, devices, looped, **arguments) for looped in (False, True))
    assert quick.inner_tiles(batch) == (inner or len(quick.tiles))
    states = [trained(algorithm, steps, batch) for algorithm in (quick, looped)]
    assert quick.tiles[1].transfers_in > 0
    assert [key for key in states[0] if not is_equal(states[0][key], states[1][key])] == []


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"random_selection": True},
        {"n_reads_per_transfer": 4, "transfer_every": 2.0},
        {"n_reads_per_transfer": None, "gamma": 0.5},
        {"tiles": 3, "transfer_every": [2.0, 3.0, 1.0], "gamma": 0.5},
    ],
)
@pytest.mark.parametrize("over", [{}, ROWS])
@pytest.mark.parametrize("kind", [TikiTaka, TikiTakaV2])
def test_direct_and_buffered_transfers_are_those_of_the_loop(
    kind: type[TileChain], arguments: dict[str, Any], over: dict[str, Any]
) -> None:
    check(kind, DEVICE, **arguments, **over)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"in_chop_random": False, **KEEPING},
        {"in_chop_prob": 0.3, "out_chop_prob": 0.4},
        {"in_chop_prob": 0.0, "auto_granularity": 5.0},
        {"n_reads_per_transfer": 4, "transfer_every": 4.0, "fast_lr": None},
        {"no_buffer": True, "buffer_granularity": 0.1},
        {"correct_gradient_magnitudes": True},
        {"correct_gradient_magnitudes": True, "auto_scale": False},
    ],
)
@pytest.mark.parametrize("over", [{}, ROWS])
def test_chopped_transfers_are_those_of_the_loop(arguments: dict[str, Any], over: dict[str, Any]) -> None:
    check(ChoppedTikiTaka, DEVICE, **arguments, **over)


@pytest.mark.parametrize(
    "arguments", [{}, {"transfer_every": 2.0}, {"in_chop_random": True, "buffer_cap": 0.3, **KEEPING}]
)
@pytest.mark.parametrize("over", [{}, ROWS])
def test_dynamic_references_are_those_of_the_loop(arguments: dict[str, Any], over: dict[str, Any]) -> None:
    check(AGAD, DEVICE, steps=80, in_chop_prob=0.5, **arguments, **over)


def test_longer_chains_and_other_devices_are_those_of_the_loop() -> None:
    check(ResidualLearning, DEVICE, tiles=4, transfer_every=2.0)
    other = ExpStep(dw_min=0.05)
    check(TikiTakaV2, [DEVICE, DEVICE, DEVICE, other], inner=3, tiles=4, transfer_every=[2.0, 3.0, 4.0, 1.0], gamma=0.5)
    check(TikiTakaV2, [LinearStep(dw_min=0.05), SoftBounds(states=20, write_noise_std=0.5)], gamma=0.5)


def test_a_long_mini_batch_comes_in_pieces() -> None:
    check(TikiTaka, DEVICE, steps=2, batch=VECTORS_AT_ONCE + 100, transfer_every=3.0)


@pytest.mark.parametrize(
    ("devices", "arguments"),
    [
        (OneSidedCell(device=DEVICE), {}),
        ([DEVICE, SoftBounds(states=float("inf"))], {}),
        ([SoftBounds(states=float("inf")), DEVICE], {}),
        (DEVICE, {"transfer_io": IOParameters()}),
        (DEVICE, {"order": "gpu"}),
        (DEVICE, {"with_reset_prob": 0.5}),
        (DEVICE, {"transfer_every": 8.0}),
    ],
)
def test_the_loop_does_what_the_compiled_call_does_not(
    devices: Device | list[Device], arguments: dict[str, Any]
) -> None:
    algorithm = built(TikiTaka, devices, looped=False, **arguments)
    assert algorithm.inner_tiles(8) == 0
    trained(algorithm, steps=2, batch=8)
    assert algorithm.tiles[1].transfers_in > 0


def test_a_class_that_transfers_in_its_own_way_is_not_passed_over() -> None:
    class Own(TikiTaka):
        def transfer(self, source: int, target: int | None, lr: float) -> None:
            """Transfer nothing."""

    assert built(Own, DEVICE, looped=False).inner_tiles(8) == 0


def test_running_means_that_a_gpu_has_changed_last_are_read_first() -> None:
    moved, stayed = (built(ChoppedTikiTaka, DEVICE, looped=False) for _ in range(2))
    for algorithm in (moved, stayed):
        trained(algorithm, 5, 6)
    channel: Any = moved.channel
    channel.late = torch.tensor([channel.largest_x, channel.largest_d, channel.last_rate], dtype=torch.float64)
    channel.largest_x = channel.largest_d = channel.last_rate = 0.0

    assert is_equal(trained(moved, 5, 6), trained(stayed, 5, 6))
