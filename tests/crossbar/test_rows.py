"""Rows of a convolution: the matrix of torch's unfold, laid out only where it is read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from resbench.crossbar.rows import MapRows, PatchRows, Rows, ScaledRows, outer_sum

GEOMETRIES = [((1, 1), (1, 1)), ((2, 1), (1, 1)), ((1, 2), (2, 2)), ((3, 3), (1, 1))]


@pytest.fixture(params=GEOMETRIES, ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[PatchRows, MapRows]:
    stride, dilation = request.param
    draw = torch.Generator().manual_seed(1)
    x = PatchRows(torch.randn(4, 3, 11, 12, generator=draw), (3, 2), stride, dilation)
    width = x.geometry[-1]
    return x, MapRows(torch.randn(4, 5, x.shape[0] // 4 // width, width, generator=draw))


def test_the_matrix_is_that_of_unfold(pair: tuple[PatchRows, MapRows]) -> None:
    x, _ = pair
    stride, dilation = x.geometry[2:4], x.geometry[4:6]
    unfolded = functional.unfold(x.source, (3, 2), stride=stride, dilation=dilation)
    assert torch.equal(x.dense(), unfolded.transpose(1, 2).reshape(x.shape))


def test_rows_are_no_tensor_and_say_how_to_get_one() -> None:
    rows: Any = Rows(torch.ones(2, 3))
    with pytest.raises(AttributeError, match=r"have no 'T'; write rows.dense\(\)"):
        rows.T  # noqa: B018
    with pytest.raises(TypeError):
        rows * 2
    with pytest.raises(TypeError):
        torch.abs(rows)


def test_to_know_the_kind_of_numbers_nothing_is_laid_out(pair: tuple[PatchRows, MapRows]) -> None:
    every = (*pair, ScaledRows(pair[0], torch.ones(pair[0].shape[0])))
    known = [(rows.dtype, rows.device, rows.shape) for rows in every]
    assert [rows._matrix for rows in pair] == [None, None]
    assert known == [(rows.dense().dtype, rows.dense().device, rows.dense().shape) for rows in every]


def test_a_slice_lays_out_only_its_images(pair: tuple[PatchRows, MapRows]) -> None:
    x, d = pair
    assert torch.equal(x[1:7].dense(), x.dense()[1:7])
    assert torch.equal(d[-2:].dense(), d.dense()[-2:])
    factors, signs = torch.arange(float(x.shape[0])), torch.tensor([1.0, -1.0] * 9)
    scaled = ScaledRows(x, factors, signs)
    assert torch.equal(scaled[1:7].dense(), x.dense()[1:7] * factors[1:7, None] * signs)


def test_outer_sum_is_the_product_of_the_matrices(pair: tuple[PatchRows, MapRows]) -> None:
    x, d = pair
    torch.testing.assert_close(outer_sum(d, x), d.dense().T @ x.dense(), atol=1e-4, rtol=1e-4)
