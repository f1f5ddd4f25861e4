"""The compiled kernel draws the pulses of the reference kernel, for all devices, trains and shapes."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from resbench.crossbar import devices, kernels
from resbench.crossbar.changes import Changes
from resbench.crossbar.devices import Device
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows, Rows, ScaledRows
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import make_tile

DEVICES: list[Device] = [
    devices.ConstantStep(states=10),
    devices.LinearStep(states=30, write_noise_std=0.5),
    devices.SoftBounds(states=10, w_max=1.0, w_min=-1.0),
    devices.SoftBounds(states=100, mult_noise=False, dw_min_std=0.0),
    devices.SoftBoundsReference(states=20, reference_std=0.1),
    devices.SoftBoundsReference(states=20, reference_mean=0.1).without_spread(),
    devices.SoftBoundsReference(states=20, reference_std=0.1, half_constants=True),
    devices.ExpStep(states=20),
    devices.ExpStep(states=20, dw_min_std_add=0.1),
    devices.PowStep(states=20, pow_gamma=1.7),
    devices.PiecewiseStep(states=30, piecewise_up=(1.0, 0.5, 0.2), piecewise_down=(0.3, 1.0, 0.4)),
    devices.OneSidedCell(device=devices.SoftBounds(states=20), refresh_every=0),
]


@dataclasses.dataclass(frozen=True)
class HalfWay(devices.PulsedDevice):
    """A device of a user: every pulse goes half the way to the bound."""

    @property
    def response(self) -> Any:
        return half_way


def half_way(w: Tensor, sign: Tensor, step: Tensor, sigma: float, xi: Tensor) -> Tensor:
    return sign * 0.5 * (0.5 - sign * w) * (1 + sigma * xi)


def trained(
    backend: kernels.Backend, device: Device, rows: list[tuple[Rows, Rows]], lr: float, pulses: PulseTrain
) -> Tile:
    kernels.use(backend)
    x, d = rows[0]
    tile = make_tile(device, (d.shape[1], x.shape[1]), Stream.from_seed(3))
    tile.program(torch.linspace(-0.3, 0.3, d.shape[1] * x.shape[1]).view(d.shape[1], x.shape[1]))
    for x, d in rows:
        tile.update(x, d, lr, pulses)
    return tile


def assert_same(tile: Tile, truth: Tile) -> None:
    assert torch.equal(tile.pulses_up, truth.pulses_up)
    assert torch.equal(tile.pulses_down, truth.pulses_down)
    assert tile.slots == truth.slots > 0
    torch.testing.assert_close(tile.weight, truth.weight, atol=2e-6, rtol=0)


def linear_rows(n: int, out: int, columns: int, calls: int = 2) -> list[tuple[Rows, Rows]]:
    draw = torch.Generator().manual_seed(n + out + columns)
    sparse = torch.rand(calls, n, out, generator=draw) < 0.6
    return [
        (Rows(torch.randn(n, columns, generator=draw)), Rows(torch.randn(n, out, generator=draw) * sparse[call]))
        for call in range(calls)
    ]


@pytest.mark.parametrize("device", [*DEVICES, HalfWay(states=8)], ids=lambda device: type(device).__name__)
def test_every_device_gets_the_pulses_of_the_reference(device: Device) -> None:
    rows = linear_rows(6, 5, 7)
    tile, truth = (trained(backend, device, rows, 0.2, PulseTrain()) for backend in ("cpu", "reference"))
    assert_same(tile, truth)
    assert truth.pulses_up.sum() > 0


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 9),
    out=st.integers(1, 9),
    columns=st.integers(1, 9),
    lr=st.sampled_from([1e-4, 0.01, 0.3, 5.0, -0.3]),
    pulses=st.sampled_from(
        [
            PulseTrain(),
            PulseTrain(desired_bl=1, update_bl_management=False, update_management=False),
            PulseTrain(desired_bl=40, update_bl_management=False, um_grad_scale=0.5),
            PulseTrain(desired_bl=5, fixed_bl=False, update_bl_management=False, update_management=False),
        ]
    ),
)
def test_any_shape_and_train(n: int, out: int, columns: int, lr: float, pulses: PulseTrain) -> None:
    rows = linear_rows(n, out, columns)
    device = devices.SoftBounds(states=10)
    assert_same(trained("cpu", device, rows, lr, pulses), trained("reference", device, rows, lr, pulses))


@pytest.mark.parametrize(("stride", "dilation"), [((1, 1), (1, 1)), ((2, 1), (1, 1)), ((1, 2), (2, 1))])
def test_convolutions_are_read_from_the_image(stride: tuple[int, int], dilation: tuple[int, int]) -> None:
    draw = torch.Generator().manual_seed(0)
    x = PatchRows(torch.randn(3, 2, 8, 9, generator=draw), (3, 2), stride, dilation)
    width = x.geometry[-1]
    d = MapRows(torch.randn(3, 5, x.shape[0] // 3 // width, width, generator=draw))
    device = devices.SoftBounds(states=10)
    assert_same(
        trained("cpu", device, [(x, d)], 0.1, PulseTrain()), trained("reference", device, [(x, d)], 0.1, PulseTrain())
    )


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: type(device).__name__)
def test_many_pulses_give_the_weights_of_a_few_at_a_time(device: Device) -> None:
    """Where many columns fire, all devices of a row step at once: the same bits as one device after the other."""
    draw = torch.Generator().manual_seed(1)
    x = PatchRows(torch.rand(3, 2, 8, 8, generator=draw) - 0.2, (3, 3), (1, 1), (1, 1))
    d = MapRows(torch.randn(3, 5, 6, 6, generator=draw))
    signs = torch.tensor([1.0, -1.0]).repeat(9)
    tile, truth = (
        trained(backend, device, [(ScaledRows(x, signs=signs), d)] * 2, 3.0, PulseTrain())
        for backend in ("cpu", "events")
    )
    assert truth.pulses_up.sum() + truth.pulses_down.sum() > 100 * truth.pulses_up.numel()
    assert torch.equal(tile.pulses_up, truth.pulses_up)
    assert torch.equal(tile.pulses_down, truth.pulses_down)
    torch.testing.assert_close(tile.weight, truth.weight, atol=2e-5, rtol=0)


def test_composite_follows_the_touched_cells() -> None:
    kernels.use("cpu")
    tiles = [make_tile(DEVICES[2], (6, 5), Stream.from_seed(seed)) for seed in range(3)]
    composite, gammas = torch.zeros(6, 5), (0.25, 0.5, 1.0)
    changes = Changes()
    kernels.compose(composite, tiles, gammas, changes)
    for (x, d), tile in zip(linear_rows(4, 6, 5, calls=3), tiles, strict=True):
        tile.update(x, d, 0.1)
        kernels.compose(composite, tiles, gammas, changes)
        whole = torch.zeros(6, 5)
        kernels.compose(whole, copy.deepcopy(tiles), gammas, Changes())
        assert torch.equal(composite, whole)
    assert composite.abs().sum() > 0
