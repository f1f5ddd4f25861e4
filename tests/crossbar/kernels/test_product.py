"""The compiled analog product: bit for bit that of torch where sums are exact, and a fixed order of sums elsewhere."""

import dataclasses
import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from resbench.crossbar import kernels
from resbench.crossbar.periphery import IOParameters, Periphery
from resbench.crossbar.periphery.parameters import GradientMask, NoiseManagement
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows
from resbench.errors import BadValue

STREAM = Stream.from_seed(3)
BACKENDS: tuple[kernels.Backend, ...] = ("cpu", "reference")
#: Multiples of 1/8, and converters on grids of powers of two: sums of products are exact, in whatever order.
WEIGHT, ROWS, ERRORS = (
    torch.round(STREAM.child(name).uniform(shape) * 16 - 8) / 8
    for name, shape in (("w", (21, 18)), ("x", (37, 18)), ("d", (37, 21)))
)
ROWS[5], ERRORS[7] = 0.0, 0.0
GRID = IOParameters(inp_res=1 / 128, out_res=1 / 512, out_bound=2.0)
#: Rows of these have no order of summation: each output sees one input.
SINGLE = torch.zeros(21, 18).scatter_(1, torch.arange(21)[:, None] % 18, WEIGHT[:, :1])


def results(
    io: IOParameters, weight: Tensor, backend: kernels.Backend, first_row: int = 0
) -> list[Tensor | list[int] | None]:
    """All that a periphery gives, twice, so that the second time continues the rows and the running mean."""
    kernels.use(backend)
    periphery = Periphery((21, 18), io, io, STREAM)
    periphery.rows = dict.fromkeys(periphery.rows, first_row)
    found: list[Tensor | list[int] | None] = []
    for rows in (ROWS, ROWS[:20]):
        found += periphery.multiply(weight, rows)
        found.append(periphery.backward(weight, ERRORS[: len(rows)]))
        found.append(periphery.read_columns(weight, torch.tensor([3, 0, 17])))
        found.append(periphery.read_rows(weight, torch.tensor([20, 20])))
        found += periphery.eval().multiply(weight, rows)
        periphery.train()
    return [*found, periphery.running, list(periphery.rows.values())]


def assert_same(io: IOParameters, weight: Tensor, first_row: int = 0) -> None:
    compiled, plain = (results(io, weight, backend, first_row) for backend in BACKENDS)
    for one, other in zip(compiled, plain, strict=True):
        if isinstance(one, Tensor) and other is None:
            assert not one.any()
        elif isinstance(other, Tensor) and one is None:
            assert not other.any()
        elif isinstance(one, Tensor) and isinstance(other, Tensor):
            assert torch.equal(one, other)
        else:
            assert one == other


@given(
    noise_management=st.sampled_from(["none", "abs_max", "max", "constant", "abs_max_np_sum", "average_abs_max"]),
    nm_thres=st.sampled_from([0.0, 0.5]),
    bound_management=st.sampled_from(["none", "iterative"]),
    out_bound=st.sampled_from([0.0, 0.5, 2.0, 16.0]),
    inp_res=st.sampled_from([1 / 128, 1 / 16]),
    out_res=st.sampled_from([0.0, 1 / 512]),
    bm_test_negative_bound=st.booleans(),
    max_bm_factor=st.sampled_from([3.0, 1000.0]),
    out_scale=st.sampled_from([1.0, 2.5]),
    out_noise=st.sampled_from([0.0, 0.06]),
    out_noise_std=st.sampled_from([0.0, 0.5]),
    w_noise_type=st.sampled_from(["none", "additive_constant", "pcm_read"]),
    inp_sto_round=st.booleans(),
    out_sto_round=st.booleans(),
    out_asymmetry=st.sampled_from([0.0, 0.25]),
    inp_asymmetry=st.sampled_from([0.0, 0.25]),
    grad_mask=st.sampled_from(get_args(GradientMask)),
    noise_in_evaluation=st.booleans(),
)
def test_the_kernel_gives_the_bits_of_torch(**fields: Any) -> None:
    assert_same(dataclasses.replace(GRID, w_noise=0.03125, **fields), WEIGHT)


