"""What a GPU would have to start, and where the host would wait for it, counted on the CPU."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from triton.runtime import JITFunction, interpreter

from resbench.crossbar.kernels import cuda_apply, cuda_follow, cuda_scales, cuda_scan, cuda_sift

#: Operators that only reserve memory, and marks for a profiler.
UNCOUNTED = {
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "resize_"),
    *("_record_function_enter_new", "_record_function_exit"),
}
#: Operators that take numbers from the host.
FROM_HOST = {"lift_fresh", "lift_fresh_copy"}
KERNELS: Sequence[Any] = (
    cuda_follow.maxima,
    cuda_follow.follow,
    cuda_scales.scales,
    cuda_scan.draw_rows,
    cuda_scan.draw_columns,
    cuda_apply.replay,
    cuda_sift.sift,
    cuda_apply.compose,
)


class Launches(TorchDispatchMode):
    """Names of the operators and kernels that a GPU starts, and of those for which the host waits."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.started: list[str] = []
        self.waits: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in FROM_HOST or needs_values(func, args):
            self.waits.append(name)
        elif name not in UNCOUNTED and not is_view(func) and not is_interpreter():
            self.started.append(name)
        return func(*args, **kwargs or {})


def is_interpreter() -> bool:
    """Whether Triton's interpreter calls, which copies the tensors that kernels get."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename == interpreter.__file__:
            return True
        frame = frame.f_back
    return False


def is_view(func: Any) -> bool:
    """Whether an operator only looks at its argument in another way."""
    infos = [each.alias_info for each in func._schema.returns]
    return any(info is not None and not info.is_write for info in infos)


def needs_values(func: Any, args: Sequence[Any]) -> bool:
    """Whether the host has to know values before an operator can end: a number, or the shape of the result."""
    if func.overloadpacket in (torch.ops.aten.index, torch.ops.aten.index_put_):
        return any(isinstance(index, Tensor) and index.dtype is torch.bool for index in args[1])
    return torch.Tag.data_dependent_output in func.tags or torch.Tag.dynamic_output_shape in func.tags


@contextmanager
def counted() -> Iterator[Launches]:
    """Count what is started inside."""
    launches = Launches()
    hooks: list[tuple[JITFunction[Any], Callable[..., None]]] = []
    for kernel in KERNELS:
        name = kernel.fn.__name__
        hooks.append((kernel, lambda *_, name=name, **__: launches.started.append(name)))
        kernel.add_pre_run_hook(hooks[-1][1])
    try:
        with launches:
            yield launches
    finally:
        for kernel, hook in hooks:
            kernel.pre_run_hooks.remove(hook)
