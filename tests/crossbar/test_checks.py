"""What does not fit a tile is refused before anything changes, and rows of every precision give the same pulses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from resbench.crossbar import kernels
from resbench.crossbar.devices import Device, Ideal, OneSidedCell, SoftBounds, VectorCell
from resbench.crossbar.kernels import Backend
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows, Rows, ScaledRows
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import make_tile

OUT, IN = 5, 7
ELEMENT = SoftBounds(states=100)
DEVICES: list[Device] = [
    ELEMENT,
    Ideal(),
    ELEMENT.with_states(float("inf")),
    OneSidedCell(device=ELEMENT),
    VectorCell(devices=(ELEMENT, ELEMENT)),
]


@pytest.fixture(params=["cpu", "events"])
def backend(request: pytest.FixtureRequest) -> Backend:
    kernels.use(request.param)
    chosen: Backend = request.param
    return chosen


TILES = [("cpu", device) for device in DEVICES] + [("events", ELEMENT), ("reference", ELEMENT)]


@pytest.fixture(params=TILES, ids=lambda pair: f"{pair[0]}-{type(pair[1]).__name__}")
def tile(request: pytest.FixtureRequest) -> Tile:
    kernels.use(request.param[0])
    made = make_tile(request.param[1], (OUT, IN), Stream.from_seed(0))
    made.program(torch.full((OUT, IN), 0.1))
    return made


def ones(*shape: int, **options: Any) -> Tensor:
    return torch.ones(shape, **options)


def lines(*numbers: int, **options: Any) -> Tensor:
    return torch.tensor(numbers, **options)


MISFITS: dict[str, tuple[Callable[[Tile], object], str]] = {
    "x too wide": (lambda t: t.update(ones(5, 64), ones(5, OUT), 0.1), r"x: \[5, 64\] does not fit .* write \[n, 7\]"),
    "x of one row": (lambda t: t.update(ones(IN), ones(1, OUT), 0.1), r"x: \[7\] does not fit"),
    "x and d change places": (lambda t: t.update(ones(2, OUT), ones(2, IN), 0.1), r"x: \[2, 5\] does not fit"),
    "d too wide": (lambda t: t.update(ones(5, IN), ones(5, OUT + 1), 0.1), r"d: \[5, 6\] does not fit"),
    "fewer d than x": (lambda t: t.update(ones(5, IN), ones(4, OUT), 0.1), "x, d: they have 5 and 4 rows"),
    "another device": (lambda t: t.update(ones(1, IN, device="meta"), ones(1, OUT), 0.1), "x: it is on meta"),
    "complex": (lambda t: t.update(ones(1, IN), ones(1, OUT, dtype=torch.complex64), 0.1), "d: torch.complex64 is no"),
    "transposed values": (lambda t: t.write(torch.arange(IN), ones(OUT, IN), 0.1), r"values: \[5, 7\] for 7 columns"),
    "transposed rows": (
        lambda t: t.write(torch.arange(OUT), ones(IN, OUT), 0.1, axis="row"),
        "for 5 rows",
    ),
    "too many values": (lambda t: t.write(lines(0), ones(2, OUT), 0.1), r"values: \[2, 5\] for 1 columns"),
    "one value": (lambda t: t.write(lines(0), ones(OUT), 0.1), r"values: \[5\] for 1 columns"),
    "a line beyond": (lambda t: t.write(lines(IN), ones(1, OUT), 0.1), "lines: 7 to 7, the tile has columns 0 to 6"),
    "a line before": (lambda t: t.write(lines(-1), ones(1, OUT), 0.1), "lines: -1 to -1"),
    "a row beyond": (lambda t: t.write(lines(OUT), ones(1, IN), 0.1, axis="row"), "the tile has rows 0 to 4"),
    "lines as a mask": (lambda t: t.write(ones(IN) > 0, ones(IN, OUT), 0.1), r"lines: \[7\] of torch.bool"),
    "a misspelt axis": (lambda t: t.write(lines(0), ones(1, OUT), 0.1, axis="col"), "axis: 'col'"),  # type: ignore[arg-type]
    "a read beyond": (lambda t: t.read(lines(0, IN)), "lines: 0 to 7"),
    "a read before": (lambda t: t.read(lines(-1), "row"), "lines: -1 to -1"),
    "a read of floats": (lambda t: t.read(ones(2)), r"lines: \[2\] of torch.float32"),
    "a view beyond": (lambda t: t.view_lines(3, IN + 1), "first, last: 3 to 7"),
    "a carry beyond": (lambda t: t.carry(t, 3, IN + 1, 0.1), "first, last: 3 to 7"),
    "a carry before": (lambda t: t.carry(t, -1, 2, 0.1), "first, last: -1 to 1"),
    "a carry of nothing": (lambda t: t.carry(t, 2, 2, 0.1), "first, last: 2 to 1"),
    "a carry elsewhere": (lambda t: t.carry(Tile(ELEMENT, (IN, OUT), t.stream), 0, 1, 0.1), r"target: a tile \[7, 5\]"),
    "a row as weight": (lambda t: t.program(ones(IN)), r"weight: \[7\] does not fit a tile \[5, 7\]"),
    "a transposed weight": (lambda t: t.program(ones(IN, OUT)), r"weight: \[7, 5\] does not fit"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_is_refused_and_changes_nothing(tile: Tile, misfit: str) -> None:
    before = {name: value.clone() for name, value in tile.state_dict().items() if isinstance(value, Tensor)}
    counters = tile.get_extra_state()
    call, message = MISFITS[misfit]
    with pytest.raises(ValueError, match=message):
        call(tile)
    assert all(torch.equal(tile.state_dict()[name], value) for name, value in before.items())
    assert tile.get_extra_state() == counters


def convolution() -> tuple[Rows, Rows]:
    """Rows of a convolution of two images whose patches are a tile's columns wide, a factor for each."""
    draw = torch.Generator().manual_seed(0)
    image, maps = torch.randn(2, 1, 3, 10, generator=draw), torch.randn(2, OUT, 3, 4, generator=draw)
    patches = PatchRows(image, (1, IN), (1, 1), (1, 1))
    factors, signs = 1.0 + torch.rand(24, generator=draw), torch.tensor([1.0, -1.0] * 3 + [1.0])
    return ScaledRows(patches, factors, signs), MapRows(maps)


