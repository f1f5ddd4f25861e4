"""Counters beyond their words: random numbers take 32 bits of one, pulses are counted up to 2^31 - 1."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from resbench.crossbar import kernels
from resbench.crossbar.devices import Device, OneSidedCell, SoftBounds, VectorCell
from resbench.crossbar.pulses import MOST_COUNTED, PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import UnitCellTile, make_tile

ELEMENT = SoftBounds(states=10, write_noise_std=0.5)
DEVICES: list[Device] = [
    ELEMENT,
    VectorCell(devices=(ELEMENT, ELEMENT), update_policy="single_random"),
    OneSidedCell(device=ELEMENT),
]
interpreted = pytest.mark.skipif(not kernels._triton_runs_on("cpu"), reason="Triton does not run on the CPU here")
BACKENDS = ["cpu", "events", pytest.param("cuda", marks=interpreted)]
ONCE = PulseTrain(desired_bl=1, update_bl_management=False, update_management=False)
#: Before a word of 31 or of 32 bits ends, which the second call passes, and far beyond.
LATE = [2**31 - 1, 2**32 - 1, 2**40 + 3]


def batch() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(3, 5, generator=draw), torch.randn(3, 4, generator=draw)


def updated(backend: Any, device: Device, updates: int, calls: int = 1) -> Tile:
    kernels.use(backend)
    tile = make_tile(device, (4, 5), Stream.from_seed(3))
    for array in (tile, *(tile.tiles if isinstance(tile, UnitCellTile) else ())):
        array.updates = updates
    for _ in range(calls):
        tile.update(*batch(), 0.1, PulseTrain(desired_bl=3))
    return tile


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: type(device).__name__)
@pytest.mark.parametrize("backend", BACKENDS)
def test_late_updates_get_the_pulses_of_the_reference(backend: Any, device: Device) -> None:
    for updates in LATE if device is ELEMENT else LATE[-2:]:
        tile, truth = (updated(one, device, updates, calls=2) for one in (backend, "reference"))
        assert int(truth.pulses_up.sum() + truth.pulses_down.sum()) > 10
        assert torch.equal(tile.pulses_up, truth.pulses_up)
        assert torch.equal(tile.pulses_down, truth.pulses_down)
        torch.testing.assert_close(tile.weight, truth.weight, atol=2e-6, rtol=0)
        assert tile.updates == updates + 2


def test_updates_are_numbered_by_32_bits() -> None:
    """The documented end: update 2^32 draws what update 0 drew, and its neighbour something else."""
    first, again, other = (updated("cpu", ELEMENT, updates) for updates in (0, 2**32, 1))
    assert torch.equal(first.pulses_up, again.pulses_up)
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.pulses_up, other.pulses_up)


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("backend", [*BACKENDS, "reference"])
def test_pulses_are_counted_to_the_end_of_the_counter(backend: Any, direction: float) -> None:
    kernels.use(backend)
    tile = make_tile(ELEMENT, (2, 3), Stream.from_seed(0))
    counter, other = (tile.pulses_up, tile.pulses_down) if direction > 0 else (tile.pulses_down, tile.pulses_up)
    counter[0] = MOST_COUNTED - 2
    tile.slots = MOST_COUNTED  # a pulse takes a slot
    for _ in range(2):
        tile.update(torch.ones(2, 3), -direction * torch.ones(2, 2), 1e6, ONCE)
    assert counter.tolist() == [[MOST_COUNTED] * 3, [4] * 3]
    assert not other.any()


def test_the_elements_of_a_cell_are_counted_together_to_the_end() -> None:
    tile = make_tile(VectorCell(devices=(ELEMENT, ELEMENT)), (2, 3), Stream.from_seed(0))
    assert isinstance(tile, UnitCellTile)
    tile.slots = MOST_COUNTED
    tile.tiles[0].pulses_up[0] = MOST_COUNTED
    tile.tiles[1].pulses_up[0] = 7
    tile.update(torch.ones(1, 3), -torch.ones(1, 2), 1e6, ONCE)
    assert [array.pulses_up[0, 0].item() for array in tile.tiles] == [MOST_COUNTED, 8]
    assert tile.pulses_up.tolist() == [[MOST_COUNTED] * 3, [2] * 3]
