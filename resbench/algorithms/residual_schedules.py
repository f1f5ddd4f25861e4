"""When residual learning transfers from which tile to which: a chain, or a warm start that ends in one.

A warm start fills the tiles one after the other, the slowest first: only one tile at a time is the target of transfers,
and when the training loss stops falling the next faster one takes its place. The paper (arXiv:2510.02516, Algorithm 1),
its released CPU code and its released GPU code do this in three different ways; each is a function here.

Each function yields (source, target) in order; a transfer is made before the next pair is asked for. Tile 0 is the
fastest. ``target`` of the algorithm is the tile that the warm start fills now, -1 once it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from resbench.algorithms.residual import ResidualLearning

Transfers = Iterator[tuple[int, int | None]]
#: Losses that a plateau rule looks at.
HISTORY = 6
ScheduleName = Literal["chain", "paper", "released-cpu", "released-gpu"]


@dataclass(frozen=True)
class Plateau:
    """When a warm start moves on: the rule that calls the training loss flat.

    The first ``eager_switches`` switches come after one rise, ``h[-1] - h[-2] > threshold``; later ones after two among
    the last five differences that exceed ``smooth_threshold``. Defaults are those of the released CIFAR script; its
    MNIST script has ``smooth_threshold: -0.01``, the pseudo-code of the paper 0 for both, ``every: batch`` and a
    history that is never cleared.

    Args:
        every: what one entry of the history is: mean loss of an ``epoch``, or loss of a ``batch``.
        threshold: rise of the loss that counts, while eager.
        smooth_threshold: the same afterwards; a negative one counts falls that are too small.
        eager_switches: switches that need one rise only.
        clear_history: start the history anew after a switch.

    Raises:
        ValueError: for a negative number of switches.
    """

    every: Literal["epoch", "batch"] = "epoch"
    threshold: float = 1e-4
    smooth_threshold: float = 1e-4
    eager_switches: int = 4
    clear_history: bool = True

    def __post_init__(self) -> None:
        if self.eager_switches < 0:
            raise ValueError(f"eager_switches: {self.eager_switches} is negative; write 0 for none")

    def reached(self, history: Sequence[float], switches: int) -> bool:
        """Whether the losses so far call for a switch, after ``switches`` earlier ones."""
        rises = [new - old for old, new in pairwise(history)]
        if switches < self.eager_switches:
            return len(rises) >= 1 and rises[-1] > self.threshold
        return len(rises) >= HISTORY - 1 and sum(rise > self.smooth_threshold for rise in rises[1 - HISTORY :]) >= 2


RELEASED_PLATEAU = Plateau()


def chain(algorithm: ResidualLearning, before: int, periods: Sequence[int]) -> Transfers:
    """Each tile into the next slower one, from the first step on; the paper calls the warm start optional."""
    last = len(algorithm.tiles) - 1
    if algorithm.count == "global":
        for source in range(last):
            if algorithm.passed(source, before, periods):
                yield source, source + 1
        return
    # Algorithm 1: a tile counts the transfers that it received itself, so periods multiply along the chain.
    source, due = 0, algorithm.passed(0, before, periods)
    while due and source < last:
        yield source, source + 1
        source += 1
        algorithm.received[source] += 1
        due = periods[source] > 0 and algorithm.received[source] % periods[source] == 0


def paper(algorithm: ResidualLearning, before: int, periods: Sequence[int]) -> Transfers:
    """Algorithm 1: the fastest tile into the target with its own period, then the chain; N switches for N + 1 tiles."""
    if algorithm.flag and algorithm.target > 0:
        algorithm.flag = False
        algorithm.target -= 1
    if algorithm.target > 0:
        if algorithm.passed(0, before, periods):
            yield 0, algorithm.target
    else:
        algorithm.target = -1
        yield from chain(algorithm, before, periods)


def released_cpu(algorithm: ResidualLearning, before: int, periods: Sequence[int]) -> Transfers:
    """Released CPU code: the fastest tile into the target, with the period of tile 1; N + 1 switches.

    In the stage with target 0 nothing is written, but the pointer of tile 0 goes on.
    """
    _switch(algorithm)
    if algorithm.target < 0:
        yield from chain(algorithm, before, periods)
    elif len(periods) > 1 and algorithm.passed(1, before, periods):
        yield 0, algorithm.target or None


def released_gpu(algorithm: ResidualLearning, before: int, periods: Sequence[int]) -> Transfers:
    """Released GPU code: tile 0 into tile 1 always, tile 1 into the target; N + 1 switches.

    The last two stages feed back: with target 1 tile 1 is added to itself, with target 0 it is added to the tile that
    it is filled from.
    """
    last = len(algorithm.tiles) - 1
    if last > 0 and algorithm.passed(0, before, periods):
        yield 0, 1
    _switch(algorithm)
    if algorithm.target >= 0:
        if last > 1 and algorithm.passed(1, before, periods):
            yield 1, algorithm.target
        return
    for source in range(1, last):
        if algorithm.passed(source, before, periods):
            yield source, source + 1


def _switch(algorithm: ResidualLearning) -> None:
    if algorithm.flag and algorithm.target >= 0:
        algorithm.flag = False
        algorithm.target -= 1


SCHEDULES: dict[ScheduleName, Callable[[ResidualLearning, int, Sequence[int]], Transfers]] = {
    "chain": chain,
    "paper": paper,
    "released-cpu": released_cpu,
    "released-gpu": released_gpu,
}
