"""The processes that share a mini-batch: which part of it is ours, and what the others have.

Without ``torch.distributed`` there is one process, whose part is the whole.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def share() -> tuple[int, int]:
    """(number of our part, number of parts): the rank of this process and how many there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def gathered(part: Tensor) -> Tensor:
    """The parts of all processes in the order of their ranks, joined along the first dimension.

    Args:
        part: of the same shape in every process.
    """
    parts = share()[1]
    if parts == 1:
        return part
    part = part.contiguous()
    others = [torch.empty_like(part) for _ in range(parts)]
    distributed.all_gather(others, part)
    return torch.cat(others)
