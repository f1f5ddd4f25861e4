"""Rows of a convolution: the matrix of torch's unfold, laid out only where it is read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from resbench.crossbar.rows import LazyRows, MapRows, OneHotRows, PatchRows, ScaledRows, matrix, outer_sum

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


def test_any_torch_function_and_operator_sees_the_matrix(pair: tuple[Any, Any]) -> None:
    x, d = pair
    assert torch.equal(d.T @ x, d.dense().T @ x.dense())
    assert torch.equal(torch.cat([x, x]), torch.cat([x.dense(), x.dense()]))
    assert torch.equal(2 * x - 1, 2 * x.dense() - 1)
    assert torch.equal(x.abs().amax(dim=1), x.dense().abs().amax(dim=1))


def test_rows_without_a_matrix_are_refused() -> None:
    class Bare(LazyRows):
        pass

    with pytest.raises(TypeError, match=r"Bare lacks _lay_out\(source\)"):
        Bare(torch.ones(1), (1, 1)).dense()


def test_to_know_the_kind_of_numbers_nothing_is_laid_out(pair: tuple[PatchRows, MapRows]) -> None:
    for rows in (*pair, ScaledRows(pair[0], torch.ones(pair[0].shape[0])), OneHotRows(torch.tensor([1, 0]), 3)):
        known = rows.dtype, rows.device, rows.shape
        assert rows._matrix is None
        assert known == (rows.dense().dtype, rows.dense().device, rows.dense().shape)


def test_a_slice_lays_out_only_its_images(pair: tuple[PatchRows, MapRows]) -> None:
    x, d = pair
    assert torch.equal(x[1:7], x.dense()[1:7])
    assert x[0 : x.shape[0]] is x
    assert torch.equal(d[-2:], d.dense()[-2:])


def test_outer_sum_is_the_product_of_the_matrices(pair: tuple[PatchRows, MapRows]) -> None:
    x, d = pair
    torch.testing.assert_close(outer_sum(d, x), matrix(d).T @ matrix(x), atol=1e-4, rtol=1e-4)
