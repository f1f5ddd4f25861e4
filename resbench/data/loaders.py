"""Loaders over data in memory: batches are slices, no worker processes, and training resumes inside an epoch."""

import math
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import torch
from torch import Tensor

from resbench.data.order import permutation
from resbench.errors import BadValue

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

    Lightning keeps ``state_dict()`` in its checkpoints, so a run that resumes from a checkpoint written inside an epoch
    gets exactly the batches that were left. Iterating twice in one epoch gives the same batches twice.

    Args:
        size: number of samples.
        batch_size: samples in a batch.
        seed: any whole number.
        fetch: makes the batch of (sample indices int64 ``[b]``, epoch, number of the batch in the epoch).
        current_epoch: asked for the epoch when an iteration begins, such as ``lambda: trainer.current_epoch``; without
            it the epoch is 0 until :meth:`set_epoch`.
        device: where the sample indices live.
    """

    # The epoch is asked for, not announced: resumed from the end of an epoch under `max_steps`, Lightning 2.6.6
    # announces one epoch too many to `sampler.set_epoch`, while `trainer.current_epoch` is right.

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        fetch: Callable[[Tensor, int, int], Batch],
        current_epoch: Callable[[], int] = lambda: 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.fetch, self.current_epoch, self.device = fetch, current_epoch, device
        self._position = (0, 0)  # epoch, batches of it handed out so far
        self._resume_at: tuple[int, int] | None = None

    def __len__(self) -> int:
        return math.ceil(self.size / self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Fix the epoch of the iterations from now on, for loops without a trainer."""
        self.current_epoch = lambda: epoch

    def __iter__(self) -> Iterator[Batch]:
        # A generator runs from its first `next` on; Lightning calls `iter` earlier, before it loads a state.
        epoch = self.current_epoch()
        resume_epoch, done = self._resume_at or (epoch, 0)
        self._resume_at = None
        order = torch.from_numpy(permutation(self.size, "order", self.seed, epoch)).to(self.device)
        for batch in range(done if resume_epoch == epoch else 0, len(self)):
            self._position = (epoch, batch + 1)
            yield self.fetch(order[batch * self.batch_size : (batch + 1) * self.batch_size], epoch, batch)

    def state_dict(self) -> dict[str, int]:
        """The position, with what the order depends on."""
        epoch, batch = self._position
        return {"epoch": epoch, "batch": batch, **self._order()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next iteration continue at a saved position, if it is in the saved epoch.

        Raises:
            BadValue: the order was another one, so the batches that are left are not defined.
        """
        for name, value in self._order().items():
            if state[name] != value:
                hint = f"is not the {state[name]} that the checkpoint was written with; write that, or start afresh"
                raise BadValue(name, value, f"{hint} without the checkpoint")
        self._position = self._resume_at = (state["epoch"], state["batch"])

    def _order(self) -> dict[str, int]:
        return {"seed": self.seed, "batch_size": self.batch_size, "train_size": self.size}
