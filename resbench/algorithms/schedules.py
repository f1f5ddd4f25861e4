"""When which tile of a chain is read into which.

A schedule counts the vectors that have been pulsed, cuts a mini-batch where transfers are due, and names them. It owns
its counters. Tile 0 is the fastest. A transfer is a pair (source, target). With target None, only the pointer of the
source moves on, and nothing is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, get_args

from resbench.algorithms.base import Algorithm, Counted, series
from resbench.crossbar.checks import Axis
from resbench.errors import BadValue, check_choice, check_whole

Transfers = Iterable[tuple[int, int | None]]
Order = Literal["cpu", "gpu"]
Count = Literal["global", "local"]
TransferAt = Literal["batch_end", "first_vector"]
LossOf = Literal["batch", "epoch"]
#: Longer periods are refused; a float of this size has no fraction to round.
LONGEST_PERIOD = 1e15
#: Vectors that are laid out at once.
VECTORS_AT_ONCE = 4096
#: Number of losses that a plateau rule looks at.
HISTORY = 6


class Schedule(Counted):
    """Transfers each tile to the next slower one: tile k when the count of vectors passes a multiple of its period E_k.

    Counting, order and rounding follow aihwkit 1.1.0 (``TransferCompound``).

    Args:
        every: period of each tile, fast tile first, in mini-batches or vectors; 0 for never. The last is only used if
            :attr:`last_counts`.
        units_in_mbatch: periods count mini-batches, ``E_k = ceil(period n)`` for a mini-batch of n vectors.
        order: ``cpu``: transfers follow the vector at which they are due, as in aihwkit's CPU code. ``gpu``: as in its
            GPU code. Transfers out of slower tiles wait for one out of the fast tile. If a mini-batch has transfers
            inside but none at its end, the vectors after the last transfer are lost.
        count: ``global``: every period counts vectors or mini-batches. ``local``: a slower tile counts the transfers
            that it :attr:`received`, as in Algorithm 1 of arXiv:2510.02516, so that periods multiply along the chain.

    Raises:
        BadValue: for a period that is negative, infinite or not a number, and for an unknown order or count.

    Attributes:
        vectors: vectors counted so far.
        last_counts: whether the period of the last tile is used.
        reads_batch_loss: whether :meth:`watch` is called with the loss of each mini-batch.
    """

    counters: ClassVar[tuple[str, ...]] = ("vectors", "received")
    last_counts: ClassVar[bool] = False
    reads_batch_loss = False

    def __init__(
        self, every: Sequence[float], units_in_mbatch: bool, order: Order = "cpu", count: Count = "global"
    ) -> None:
        check_choice("order", order, get_args(Order))
        check_choice("count", count, get_args(Count))
        for period in every:
            if not 0 <= period < LONGEST_PERIOD:
                raise BadValue("transfer_every", period, "is no period; write a number of 0 or above, 0 for never")
        self.every = list(every) if self.last_counts else [*every[:-1], 0.0]
        self.units_in_mbatch = units_in_mbatch
        self.order = order
        self.count = count
        is_own = all(getattr(type(self), name) is getattr(Schedule, name) for name in ("walk", "due", "passed"))
        self.is_regular = order == "cpu" and count == "global" and is_own
        self.known_periods: dict[int, list[int]] = {}

    def allocate(self, owner: Algorithm, axis: Axis, reads: int) -> None:
        """Called when the owner has its tiles, for periods that depend on them. A transfer has ``reads`` columns."""

    def start(self) -> None:
        """Set the counters to their initial values."""
        self.vectors = 0
        self.received = [0] * len(self.every)

    def walk(self, batch: int, inner: int = 0) -> Iterator[tuple[int, int, Transfers]]:
        """Cut a mini-batch of ``batch`` vectors into stretches that are pulsed in one call, and count them.

        Args:
            batch: vectors of the mini-batch.
            inner: number of tiles, from the fast one on, between which the caller makes the transfers inside a stretch
                itself, if :meth:`is_inside`; 0 to have the mini-batch cut at all of them.

        Yields:
            (first, stop, transfers): the stretch, and the transfers that are due after it, in order.
        """
        periods = self.periods(batch)
        if inner > 0:
            # Long mini-batches of a convolution are cut, because the rows of each stretch are laid out.
            cut = max(1, VECTORS_AT_ONCE // periods[0]) * periods[0]
            periods = [cut, *([0] * (inner - 2)), *periods[inner - 1 :]]
        counted = periods if self.order == "cpu" and self.count == "global" else periods[:1]
        cuts = [period for period in counted if period > 0]
        start, stop = self.vectors, 0
        while stop < batch:
            wait = min([period - (start + stop) % period for period in cuts], default=batch)
            if self.order == "gpu" and stop > 0 and batch < stop + wait:
                return
            first, stop = stop, min(batch, stop + wait)
            self.vectors = start + stop
            due = self.due(start + first, periods)
            yield first, stop, [pair for pair in due if pair[0] > 0] if inner > 0 else due

    def is_inside(self, batch: int) -> bool:
        """Whether transfers are regular, and those out of tile 0 inside a mini-batch of ``batch`` vectors."""
        return self.is_regular and 0 < self.periods(batch)[0] < batch

    def periods(self, batch: int) -> list[int]:
        """Periods ``E_k`` in vectors, for a mini-batch of ``batch`` vectors; 0 for no transfer."""
        if batch in self.known_periods:
            return self.known_periods[batch]
        periods = [math.ceil(period * batch) if self.units_in_mbatch else whole_period(period) for period in self.every]
        if self.count == "local":
            periods[1:] = [whole_period(period) for period in self.every[1:]]
        self.known_periods[batch] = periods
        return periods

    def due(self, before: int, periods: Sequence[int]) -> Transfers:
        """The transfers that are due after the count went from ``before`` to :attr:`vectors`, in order."""
        last = len(periods) - 1
        if self.count == "global":
            return [(k, k + 1) for k in range(last) if self.passed(k, before, periods)]
        source, due = 0, self.passed(0, before, periods)
        found: list[tuple[int, int | None]] = []
        while due and source < last:
            found.append((source, source + 1))
            source += 1
            self.received[source] += 1
            due = periods[source] > 0 and self.received[source] % periods[source] == 0
        return found

    def passed(self, source: int, before: int, periods: Sequence[int]) -> bool:
        """Whether the count of vectors passed a multiple of the period of tile ``source`` since it was ``before``."""
        period = periods[source]
        return period > 0 and self.vectors // period > before // period

    def watch(self, ended: LossOf, loss: float) -> None:
        """Called with the training loss of each epoch, and of each mini-batch if :attr:`reads_batch_loss`."""


def whole_period(period: float) -> int:
    """A period as a whole number: rounded, half up as in aihwkit, and at least 1 unless it is 0 for never."""
    return max(1, math.floor(period + 0.5)) if period > 0 else 0


@dataclass(frozen=True)
class DigitalSchedule:
    """When a digital gradient is transferred to the tile; never at the first mini-batch, as in aihwkit 1.1.0.

    Args:
        every: mini-batches between two transfers.
        at: ``batch_end``: after the last vector of a mini-batch; ``first_vector``: after its first one.

    Raises:
        BadValue: for a period below 1, and for an unknown place.
    """

    every: int
    at: TransferAt

    def __post_init__(self) -> None:
        check_choice("transfer_at", self.at, get_args(TransferAt))
        check_whole("transfer_every", self.every, 1, "must be a whole number of mini-batches, 1 or more")

    def walk(self, vectors: int, batch: int) -> Iterator[tuple[int, int, bool]]:
        """Cut a mini-batch of ``batch`` vectors, before which there were ``vectors``, into stretches that are summed.

        Yields:
            (first, stop, is_due): the stretch, and whether a transfer follows it.
        """
        if self.at == "batch_end":
            done = vectors // batch
            yield 0, batch, done > 0 and done % self.every == 0
            return
        period, stop = self.every * batch, 0
        while stop < batch:
            # A transfer follows the vector before which the count is a multiple of the period, but not the first.
            first, stop = stop, min(batch, stop + 1 + -(vectors + stop) % period)
            last = vectors + stop - 1
            yield first, stop, last > 0 and last % period == 0


class FullSweeps(Schedule):
    """Each slower tile waits for a full sweep of the tile before: ``v_(k+1) = v_k out / n_reads``.

    This is what aihwkit's code does; its documentation says ``in`` instead of ``out``.
    """

    def allocate(self, owner: Algorithm, axis: Axis, reads: int) -> None:
        sweep = owner.shape[0 if axis == "column" else 1] / reads
        self.every = [period * sweep**k for k, period in enumerate(self.every)]


def sweeps_or_periods(
    every: float | Sequence[float], tiles: int, units_in_mbatch: bool, order: Order = "cpu"
) -> Schedule:
    """:class:`FullSweeps` for one number, :class:`Schedule` for a list of one period for each tile."""
    kind = FullSweeps if isinstance(every, (int, float)) else Schedule
    return kind(series("transfer_every", every, tiles, lambda period, _: period), units_in_mbatch, order)


class InStates(Schedule):
    """Two tiles, with a period of k times ``states / in`` vectors, so that a full sweep takes k times the states."""

    def allocate(self, owner: Algorithm, axis: Axis, reads: int) -> None:
        states = owner.tiles[0].device.state_count
        if not math.isfinite(states):
            hint = "counts states, of which this device has no number; write a period of 0 or above"
            raise BadValue("transfer_every", f"-{self.every[0]:g}", hint)
        self.every = [self.every[0] * states / owner.shape[1 if axis == "column" else 0], 0.0]


def periods_or_states(every: float, units_in_mbatch: bool) -> Schedule:
    """The schedule of two tiles: a period, or ``k states / in`` vectors for a negative number -k."""
    return InStates([-every, 0.0], False) if every < 0 else Schedule([every, 0.0], units_in_mbatch)


@dataclass(frozen=True)
class Plateau:
    """When a warm start moves on: the rule by which the training loss no longer falls.

    The first ``eager_switches`` switches come after one rise, ``h[-1] - h[-2] > threshold``. Later ones come when two
    of the last five differences exceed ``smooth_threshold``. The defaults are those of the released CIFAR script. The
    released MNIST script has ``smooth_threshold: -0.01``. The pseudo-code of the paper has 0 for both thresholds,
    ``every: batch``, and never clears the history.

    Args:
        every: an entry of the history is the mean loss of an ``epoch``, or the loss of a ``batch``.
        threshold: smallest rise of the loss that counts, for the eager switches.
        smooth_threshold: the same for later switches; with a negative number, falls that are too small count too.
        eager_switches: number of switches that need only one rise.
        clear_history: clear the history after a switch.

    Raises:
        BadValue: for a negative number of switches, and for an unknown kind of entry.
    """

    every: LossOf = "epoch"
    threshold: float = 1e-4
    smooth_threshold: float = 1e-4
    eager_switches: int = 4
    clear_history: bool = True

    def __post_init__(self) -> None:
        check_choice("every", self.every, get_args(LossOf))
        if self.eager_switches < 0:
            raise BadValue("eager_switches", self.eager_switches, "is negative; write 0 for none")

    def reached(self, history: Sequence[float], switches: int) -> bool:
        """Whether the losses so far call for a switch, after ``switches`` earlier ones."""
        rises = [new - old for old, new in pairwise(history)]
        if switches < self.eager_switches:
            return len(rises) >= 1 and rises[-1] > self.threshold
        return len(rises) >= HISTORY - 1 and sum(rise > self.smooth_threshold for rise in rises[1 - HISTORY :]) >= 2


RELEASED_PLATEAU = Plateau()


class WarmStart(Schedule):
    """Fill the tiles one after the other, the slowest first, then go on as a chain.

    Only one tile at a time is the target of transfers. When the training loss stops falling, the next faster tile
    becomes the target with the next mini-batch. The paper (arXiv:2510.02516, Algorithm 1), its released CPU code and
    its released GPU code do this in three different ways; each is a subclass.

    Attributes:
        target: the tile that is filled now; -1 when the warm start is over.
        flag: whether the target changes with the next mini-batch.
        switches: number of switches so far.
        history: the latest training losses.
    """

    counters: ClassVar[tuple[str, ...]] = (*Schedule.counters, "target", "flag", "switches", "history")
    released_order: Order = "cpu"

    def __init__(self, every: Sequence[float], units_in_mbatch: bool, count: Count, plateau: Plateau) -> None:
        super().__init__(every, units_in_mbatch, self.released_order, count)
        self.plateau = plateau
        self.reads_batch_loss = plateau.every == "batch"

    def start(self) -> None:
        super().start()
        self.target = len(self.every) - 1
        self.flag = False
        self.switches = 0
        self.history: list[float] = []

    def watch(self, ended: LossOf, loss: float) -> None:
        if self.plateau.every != ended or self.target < 0:
            return
        history = [*self.history, loss]
        self.flag = self.plateau.reached(history, self.switches)
        self.switches += self.flag
        self.history = [] if self.flag and self.plateau.clear_history else history[-HISTORY:]

    def switch(self, last: int) -> None:
        """Take the next faster tile as target if a switch is due; ``last`` is the last target."""
        if self.flag and self.target > last:
            self.flag = False
            self.target -= 1


class Paper(WarmStart):
    """Algorithm 1: the fastest tile goes to the target with its own period, then the chain. N + 1 tiles: N switches."""

    def due(self, before: int, periods: Sequence[int]) -> Transfers:
        self.switch(last=0)
        if self.target > 0:
            return [(0, self.target)] if self.passed(0, before, periods) else []
        self.target = -1
        return super().due(before, periods)


class ReleasedCpu(WarmStart):
    """Released CPU code: the fastest tile goes to the target, with the period of tile 1. There are N + 1 switches.

    In the stage with target 0 nothing is written, but the pointer of tile 0 moves on.
    """

    last_counts = True  # of two tiles the period of the last is that of tile 1

    def due(self, before: int, periods: Sequence[int]) -> Transfers:
        self.switch(last=-1)
        if self.target < 0:
            return super().due(before, periods)
        return [(0, self.target or None)] if len(periods) > 1 and self.passed(1, before, periods) else []


class ReleasedGpu(WarmStart):
    """Released GPU code: tile 0 always goes to tile 1, and tile 1 to the target. There are N + 1 switches.

    The last two stages feed back: with target 1, tile 1 is added to itself; with target 0, it is added to the tile from
    which it is filled.
    """

    released_order = "gpu"

    def due(self, before: int, periods: Sequence[int]) -> Transfers:
        self.switch(last=-1)
        due = [(source, target) for source, target in super().due(before, periods) if self.target < 0 or source == 0]
        if self.target >= 0 and len(periods) > 2 and self.passed(1, before, periods):
            due.append((1, self.target))
        return due


ScheduleName = Literal["chain", "paper", "released-cpu", "released-gpu"]
WARM_STARTS: dict[ScheduleName, type[WarmStart]] = {
    "paper": Paper,
    "released-cpu": ReleasedCpu,
    "released-gpu": ReleasedGpu,
}
