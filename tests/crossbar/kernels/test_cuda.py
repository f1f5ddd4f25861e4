"""The Triton kernels draw the pulses of the reference kernel, for all devices, trains, shapes and layouts.

On a machine without a GPU they run in Triton's interpreter, on tensors of the CPU; `tests/conftest.py` switches it on.
The interpreter takes milliseconds for an operation, hence the small sizes.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from resbench.crossbar import devices, kernels
from resbench.crossbar.changes import Changes
from resbench.crossbar.checks import Axis
from resbench.crossbar.devices import Device
from resbench.crossbar.periphery.draws import Draws
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows, Rows
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import make_tile
from resbench.errors import BadValue

pytest.importorskip("triton")
from triton.runtime import interpreter

from resbench.crossbar.kernels import cuda_apply, cuda_jobs, cuda_noise

HARDWARE = "cuda" if torch.cuda.is_available() else "cpu"
SHORT = PulseTrain(desired_bl=2)
FREE = PulseTrain(desired_bl=2, fixed_bl=False, update_bl_management=False)


@dataclasses.dataclass(frozen=True)
class HalfWay(devices.PulsedDevice):
    """A device of a user: every pulse goes half the way to the bound."""

    @property
    def response(self) -> Any:
        return half_way


def half_way(w: Tensor, sign: Tensor, step: Tensor, sigma: float, xi: Tensor) -> Tensor:
    return sign * 0.5 * (0.5 - sign * w) * (1 + sigma * xi)


@dataclasses.dataclass(frozen=True)
class Bent(devices.PulsedDevice):
    """A device of a user whose response is more than arithmetic, so that no backend can compile it."""

    @property
    def response(self) -> Any:
        return bent


def bent(w: Tensor, sign: Tensor, step: Tensor, sigma: float, xi: Tensor) -> Tensor:
    return sign * step * torch.cos(w) * (1 + sigma * xi)


DEVICES: list[Device] = [
    devices.ConstantStep(states=10),
    devices.LinearStep(states=10, write_noise_std=0.5),
    devices.SoftBoundsReference(states=10, reference_std=0.1),
    devices.SoftBoundsReference(states=10, reference_mean=0.1).without_spread(),
    devices.SoftBoundsReference(states=10, reference_std=0.1, half_constants=True),
    devices.ExpStep(states=10, dw_min_std_add=0.1),
    devices.PowStep(states=10, pow_gamma=1.7),
    devices.PiecewiseStep(states=10, piecewise_up=(1.0, 0.5, 0.2), piecewise_down=(0.3, 1.0, 0.4)),
    devices.OneSidedCell(device=devices.SoftBounds(states=10), refresh_every=0),
    devices.VectorCell(devices=(devices.SoftBounds(states=10), Bent(states=8)), update_policy="single_sequential"),
    HalfWay(states=8),
    Bent(states=8),
]


def batch(n: int, out: int, columns: int) -> tuple[Rows, Rows]:
    """X and d of n samples, a part of d zero as after a ReLU."""
    draw = torch.Generator().manual_seed(n + out + columns)
    live = torch.rand(n, out, generator=draw) < 0.6
    return Rows(torch.randn(n, columns, generator=draw)), Rows(torch.randn(n, out, generator=draw) * live)


def trained(
    backend: kernels.Backend, device: Device, x: Rows, d: Rows, lr: float, pulses: PulseTrain, calls: int = 1
) -> Tile:
    kernels.use(backend)
    tile = make_tile(device, (d.shape[1], x.shape[1]), Stream.from_seed(3))
    tile.program(torch.linspace(-0.3, 0.3, d.shape[1] * x.shape[1]).view(d.shape[1], x.shape[1]))
    if backend == "cuda":
        tile, x, d = tile.to(HARDWARE), moved(x), moved(d)
    for _ in range(calls):
        tile.update(x, d, lr, pulses)
    return tile.cpu()


def moved(rows: Rows) -> Rows:
    return rows.of(rows.source.to(HARDWARE))


def assert_same(tile: Tile, truth: Tile) -> None:
    assert torch.equal(tile.pulses_up, truth.pulses_up)
    assert torch.equal(tile.pulses_down, truth.pulses_down)
    assert tile.slots == truth.slots > 0
    torch.testing.assert_close(tile.weight, truth.weight, atol=2e-6, rtol=0)


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: type(device).__name__)
def test_every_device_gets_the_pulses_of_the_reference(device: Device) -> None:
    x, d = batch(3, 5, 7)
    tile, truth = (trained(backend, device, x, d, 0.2, SHORT) for backend in ("cuda", "reference"))
    assert_same(tile, truth)
    assert truth.pulses_up.sum() > 0
    assert (truth.pulses_up + truth.pulses_down).max() > 1


def test_what_is_plain_arithmetic_is_compiled() -> None:
    assert cuda_apply.compiled(half_way) is not None
    for response in (bent, lambda w, sign, step, sigma, xi: sign * step, Bent(states=8).with_states):
        assert cuda_apply.compiled(response) is None


@settings(max_examples=8)
@given(
    n=st.integers(1, 3),
    out=st.integers(1, 6),
    columns=st.integers(1, 6),
    lr=st.sampled_from([1e-4, 0.05, 1.0, -0.3]),
    pulses=st.sampled_from(
        [
            SHORT,
            PulseTrain(desired_bl=1, update_bl_management=False, update_management=False),
            PulseTrain(desired_bl=3, update_bl_management=False, um_grad_scale=0.5),
            PulseTrain(desired_bl=2, fixed_bl=False, update_bl_management=False, update_management=False),
        ]
    ),
)
def test_any_shape_and_train(n: int, out: int, columns: int, lr: float, pulses: PulseTrain) -> None:
    x, d = batch(n, out, columns)
    device = devices.SoftBounds(dw_min=0.2)
    assert_same(trained("cuda", device, x, d, lr, pulses), trained("reference", device, x, d, lr, pulses))


@pytest.mark.parametrize("shape", [(1, 2, 300), (130, 3, 2)])
def test_more_than_one_program(shape: tuple[int, int, int]) -> None:
    """More columns or samples than one program takes."""
    n, out, columns = shape
    x, d = torch.zeros(n, columns), torch.zeros(n, out)
    for side, lines in ((x, columns), (d, out)):
        side[:: max(n - 1, 1), :: max(lines - 1, 1)] = 1.0
        side[:: max(n - 1, 1), lines // 2] = -1.0
    device = devices.SoftBounds(dw_min=0.1)
    tile, truth = (trained(backend, device, Rows(x), Rows(d), 0.1, PulseTrain()) for backend in ("cuda", "reference"))
    assert_same(tile, truth)
    assert truth.pulses_up.sum() > 0
    assert truth.pulses_down.sum() > 0


def test_long_trains_and_too_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """More slots than a word has bits, and a mini-batch that is pulsed sample by sample."""
    x, d = Rows(torch.tensor([[0.3, -0.1], [0.3, 0.2]])), Rows(torch.tensor([[0.2, 0.0], [-0.05, 0.2]]))
    device = devices.SoftBounds(dw_min=0.01)
    monkeypatch.setattr(cuda_jobs, "room", 300)
    tile, truth = (trained(backend, device, x, d, 0.33, FREE) for backend in ("cuda", "reference"))
    assert_same(tile, truth)
    assert truth.slots == 2 * 34
    with pytest.raises(BadValue, match="too long here"):
        trained("cuda", device, x, d, 1.0, FREE)


def test_the_smallest_updates_have_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where ``ceil`` takes what is smaller than normal numbers for 0, as a GPU does."""

    def ceil(builder: Any, number: Any) -> Any:
        normal = abs(number.data) >= np.finfo(np.float32).tiny
        return builder.unary_op(number, lambda value: np.ceil(np.where(normal, value, 0 * value)))

    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_ceil", ceil)
    x, d = Rows(torch.tensor([[1e-20], [1.0], [0.0]])), Rows(torch.tensor([[1e-20], [1.0], [1.0]]))
    device = devices.SoftBounds(dw_min=0.1)
    tile, truth = (trained(backend, device, x, d, 0.1, PulseTrain()) for backend in ("cuda", "reference"))
    assert_same(tile, truth)
    assert truth.slots == 2  # one for each of the first two samples