@given(
    inp_noise=st.sampled_from([0.0, 0.05]),
    inp_bound=st.sampled_from([0.0, 0.75, 1.0]),
    inp_res=st.sampled_from([0.0, 1 / 126]),
    noise_management=st.sampled_from(["none", "abs_max"]),
)
def test_inputs_between_the_levels_too(noise_management: Any, inp_bound: float, **fields: Any) -> None:
    bound = inp_bound if noise_management == "none" else 1.0
    io = dataclasses.replace(GRID, noise_management=noise_management, inp_bound=bound, **fields)
    assert_same(io, SINGLE)


@pytest.mark.parametrize("kind", get_args(NoiseManagement))
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_kernel_has_the_bits_of_torch_for_rows_that_are_not_finite(kind: NoiseManagement, value: float) -> None:
    rows, errors = ROWS.clone(), ERRORS.clone()
    rows[3, 2] = rows[20, 0] = errors[6, 1] = value
    io, found = dataclasses.replace(GRID, noise_management=kind), []
    for backend in BACKENDS:
        kernels.use(backend)
        array = Periphery((21, 18), io, io, STREAM)
        found.append((array(WEIGHT, rows), array.backward(WEIGHT, errors), array.running))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_a_row_keeps_its_number_beyond_32_bits() -> None:
    assert_same(GRID, WEIGHT, first_row=2**32 - 11)


def test_sums_run_from_the_first_input_to_the_last() -> None:
    weight, rows = STREAM.child("w").normal((21, 18)), STREAM.child("x").normal((37, 18))
    io = IOParameters(out_noise=0.0, inp_res=0.0, out_res=0.0, inp_bound=0.0, out_bound=0.0, noise_management="none")
    sums = np.zeros((37, 21), np.float32)
    for k in range(18):
        sums += rows[:, k : k + 1].numpy() * weight[:, k].numpy()
    assert np.array_equal(Periphery((21, 18), io, io, STREAM)(weight, rows).numpy(), sums)


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_have_their_bits_however_they_are_batched_and_shared(threads: int) -> None:
    weight, rows = STREAM.child("w").normal((70, 300)), STREAM.child("x").normal((500, 300))
    io = IOParameters(out_bound=2.0)
    whole, parts = (Periphery((70, 300), io, io, STREAM) for _ in range(2))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        y, mask = whole.multiply(weight, rows)
        gradient = whole.backward(weight, y)
    finally:
        torch.set_num_threads(before)
    pieces = [parts.multiply(weight, piece) for piece in rows.split(23)]
    assert torch.equal(y, torch.cat([piece for piece, _ in pieces]))
    assert torch.equal(gradient, torch.cat([parts.backward(weight, piece) for piece in y.split(40)]))
    assert mask is None or torch.equal(mask, torch.cat([m if m is not None else p > torch.inf for p, m in pieces]))


