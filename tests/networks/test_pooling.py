"""Max-pooling: torch's numbers, whatever the layout in memory."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import max_pool2d

from resbench.networks.pooling import max_pool


def images(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Images with many equal neighbours, of which the first is the largest, with zeros of both signs and a NaN."""
    torch.manual_seed(0)
    values = torch.randn(shape, dtype=dtype).round() * torch.randn(shape).sign()
    values[0, 0, 1, 1] = torch.nan
    return values


@pytest.mark.parametrize(
    ("shape", "size"), [((3, 5, 8, 8), 2), ((2, 17, 9, 7), 2), ((1, 1, 6, 9), 3), ((4, 16, 24, 24), 2)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels_last", [False, True])
def test_values_and_gradients_are_torchs_bit_for_bit(
    shape: tuple[int, ...], size: int, dtype: torch.dtype, channels_last: bool
) -> None:
    given = images(*shape, dtype=dtype)
    if channels_last:
        given = given.contiguous(memory_format=torch.channels_last)
    found, expected = given.clone().requires_grad_(), given.clone().requires_grad_()
    y, truth = max_pool(found, size), max_pool2d(expected, size)
    assert y.stride() == truth.stride()
    assert torch.equal(y.contiguous().view(torch.uint8), truth.contiguous().view(torch.uint8))
    d = torch.randn_like(truth)
    y.backward(d)
    truth.backward(d)
    assert found.grad is not None
    assert expected.grad is not None
    assert torch.equal(found.grad, expected.grad)


def test_without_gradients_and_without_a_batch() -> None:
    given = images(2, 3, 4, 4)
    with torch.no_grad():
        assert torch.equal(max_pool(given, 2).nan_to_num(9.0), max_pool2d(given, 2).nan_to_num(9.0))
        assert torch.equal(max_pool(given[1], 2), max_pool2d(given[1], 2))
