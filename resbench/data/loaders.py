"""Loaders of data in memory, without worker processes; training can resume inside an epoch."""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch
from torch import Tensor

from resbench.data.order import permutation
from resbench.errors import BadValue

Batch = TypeVar("Batch")


class EvalLoader(Generic[Batch]):
    """Batches in the stored order; the last one may be smaller.

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
    """Batches in an order keyed by (seed, epoch); the last one may be smaller.

    Lightning keeps ``state_dict()`` in its checkpoints. So a run that resumes from a checkpoint inside an epoch gets
    exactly the remaining batches. Iterating twice in one epoch gives the same batches twice.

    Args:
        size: number of samples.
        batch_size: samples in a batch.
        seed: any whole number.
        fetch: makes a batch from (sample indices int64 ``[b]``, epoch, number of the batch in the epoch).
        current_epoch: returns the epoch when an iteration begins, such as ``lambda: trainer.current_epoch``. Without it
            the epoch is 0 until :meth:`set_epoch` is called.
        device: device of the sample indices.
        ahead: whether a thread makes the next batch while the one before is in use.
    """

    # The loader asks for the epoch, because `sampler.set_epoch` cannot be relied on: if a run under `max_steps` resumes
    # from the end of an epoch, Lightning 2.6.6 passes an epoch that is one too high. `trainer.current_epoch` is right.

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        fetch: Callable[[Tensor, int, int], Batch],
        current_epoch: Callable[[], int] = lambda: 0,
        device: torch.device | str = "cpu",
        ahead: bool = False,
    ) -> None:
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.fetch, self.current_epoch, self.device, self.ahead = fetch, current_epoch, device, ahead
        self._position = (0, 0)  # epoch, and number of its batches that were returned so far
        self._resume_at: tuple[int, int] | None = None

    def __len__(self) -> int:
        return math.ceil(self.size / self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Fix the epoch of the iterations from now on, for loops without a trainer."""
        self.current_epoch = lambda: epoch

    def __iter__(self) -> Iterator[Batch]:
        # A generator starts with its first `next`. Lightning calls `iter` earlier, before it loads a state.
        epoch = self.current_epoch()
        resume_epoch, done = self._resume_at or (epoch, 0)
        self._resume_at = None
        order = torch.from_numpy(permutation(self.size, "order", self.seed, epoch)).to(self.device)
        batches = range(done if resume_epoch == epoch else 0, len(self))

        def make(batch: int) -> Batch:
            return self.fetch(order[batch * self.batch_size : (batch + 1) * self.batch_size], epoch, batch)

        for batch, made in zip(batches, _made_ahead(make, batches) if self.ahead else map(make, batches), strict=True):
            self._position = (epoch, batch + 1)
            yield made

    def state_dict(self) -> dict[str, int]:
        """The position, and the values on which the order depends."""
        epoch, batch = self._position
        return {"epoch": epoch, "batch": batch, **self._order()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next iteration continue at a saved position, if it is in the saved epoch.

        Raises:
            BadValue: if the order was a different one, so that the remaining batches are not defined.
        """
        for name, value in self._order().items():
            if state[name] != value:
                hint = f"is not the {state[name]} that the checkpoint was written with; write that, or start afresh"
                raise BadValue(name, value, f"{hint} without the checkpoint")
        self._position = self._resume_at = (state["epoch"], state["batch"])

    def _order(self) -> dict[str, int]:
        return {"seed": self.seed, "batch_size": self.batch_size, "train_size": self.size}


def _made_ahead(make: Callable[[int], Batch], batches: Iterable[int]) -> Iterator[Batch]:
    """What ``make`` gives for each number, by a thread that is one step ahead."""
    with ThreadPoolExecutor(1) as thread:
        ahead: Future[Batch] | None = None
        for batch in batches:
            ready, ahead = ahead, thread.submit(make, batch)
            if ready is not None:
                yield ready.result()
        if ahead is not None:
            yield ahead.result()