GEOMETRIES = {
    "whole registers": ((3, 4, 12, 12), (5, 5), (1, 1), (1, 1)),
    "odd rows": ((2, 3, 9, 8), (3, 2), (1, 1), (1, 1)),
    "strides and dilation": ((3, 2, 11, 13), (2, 3), (2, 3), (3, 2)),
    "one position": ((5, 2, 3, 3), (3, 3), (1, 1), (1, 1)),
}


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("threads", [1, 3])
def test_patches_stay_in_their_image(geometry: tuple[Any, ...], threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward as if the patches were laid out, backward as if ``fold`` had added them up, to the last bit."""
    from resbench.crossbar.kernels import product

    monkeypatch.setattr(product, "SHARE", 1.0)  # so that these share the work too
    shape, kernel, stride, dilation = geometry
    patches = PatchRows(STREAM.child("image").normal(shape), kernel, stride, dilation)
    rows, lines = patches.shape
    weight, io = 0.3 * STREAM.child("w").normal((19, lines)), IOParameters(out_bound=1.0, bound_management="none")
    images, laid_out = (Periphery((19, lines), io, IOParameters(), STREAM) for _ in range(2))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        maps, mask = images.multiply(weight, patches)
        gradient = images.backward(weight, MapRows(maps), patches)
    finally:
        torch.set_num_threads(before)
    y, row_mask = laid_out.multiply(weight, patches.dense())
    assert mask is not None
    assert row_mask is not None
    assert torch.equal(MapRows(maps).dense(), y)
    assert torch.equal(MapRows(mask).dense(), row_mask)
    columns = laid_out.backward(weight, y).view(shape[0], rows // shape[0], lines).transpose(1, 2)
    folded = functional.fold(columns, shape[2:], kernel, dilation=dilation, stride=stride)
    assert torch.equal(gradient, folded)


def test_patches_without_the_kernel() -> None:
    """Double precision has no kernel; results come in the same shapes."""
    patches = PatchRows(STREAM.child("image").normal((2, 3, 6, 5)).double(), (2, 3), (1, 1), (1, 1))
    weight = 0.1 * STREAM.child("w").normal((4, 18)).double()
    io = IOParameters(out_noise=0.0, inp_res=0.0, out_res=0.0)
    plain = Periphery((4, 18), io, io, STREAM)
    maps, _ = plain.multiply(weight, patches)
    torch.testing.assert_close(maps, functional.conv2d(patches.source, weight.view(4, 3, 2, 3)))
    gradient = plain.backward(weight, MapRows(maps), patches)
    torch.testing.assert_close(gradient, functional.conv_transpose2d(maps, weight.view(4, 3, 2, 3)))


def test_images_of_another_layout_and_no_rows() -> None:
    patches = PatchRows(STREAM.child("image").normal((2, 3, 6, 5)), (2, 3), (1, 1), (1, 1))
    last = PatchRows(patches.source.to(memory_format=torch.channels_last), (2, 3), (1, 1), (1, 1))
    weight, none = STREAM.child("w").normal((4, 18)), PatchRows(torch.zeros(0, 3, 6, 5), (2, 3), (1, 1), (1, 1))
    one, other = (Periphery((4, 18), GRID, GRID, STREAM) for _ in range(2))
    assert torch.equal(one.multiply(weight, patches)[0], other.multiply(weight, last)[0])
    assert one.multiply(weight, none)[0].shape == (0, 4, 5, 3)
    assert one.backward(weight, MapRows(torch.zeros(0, 4, 5, 3)), none).shape == (0, 3, 6, 5)


def test_weights_and_lines_of_another_layout() -> None:
    one, other = (Periphery((21, 18), GRID, GRID, STREAM) for _ in range(2))
    turned = torch.nn.Parameter(WEIGHT.T.contiguous().T)
    assert torch.equal(one(WEIGHT, ROWS), other(turned, ROWS.T.contiguous().T))
    assert torch.equal(one.backward(WEIGHT, ERRORS), other.backward(turned, ERRORS))
    lines = torch.tensor([[3, 9], [0, 9], [17, 9]], dtype=torch.int32)[:, 0]
    assert torch.equal(one.read_columns(WEIGHT, lines.long()), other.read_columns(turned, lines))


def test_what_does_not_fit_is_refused() -> None:
    periphery = Periphery((21, 18), GRID, GRID, STREAM)
    with pytest.raises(BadValue, match=r"x: rows \[37, 21\] do not fit a weight \[21, 18\]; write \[n, 18\]"):
        periphery(WEIGHT, ERRORS)
    with pytest.raises(BadValue, match=r"write numbers from 0 to 17"):
        periphery.read_columns(WEIGHT, torch.tensor([0, 18]))