@pytest.mark.parametrize("axis", ["column", "row"])
def test_lines_that_a_tile_does_not_have_are_not_written(axis: Axis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the host does not look at them, as on a GPU. One is 0 in its low 32 bits."""

    def load(places: Any, mask: Any, *others: Any) -> Any:
        assert (places[mask] > 1 << 16).all()  # a place near 0 would end this process
        return read(places, mask, *others)

    read = interpreter._interpreter.load
    monkeypatch.setattr(interpreter._interpreter, "load", load)
    monkeypatch.setattr("resbench.crossbar.tile.check_lines", lambda *_: None)
    kernels.use("cuda")
    tile, ones = Tile(devices.SoftBounds(states=10), (3, 3), Stream.from_seed(3)).to(HARDWARE), torch.ones(5, 3)
    lines = torch.tensor([-1, 3, 1, 1 << 32, -(1 << 62)])
    tile.write(lines.to(HARDWARE), ones.to(HARDWARE), 1.0, SHORT, axis)
    written = torch.zeros(3, 3, dtype=torch.int32)
    written[:, 1] = 2
    assert torch.equal(tile.pulses_up.cpu(), written if axis == "column" else written.t())
    assert not tile.pulses_down.any()
    assert tile.weight.count_nonzero() == 3
    assert (tile.slots, tile.transfers_in) == (2, 5)


def test_kernels_count_with_31_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large a GPU is, and where the columns of x are far apart. Nothing is computed here."""
    monkeypatch.setattr(cuda_jobs, "room", 1 << 40)
    tile, many = Tile(devices.SoftBounds(states=10), (1, 4), Stream(0)), 1 << 31
    x, d = Rows(torch.ones(1, 4).expand(many, 4)), Rows(torch.ones(1, 1).expand(many, 1))
    lines = next(cuda_jobs.jobs_of(tile, x, d, 0.1, PulseTrain(desired_bl=64), 0.1)).lines
    assert (lines.words, lines.longest) == (2, 64)
    assert 1 << 30 < lines.size * lines.longest < 1 << 31

    far = torch.empty_strided((1, 2), (1, 1 << 31), device="meta")
    assert cuda_jobs.image_of(Rows(far), (1, 1, 1)).stride(1) == 1
    near = torch.empty_strided((1, 2), (1, (1 << 31) - 1), device="meta")
    assert cuda_jobs.image_of(Rows(near), (1, 1, 1)).stride(1) == (1 << 31) - 1


@pytest.mark.parametrize(
    ("stride", "dilation", "laid_out"),
    [
        ((1, 1), (1, 1), "none"),
        ((2, 1), (1, 1), "none"),
        ((1, 2), (2, 1), "none"),
        ((2, 1), (1, 1), "patches"),
        ((2, 1), (1, 1), "maps"),
    ],
)
def test_convolutions_are_read_from_the_image(
    stride: tuple[int, int], dilation: tuple[int, int], laid_out: str
) -> None:
    draw = torch.Generator().manual_seed(0)
    x = PatchRows(torch.randn(2, 2, 5, 5, generator=draw), (3, 2), stride, dilation)
    width = x.geometry[-1]
    errors = torch.randn(2, 3, x.shape[0] // 2 // width, width, generator=draw)
    d = MapRows(errors * (torch.rand(errors.shape, generator=draw) < 0.2))
    rows = (Rows(x.dense()) if laid_out == "patches" else x, Rows(d.dense()) if laid_out == "maps" else d)
    device = devices.SoftBounds(states=4)
    tile, truth = (trained(backend, device, *rows, 0.05, SHORT) for backend in ("cuda", "reference"))
    assert_same(tile, truth)
    assert truth.pulses_up.sum() > 0


@pytest.mark.parametrize("normal", [False, True])
def test_noise_of_products_has_the_bits_of_the_cpu(normal: bool) -> None:
    rows, stream = torch.tensor([0, 7, 2**32 + 5]), Stream(2**63 + 9)
    draws, like = Draws(stream, rows, attempt=1), torch.empty(3, 6)
    truth = (draws.normal if normal else draws.centred_uniform)("output noise", like, 1)
    found = cuda_noise.row_numbers(stream.child("output noise").key, 2, 3, rows.to(HARDWARE), normal)
    assert torch.equal(found.cpu().flatten(1)[:, :6] - (0.0 if normal else 0.5), truth)


def test_composite_follows_the_touched_cells() -> None:
    kernels.use("cuda")
    device, gammas = devices.SoftBounds(states=10), (0.25, 0.5, 1.0)
    tiles = [make_tile(device, (3, 4), Stream.from_seed(seed)).to(HARDWARE) for seed in range(3)]
    composite = torch.zeros(3, 4, device=HARDWARE)
    changes = Changes()
    kernels.compose(composite, tiles, gammas, changes)
    for tile in tiles:
        x, d = (moved(rows) for rows in batch(1, 3, 4))
        tile.update(x, d, 0.1, SHORT)
        kernels.compose(composite, tiles, gammas, changes)
        whole = torch.zeros_like(composite)
        kernels.compose(whole, copy.deepcopy(tiles), gammas, Changes())
        assert torch.equal(composite, whole)
    assert composite.abs().sum() > 0


def test_the_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """What the interpreter does not show: types, arithmetic, and that shapes and counters cause no new compilation."""
    command = [sys.executable, str(Path(__file__).with_name("gpu_code.py")), "90"]
    settings = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    code = json.loads(done.stdout)
    kernels = {name: len(variants) for name, variants in code["kernels"].items()}
    pulsing = {"scales": 2, "draw_rows": 1, "draw_columns": 1, "replay": 6}
    assert kernels == {**pulsing, "sift": 6, "maxima": 1, "follow": 1, "compose": 2}
    assert not [variant for variants in code["kernels"].values() for variant in variants if variant["stack"] > 0]
    # `ceil` and `trunc` decide, so quotients are rounded as IEEE 754 has it, and products on their own.
    assert code["rounded quotients"] > 0
    assert code["approximate quotients"] == 0
    assert code["fused products"] == 0
    assert code["flushing comparisons"] == 0  # they see the numbers that `ceil` takes for 0
