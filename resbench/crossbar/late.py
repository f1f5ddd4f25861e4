"""Numbers that a GPU computes and the host reads later, so that it does not wait for them."""

from __future__ import annotations

import torch
from torch import Tensor


class LateNumbers:
    """Numbers on their way to the host.

    The host waits in :meth:`read` only until the numbers are there, and not for work that was given to the GPU since.

    Args:
        values: a tensor of numbers, on any device.
    """

    def __init__(self, values: Tensor) -> None:
        self._copy = values.detach().to("cpu", non_blocking=True)
        self._is_there: torch.cuda.Event | None = None
        if values.is_cuda:
            self._is_there = torch.cuda.Event()
            self._is_there.record(torch.cuda.current_stream(values.device))

    def read(self) -> list[float]:
        """The numbers, one after the other."""
        if self._is_there is not None:
            self._is_there.synchronize()
        return [float(number) for number in self._copy.numpy().ravel()]
