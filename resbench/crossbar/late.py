"""Numbers that a GPU computes and the host reads later, so that it does not wait for them."""

from __future__ import annotations

import torch
from torch import Tensor


class LateNumber:
    """A number on its way to the host.

    The host waits in :meth:`read` only until the number is there, and not for work that was given to the GPU since.

    Args:
        value: a tensor of one number, on any device.
    """

    def __init__(self, value: Tensor) -> None:
        self._copy = value.detach().to("cpu", non_blocking=True)
        self._is_there: torch.cuda.Event | None = None
        if value.is_cuda:
            self._is_there = torch.cuda.Event()
            self._is_there.record(torch.cuda.current_stream(value.device))

    def read(self) -> float:
        """The number."""
        if self._is_there is not None:
            self._is_there.synchronize()
        return float(self._copy.numpy())
