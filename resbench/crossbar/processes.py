"""The processes that share a mini-batch: the part of this process, and the parts of the others.

Without ``torch.distributed`` there is one process, which has all of the mini-batch.
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.distributed.nn  # before there is a group, which its functions would keep alive
from torch import Tensor, distributed

Value = TypeVar("Value")


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


def gathered_by(rank: int, part: Tensor) -> Tensor | None:
    """The parts of all processes as :func:`gathered` gives them, in the process ``rank``; None in the others.

    Args:
        rank: rank of the process that gets them.
        part: of the same shape in every process.
    """
    part = part.contiguous()
    if share()[0] != rank:
        distributed.gather(part, dst=rank)
        return None
    others = [torch.empty_like(part) for _ in range(share()[1])]
    distributed.gather(part, others, rank)
    return torch.cat(others)


def send(tensor: Tensor, source: int) -> None:
    """Overwrite a tensor by that of the process ``source``.

    Args:
        tensor: of the same shape in every process.
        source: rank of the process.
    """
    whole = tensor.contiguous()
    distributed.broadcast(whole, source)
    if whole is not tensor:
        tensor.copy_(whole)


def send_object(value: Value, source: int) -> Value:
    """The value that the process ``source`` has here."""
    values = [value]
    distributed.broadcast_object_list(values, source)
    return values[0]
