"""Kernels of torch that portable arithmetic replaces compute what torch's compute; the test session is portable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from resbench.training.portable_kernels import LARGE
from resbench.training.process import is_x86_64

pytestmark = pytest.mark.skipif(not is_x86_64(), reason="speaks of x86-64 processors")


def draw(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape))) - 0.5


def test_square_roots_are_rounded_correctly() -> None:
    x = draw(1000, 30).abs()
    right = torch.from_numpy(np.sqrt(x.numpy()))
    for root in (
        *(x.sqrt(), x**0.5, x.clone().sqrt_(), x.clone().pow_(0.5), torch.sqrt(x.t()).t()),
        *(torch.sqrt(x, out=torch.empty(0)), torch._foreach_sqrt([x])[0], torch.pow(x, 0.5, out=torch.empty(0))),
    ):
        assert torch.equal(root, right)
    assert torch.equal(x.double().sqrt(), torch.from_numpy(np.sqrt(x.double().numpy())))


def test_other_roots_and_powers_are_as_before() -> None:
    x = torch.rand(9, requires_grad=True)
    x.sqrt().sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, 0.5 / x.detach().sqrt())
    assert torch.equal(x.detach() ** 2, x.detach() * x.detach())
    assert torch.sqrt(torch.tensor([4, 9])).tolist() == [2.0, 3.0]
    assert torch.sqrt(torch.tensor([4.0]).half()).dtype == torch.float16
    assert torch.sqrt(torch.tensor([-4.0 + 0j])).imag.item() == 2.0
    assert torch.sqrt(torch.tensor([-1.0])).isnan().all()


@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [(100, 200, 300), (1, 600, 600), (600, 600, 1), (3, 4, 5), (0, 9, 9)]
)
def test_products_are_right_in_every_layout_and_form(rows: int, inner: int, columns: int) -> None:
    assert 3 * 4 * 5 < LARGE <= 100 * 200 * 300
    x, bias = draw(rows, columns), draw(columns)
    for a in (draw(rows, inner), draw(inner, rows).t()):
        for b in (draw(inner, columns), draw(columns, inner).t()):
            right = a.double() @ b.double()
            for found, expected in (
                (a @ b, right),
                (torch.mm(a, b, out=torch.empty(0)), right),
                (torch.addmm(bias, a, b), right + bias),
                (torch.addmm(bias, a, b, out=torch.empty(0)), right + bias),
                (torch.addmm(x, a, b, beta=0.5, alpha=-2), 0.5 * x - 2 * right),
                (x.clone().addmm_(a, b, alpha=-0.3), x - 0.3 * right),
                (torch.addmm(torch.full_like(x, torch.nan), a, b, beta=0), right),
                (functional.linear(a[None], b.t(), bias)[0], right + bias),
            ):
                assert found.dtype is torch.float32
                torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-4)


def test_other_types_of_products_are_left_to_torch() -> None:
    a, b = draw(100, 200), draw(200, 300)
    assert (a.double() @ b.double()).dtype is torch.float64
    assert (a.bfloat16() @ b.bfloat16()).dtype is torch.bfloat16
    with pytest.raises(RuntimeError, match="dtype"):
        a @ b.double()
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        a @ a


@pytest.mark.parametrize(
    ("channels", "padding", "stride", "groups"), [(1, 0, 1, 1), (1, 2, 1, 1), (1, 1, 2, 1), (2, 1, 1, 1), (2, 1, 1, 2)]
)
def test_gradients_of_convolutions_are_right(channels: int, padding: int, stride: int, groups: int) -> None:
    x, weight, bias = draw(5, channels, 9, 8), draw(4, channels // groups, 3, 2), draw(4)
    singles = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    doubles = [tensor.detach().double().requires_grad_() for tensor in singles]
    for images, kernels, offset in (singles, doubles):
        y = functional.conv2d(images, kernels, offset, padding=padding, stride=stride, groups=groups)
        (y * draw(*y.shape)).sum().backward()
    for single, double in zip(singles, doubles, strict=True):
        assert single.grad is not None
        assert double.grad is not None
        torch.testing.assert_close(single.grad, double.grad.float(), rtol=1e-4, atol=1e-4)
