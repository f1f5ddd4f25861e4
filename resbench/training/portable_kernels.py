"""Kernels of torch that portable arithmetic replaces on the CPU: square roots, products, a gradient of convolutions.

Torch computes square roots of tensors with MKL's vector library, whose rounding depends on the model of the processor.
Its matrix products come from MKL too. MKL has one branch that gives the same bits everywhere, and it takes two to three
times as long as oneDNN's product, which also gives the same bits everywhere. The third kernel is replaced for speed:
oneDNN's AVX2 kernel for the gradient of the weights of a convolution pads a single input channel to eight.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EXACT = (torch.float32, torch.float64)
#: Multiplications of a product from which oneDNN is faster than MKL.
LARGE = 2**18
#: Keeps the replaced kernels alive; None before the first call.
_library: torch.library.Library | None = None


def replace_kernels() -> None:
    """Replace ``sqrt``, ``pow`` with exponent 1/2, ``mm``, ``addmm`` and a case of ``convolution_backward``.

    The replacement stays for the rest of the process. NumPy computes the square root with the processor's instruction,
    whose result IEEE 754 defines exactly. Other number types, other exponents, small products and all other gradients
    of convolutions still go to torch's own kernels.
    """
    global _library
    if _library is not None:
        return
    _library = torch.library.Library("aten", "IMPL")
    for name in ("sqrt", "sqrt_", "sqrt.out"):
        _replace(_library, name, _root)
    for name in ("pow.Tensor_Scalar", "pow_.Scalar", "pow.Tensor_Scalar_out"):
        _replace(_library, name, _root)
    for name in ("mm", "mm.out"):
        _replace(_library, name, _product)
    for name in ("addmm", "addmm_", "addmm.out"):
        _replace(_library, name, _product_and_sum)
    _replace(_library, "convolution_backward", _convolution_backward)


def _replace(library: torch.library.Library, name: str, compute: Callable[..., Any]) -> None:
    """Call ``compute(*arguments, out)`` before torch's kernel, which is used if it returns None."""
    original = torch.library.get_kernel(f"aten::{name}", "CPU")
    in_place = name.split(".")[0].endswith("_")

    def kernel(keys: Any, x: Tensor, *arguments: Any, out: Tensor | None = None, **options: Any) -> Any:
        found = compute(x, *arguments, out=x if in_place else out, **options)
        if found is None:
            return original.call_boxed(keys, x, *arguments, **options, **({} if out is None else {"out": out}))
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some versions of torch warn that a kernel is replaced
        library.impl(name, kernel, "CPU", with_keyset=True)


def _root(x: Tensor, exponent: float = 0.5, out: Tensor | None = None) -> Tensor | None:
    if x.dtype not in EXACT or exponent != 0.5 or (out is not None and out.dtype != x.dtype):
        return None
    out = torch.empty_like(x) if out is None else out.resize_(x.shape)
    with np.errstate(invalid="ignore"):  # NaN for negative x, as in torch
        np.sqrt(_array(x), out=_array(out))
    return out


def _array(x: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = x.detach().resolve_neg().numpy()
    return array


def _is_large(a: Tensor, b: Tensor) -> bool:
    fits = a.dim() == b.dim() == 2 and a.shape[1] == b.shape[0]  # otherwise torch raises the error
    return fits and a.dtype is b.dtype is torch.float32 and a.shape[0] * a.shape[1] * b.shape[1] >= LARGE


def _product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor | None:
    if not _is_large(a, b) or (out is not None and out.dtype is not torch.float32):
        return None
    return _into(out, _multiply(a, b, None))


def _product_and_sum(
    x: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor | None:
    if not _is_large(a, b) or x.dtype is not torch.float32 or (out is not None and out.dtype is not torch.float32):
        return None
    if beta == alpha == 1 and x.shape == b.shape[1:]:  # the bias of a linear layer
        return _into(out, _multiply(a, b, x))
    product = _multiply(a, b, None)
    x = x.expand(product.shape)
    if beta == 0:  # then x may be anything, NaN too
        return _into(out, product.mul_(alpha))
    return _into(out, torch.add(x if beta == 1 else x * beta, product, alpha=alpha))


def _multiply(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b.t(), bias, "none", [], "")
    return product


def _into(out: Tensor | None, result: Tensor) -> Tensor:
    return result if out is None else out.resize_(result.shape).copy_(result)


def _convolution_backward(
    d: Tensor, x: Tensor, weight: Tensor, bias: Any, stride: list[int], padding: list[int], dilation: list[int],
    transposed: bool, output_padding: list[int], groups: int, wanted: list[bool], out: None = None,
) -> tuple[Tensor | None, Tensor | None, Tensor | None] | None:  # fmt: skip
    """The gradient of the weights for images of one channel, as a convolution of the images with the errors.

    Images become channels: ``dW[o, h, w] = sum_n sum_p x[n, p + (h, w)] d[n, o, p]``.
    """
    steps = {*stride, *dilation}
    one_channel = x.dim() == 4 and x.shape[1] == 1 and groups == 1 and not transposed and steps == {1}
    if not (wanted[1] and one_channel and x.dtype is d.dtype is torch.float32):
        return None
    dx = None
    if wanted[0]:  # oneDNN computes the gradients of weights and bias together, so neither is asked for
        dx, _, _ = torch.ops.aten.convolution_backward(
            *(d, x, weight, bias, stride, padding, dilation, transposed, output_padding, groups), [True, False, False]
        )
    dw = torch.mkldnn_convolution(x.transpose(0, 1), d.transpose(0, 1), None, padding, stride, dilation, groups)
    return dx, dw.transpose(0, 1), d.sum((0, 2, 3)) if wanted[2] else None
