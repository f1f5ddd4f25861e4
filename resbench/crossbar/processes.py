"""The processes that share a mini-batch: the part of this process, and the parts of the others.

Without ``torch.distributed`` there is one process, which has all of the mini-batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def share() -> tuple[int, int]:
    """(rank, number of processes) of this process."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def gathered(part: Tensor) -> Tensor:
    """The parts of all processes in the order of their ranks, joined along the first dimension.

    Args:
        part: the part of this process; it has the same shape in every process.
    """
    parts = share()[1]
    if parts == 1:
        return part
    part = part.contiguous()
    others = [torch.empty_like(part) for _ in range(parts)]
    distributed.all_gather(others, part)
    return torch.cat(others)
