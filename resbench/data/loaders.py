"""Loaders over data in memory: batches are slices, no worker processes, and training resumes inside an epoch."""

import math
from collections.abc import Callable, Iterator
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor

from resbench.data.order import permutation

Batch = TypeVar("Batch")


class EvalLoader(Generic[Batch]):
    """Batches in stored order; the last one may be short.

    Args:
        size: number of samples.
        batch_size: samples in a batch.
        fetch: makes the batch of a slice of the samples.
    """

    def __init__(self, size: int, batch_size: int, fetch: Callable[[slice], Batch]) -> None:
        self.size, self.batch_size, self.fetch = size, batch_size, fetch

    def __len__(self) -> int:
        return math.ceil(self.size / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, self.size, self.batch_size):
            yield self.fetch(slice(start, start + self.batch_size))


class TrainLoader(Generic[Batch]):
    """Batches in an order keyed by (seed, epoch); the last one may be short.

    Lightning announces the epoch through ``loader.sampler.set_epoch`` and keeps ``state_dict()`` in its
    checkpoints, so a run that resumes from a checkpoint written inside an epoch gets exactly the batches that were
    left. Iterating twice in one epoch gives the same batches twice.

    Args:
        size: number of samples.
        batch_size: samples in a batch.
        seed: any whole number.
        fetch: makes the batch of (sample indices int64 ``[b]``, epoch, number of the batch in the epoch).
        device: where the indices live.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        fetch: Callable[[Tensor, int, int], Batch],
        device: torch.device | str = "cpu",
    ) -> None:
        self.size, self.batch_size, self.seed, self.fetch, self.device = size, batch_size, seed, fetch, device
        self._epoch = 0
        self._done = 0  # batches of this epoch handed out so far
        self._start = 0  # where the next iteration begins; above 0 only after load_state_dict

    def __len__(self) -> int:
        return math.ceil(self.size / self.batch_size)

    @property
    def sampler(self) -> Self:
        """The loader itself: Lightning looks for ``set_epoch`` here."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration. Another epoch than the current one begins at its first batch."""
        if epoch != self._epoch:
            self._epoch, self._done, self._start = epoch, 0, 0

    def __iter__(self) -> Iterator[Batch]:
        # A generator runs from its first `next` on: Lightning calls `iter` before it announces the epoch.
        start, self._start = self._start, 0
        epoch = self._epoch
        order = torch.from_numpy(permutation(self.size, "order", self.seed, epoch)).to(self.device)
        for batch in range(start, len(self)):
            self._done = batch + 1
            yield self.fetch(order[batch * self.batch_size : (batch + 1) * self.batch_size], epoch, batch)

    def state_dict(self) -> dict[str, int]:
        """The position, with what the order depends on."""
        return {"epoch": self._epoch, "batch": self._done, **self._order()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue at a saved position.

        Raises:
            ValueError: the order was another one, so the batches that are left are not defined.
        """
        for name, value in self._order().items():
            if state[name] != value:
                raise ValueError(
                    f"{name}: the checkpoint was written with {state[name]}, this run has {value}; "
                    f"resume with {state[name]} or start afresh without the checkpoint"
                )
        self._epoch, self._done, self._start = state["epoch"], state["batch"], state["batch"]

    def _order(self) -> dict[str, int]:
        return {"seed": self.seed, "batch_size": self.batch_size, "train_size": self.size}
