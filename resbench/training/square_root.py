"""Square roots of torch that are the same on every processor.

On the CPU torch takes square roots of tensors from MKL's vector library, which rounds some of them down or up by the
model of the processor. Optimisers such as Adam and statistics of data need them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EXACT = (torch.float32, torch.float64)
#: Keeps the replaced kernels alive; None before the first call.
_library: torch.library.Library | None = None


def round_square_roots() -> None:
    """Have ``sqrt`` and ``pow`` with exponent 1/2 round correctly on the CPU, in this process from now on.

    NumPy takes the instruction of the processor, which IEEE 754 makes the same everywhere. Other types of numbers and
    other exponents go to torch's own kernels.
    """
    global _library
    if _library is not None:
        return
    _library = torch.library.Library("aten", "IMPL")

    def replace(name: str, is_power: bool) -> None:
        original = torch.library.get_kernel(f"aten::{name}", "CPU")
        in_place = name.split(".")[0].endswith("_")

        def kernel(keys: Any, x: Tensor, *exponent: Any, out: Tensor | None = None) -> Any:
            if x.dtype not in EXACT or (is_power and exponent != (0.5,)) or (out is not None and out.dtype != x.dtype):
                return original.call_boxed(keys, x, *exponent, **({} if out is None else {"out": out}))
            if out is not None:
                out.resize_(x.shape)
            elif in_place:
                out = x
            else:
                out = torch.empty_like(x)
            with np.errstate(invalid="ignore"):  # NaN where x is negative, as torch does it
                np.sqrt(_array(x), out=_array(out))
            return out

        assert _library is not None
        _library.impl(name, kernel, "CPU", with_keyset=True)

    for name in ("sqrt", "sqrt_", "sqrt.out"):
        replace(name, is_power=False)
    for name in ("pow.Tensor_Scalar", "pow_.Scalar", "pow.Tensor_Scalar_out"):
        replace(name, is_power=True)


def _array(x: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = x.detach().resolve_neg().numpy()
    return array
