"""Elementary functions: accurate, and the same bits from torch, Numba and Triton."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numba import njit
from torch import Tensor

from resbench.crossbar import functions
from resbench.crossbar.kernels import functions as numba_functions
from resbench.crossbar.randomness import Stream

UNIFORMS = torch.cat([Stream.from_seed(3).uniform((20_000,)), torch.tensor([0.25, 0.5, 0.75, 2.0**-24])])
POSITIVE = (UNIFORMS + 2.0**-25) * torch.tensor([2.0 ** (k % 80 - 40) for k in range(len(UNIFORMS))])
SIGNED = 170.0 * (UNIFORMS - 0.5)
GAMMA = 3.0 * UNIFORMS.flip(0)
Function = Callable[..., Any]

#: name -> arguments, what is right in double precision, largest relative error, digest of the result.
CASES: dict[str, tuple[tuple[Tensor, ...], Callable[..., Tensor], float, str]] = {
    "sqrt": ((POSITIVE,), torch.sqrt, 6e-8, "d20882522aabc789"),
    "log": ((POSITIVE,), torch.log, 1e-7, "6aaf0b61a398caf5"),
    "exp": ((SIGNED,), torch.exp, 1e-7, "714fdcdd1f4c0bf7"),
    "power": ((UNIFORMS + 2.0**-25, GAMMA), torch.pow, 7e-8, "c00a247e09bf032d"),
    "cos_of_turns": ((UNIFORMS,), lambda u: torch.cos(2 * math.pi * u), 3e-7, "075735ae0edcb7bf"),
    "sin_of_turns": ((UNIFORMS,), lambda u: torch.sin(2 * math.pi * u), 3e-7, "8db66c9b57c238f6"),
}


@pytest.mark.parametrize("name", CASES)
def test_functions_are_accurate(name: str) -> None:
    arguments, right, error, _ = CASES[name]
    found, expected = getattr(functions, name)(*arguments).double(), right(*(a.double() for a in arguments))
    scale = expected.abs().clamp(min=1.0 if name in ("log", "cos_of_turns", "sin_of_turns") else 0.0)
    assert float(((found - expected).abs() / scale).max()) < error


@pytest.mark.parametrize("name", CASES)
def test_functions_have_the_same_bits_on_every_processor(name: str) -> None:
    arguments, _, _, digest = CASES[name]
    values = getattr(functions, name)(*arguments).numpy()
    assert hashlib.sha256(values.tobytes()).hexdigest()[:16] == digest


def test_functions_are_defined_at_the_ends_of_their_range() -> None:
    largest, smallest = torch.finfo(torch.float32).max, 2.0**-126
    bounds = torch.tensor([-1e30, 0.0, 1e30])
    assert functions.exp(bounds).tolist() == pytest.approx([math.exp(-87.0), 1.0, math.exp(88.0)])
    assert functions.log(torch.tensor([smallest, 1.0, largest])).tolist() == pytest.approx([-87.3365, 0.0, 88.7228])
    assert functions.power(torch.tensor([1e-30, 1.0]), 1.0).tolist() == pytest.approx([1e-30, 1.0])
    assert functions.cos_of_turns(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([1.0, -1.0, 1.0])
    assert functions.sin_of_turns(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0.0, 0.0, 0.0])
    assert functions.sqrt(torch.tensor(2.0)).item() == np.sqrt(np.float32(2.0))


def every(function: Function) -> Function:
    """A compiled function of numbers over whole arrays."""

    @njit
    def one(a: Any) -> Any:
        out = np.empty_like(a)
        for k in range(a.size):
            out[k] = function(a[k])
        return out

    @njit
    def two(a: Any, b: Any) -> Any:
        out = np.empty_like(a)
        for k in range(a.size):
            out[k] = function(a[k], b[k])
        return out

    return lambda *arguments: (one if len(arguments) == 1 else two)(*arguments)


@pytest.mark.parametrize("name", ["log", "exp", "power", "cos_of_turns"])
def test_numba_computes_the_same_bits(name: str) -> None:
    arguments = CASES[name][0]
    found = every(getattr(numba_functions, name))(*(a.numpy() for a in arguments))
    assert np.array_equal(found, getattr(functions, name)(*arguments).numpy())


@pytest.mark.parametrize("name", ["log", "exp", "power", "cos_of_turns", "sin_of_turns"])
def test_triton_computes_the_same_bits(name: str) -> None:
    triton = pytest.importorskip("triton")
    import triton.language as tl

    from resbench.crossbar.kernels import cuda_functions

    @triton.jit  # type: ignore[untyped-decorator]
    def one(a, b, out, n, FUNCTION: tl.constexpr, BINARY: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        x = tl.load(a + at, mask=at < n, other=1.0)
        y = FUNCTION(x, tl.load(b + at, mask=at < n, other=1.0)) if BINARY else FUNCTION(x)
        tl.store(out + at, y, mask=at < n)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    arguments = [a.to(device) for a in CASES[name][0]]
    found, n = torch.empty_like(arguments[0]), len(arguments[0])
    one[(triton.cdiv(n, 4096),)](
        *(arguments[0], arguments[-1], found, n),
        FUNCTION=getattr(cuda_functions, name),
        BINARY=len(arguments) == 2,
        BLOCK=4096,
        enable_fp_fusion=False,
    )
    assert torch.equal(found, getattr(functions, name)(*arguments))
