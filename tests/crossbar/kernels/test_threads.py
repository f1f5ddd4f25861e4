"""Several threads give the pulses, weights and touched cells of one, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from resbench.crossbar import devices
from resbench.crossbar.changes import Changes
from resbench.crossbar.devices import Device
from resbench.crossbar.kernels import threads
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows, Rows, ScaledRows
from resbench.crossbar.tile import Tile

SPARSE, FULL = PulseTrain(), PulseTrain(update_bl_management=False)


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def convolution(images: int, size: float) -> tuple[Rows, Rows]:
    draw = torch.Generator().manual_seed(0)
    x = PatchRows(torch.rand(images, 2, 26, 26, generator=draw), (3, 3), (1, 1), (1, 1))
    return x, MapRows(size * torch.randn(images, 7, 24, 24, generator=draw))


def linear(rows: int, size: float) -> tuple[Rows, Rows]:
    draw = torch.Generator().manual_seed(0)
    signs = torch.randn(60, generator=draw).sign()
    x = ScaledRows(Rows(torch.rand(rows, 60, generator=draw)), torch.rand(rows, generator=draw), signs)
    return x, Rows(size * torch.randn(rows, 30, generator=draw))


def trained(count: int, device: Device, rows: tuple[Rows, Rows], pulses: PulseTrain) -> tuple[Tile, set[int] | None]:
    """A tile after two updates, and the cells that it noted as touched in the second, None for any."""
    torch.set_num_threads(count)
    tile = Tile(device, (rows[1].shape[1], rows[0].shape[1]), Stream.from_seed(1))
    changes = Changes().follow([tile])
    for _ in range(2):
        changes.collect()
        tile.update(*rows, 0.05, pulses)
    touched = changes.collect()
    return tile, None if touched is None else {int(cell) for cells in touched for cell in cells}


@pytest.mark.parametrize(
    ("rows", "pulses"),
    [
        (convolution(250, 3e-5), SPARSE),
        (convolution(250, 0.5), SPARSE),
        (convolution(20, 0.5), FULL),
        (linear(40_000, 1e-4), SPARSE),
        (linear(5000, 0.5), FULL),
    ],
    ids=["a few pulses", "many pulses", "full trains", "rows, a few pulses", "rows, full trains"],
)
@pytest.mark.parametrize(
    "device",
    [
        devices.SoftBounds(states=10, dw_min_std=0.3),
        devices.LinearStep(states=30, write_noise_std=0.5),
        devices.PiecewiseStep(states=30, half_constants=True),
    ],
    ids=lambda device: type(device).__name__,
)
def test_threads_change_nothing(device: Device, rows: tuple[Rows, Rows], pulses: PulseTrain) -> None:
    one, touched = trained(1, device, rows, pulses)
    assert threads.crew(3, rows[1].shape.numel(), one.numpy_views().columns) == 3
    three, touched_by_three = trained(3, device, rows, pulses)
    assert torch.equal(three.weight, one.weight)
    assert torch.equal(three.pulses_up, one.pulses_up)
    assert torch.equal(three.pulses_down, one.pulses_down)
    assert one.pulses_up.sum() > 0
    assert three.slots == one.slots
    assert touched_by_three == touched


def test_small_updates_stay_on_one_thread() -> None:
    assert threads.crew(16, errors=64 * 128, columns=500) == 1
    assert threads.crew(16, errors=10**7, columns=0) == 16