def matrices() -> tuple[Rows, Rows]:
    draw = torch.Generator().manual_seed(0)
    return Rows(torch.randn(24, IN, generator=draw)), Rows(torch.randn(24, OUT, generator=draw))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64])
@pytest.mark.parametrize("rows", [matrices, convolution])
def test_rows_of_every_precision_are_cast(
    backend: Backend, dtype: torch.dtype, rows: Callable[[], tuple[Rows, Rows]]
) -> None:
    """Values are rounded to the narrower type first, so that both tiles are asked for the same."""
    given, single = Tile(ELEMENT, (OUT, IN), Stream.from_seed(1)), Tile(ELEMENT, (OUT, IN), Stream.from_seed(1))
    narrow = [(Rows(3 * side.source) if type(side) is Rows else side).cast(dtype) for side in rows()]
    wide = [side.cast(torch.float32) for side in narrow]
    given.update(narrow[0], narrow[1], 0.1)
    single.update(wide[0], wide[1], 0.1)
    assert int(single.pulses_up.sum() + single.pulses_down.sum()) > 20
    assert torch.equal(given.pulses_up, single.pulses_up)
    assert torch.equal(given.pulses_down, single.pulses_down)
    assert torch.equal(given.weight, single.weight)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_written_values_of_every_precision_are_cast(tile: Tile, dtype: torch.dtype) -> None:
    twin = make_tile(tile.device, (OUT, IN), Stream.from_seed(0))
    twin.program(torch.full((OUT, IN), 0.1))
    values = torch.linspace(-0.5, 0.5, 2 * OUT).reshape(2, OUT).to(dtype)
    for written, dtype_ in ((tile, dtype), (twin, torch.float32)):
        written.write(lines(1, 4), values.to(dtype_), 0.5)
    assert torch.equal(tile.weight, twin.weight)
    assert not torch.equal(tile.weight, torch.full((OUT, IN), 0.1))


def test_rows_of_autograd_train_without_it(tile: Tile) -> None:
    x, d = (rows.dense().requires_grad_() for rows in matrices())
    tile.update(x, d, 0.1)
    tile.update(Rows(x), Rows(d), 0.1)
    assert not tile.weight.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("pulses", [PulseTrain(), PulseTrain(pulse_type="exact")])
def test_weights_are_not_held_in_half_precision(tile: Tile, dtype: torch.dtype, pulses: PulseTrain) -> None:
    with pytest.raises(TypeError, match=f"precision: tiles in {dtype} would lose the steps of their devices"):
        tile.to(dtype)
    assert tile.weight.dtype == torch.float32
    tile.update(*matrices(), 0.1, pulses)  # and it is as good as before


def test_weights_in_double_precision_train(tile: Tile) -> None:
    twin = make_tile(tile.device, (OUT, IN), Stream.from_seed(0)).double()
    twin.program(torch.full((OUT, IN), 0.1))
    for trained in (tile, twin):
        trained.update(*matrices(), 0.1)
        trained.write(lines(2), ones(1, OUT), 0.1)
        trained.end_of_step()
    assert twin.weight.dtype == torch.float64
    torch.testing.assert_close(tile.weight, twin.weight.float(), atol=1e-5, rtol=1e-5)


def test_a_tile_is_not_made_in_half_precision() -> None:
    torch.set_default_dtype(torch.bfloat16)
    try:
        with pytest.raises(TypeError, match=r"precision: tiles in torch.bfloat16"):
            Tile(ELEMENT, (OUT, IN), Stream.from_seed(0))
    finally:
        torch.set_default_dtype(torch.float32)
