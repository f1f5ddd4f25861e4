"""A chain of tiles and the transfers between them: what Tiki-Taka, its successors and residual learning share.

The fast tile takes the gradient; every ``E_k`` vector updates tile k is read, one column at a time, and the values are
written onto tile k+1 by pulses. Counting, order and rounding follow aihwkit 1.1.0 (``TransferCompound``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from resbench.algorithms.base import Algorithm
from resbench.crossbar.checks import Axis
from resbench.crossbar.periphery import PERFECT, IOParameters, Periphery
from resbench.crossbar.pulses import PulseTrain

Order = Literal["cpu", "gpu"]

#: Columns in one call to a tile, so that the one-hot lines of a whole-matrix transfer stay small.
LINES_AT_ONCE = 256
#: Step that stands for the granularity of a device without one, where an algorithm counts in steps.
NOMINAL_STEP = 0.001
#: A count of vectors that is never reached.
NEVER = 2**62
#: From here on a period is a mistake; such a float has no fraction left to round.
LONGEST_PERIOD = 1e15


class TransferChain(Algorithm):
    """Base of algorithms that move weight from tile to tile by transfers.

    For each vector of a mini-batch, in order: pulse tile 0 with the gradient at the fast rate; count ``t += 1``; for
    every tile k with ``t mod E_k = 0`` transfer k -> k+1, the fast pair first. Vectors between two transfers are
    pulsed in one call.

    Args:
        transfer_every: period of each tile but the last, fast tile first, in mini-batches (or vectors); 0 for never.
        transfer_lr: factor on the values that are read from each tile but the last.
        scale_transfer_lr: multiply ``transfer_lr`` by the optimiser's rate.
        fast_lr: rate of the fast tile; None takes the optimiser's rate.
        units_in_mbatch: periods count mini-batches, ``E_k = ceil(period * n)`` for one of n vectors.
        n_reads_per_transfer: columns in one transfer; None for all.
        transfer_columns: transfer columns; False transfers rows.
        transfer_io: periphery of the transfer reads, None is perfect; noise and bound management are always off there.
        pulses: pulse trains of the fast tile.
        transfer_pulses: pulse trains of the writes.
    """

    counters: ClassVar[tuple[str, ...]] = ("vectors", "pointers")

    readers: Sequence[Periphery]  # a ModuleList
    #: Columns (rows) that a full sweep of a tile reads, and that one transfer does.
    lines: int
    reads: int
    #: Whether a transfer is nothing but a perfect read and a write, which tiles do in one call.
    is_direct: bool

    #: Order of aihwkit's CPU code, vector by vector, or of its GPU code: transfers out of slower tiles wait for one out
    #: of the fast tile, and a mini-batch with transfers inside but none at its end loses the vectors after the last.
    order: Order = "cpu"
    random_selection: bool = False

    def __init__(
        self,
        transfer_every: Sequence[float],
        transfer_lr: Sequence[float],
        scale_transfer_lr: bool,
        fast_lr: float | None,
        units_in_mbatch: bool,
        n_reads_per_transfer: int | None,
        transfer_columns: bool,
        transfer_io: IOParameters | None,
        pulses: PulseTrain,
        transfer_pulses: PulseTrain,
    ) -> None:
        super().__init__()
        if fast_lr is not None and not fast_lr > 0:
            raise ValueError(f"fast_lr: {fast_lr} must be above 0; leave it out (null) to use the optimiser's rate")
        for period in transfer_every:
            if not 0 <= period < LONGEST_PERIOD:
                raise ValueError(
                    f"transfer_every: {period:g} in {list(transfer_every)} is no period; write a number of 0 or above, "
                    "0 for no transfer"
                )
        if not all(rate >= 0 for rate in transfer_lr):
            raise ValueError(f"transfer_lr: {list(transfer_lr)} has a negative rate; write 0 or above for every tile")
        if n_reads_per_transfer is not None and n_reads_per_transfer < 1:
            raise ValueError(f"n_reads_per_transfer: {n_reads_per_transfer} must be 1 or more; leave it out for all")
        self.transfer_every = list(transfer_every)
        self.transfer_lr = list(transfer_lr)
        self.scale_transfer_lr = scale_transfer_lr
        self.fast_lr = fast_lr
        self.units_in_mbatch = units_in_mbatch
        self.n_reads_per_transfer = n_reads_per_transfer
        self.axis: Axis = "column" if transfer_columns else "row"
        self.transfer_io = PERFECT if transfer_io is None else transfer_io
        self.pulses = pulses
        self.transfer_pulses = transfer_pulses
        self.reads_perfectly = self.transfer_io.is_exact and self.transfer_io.out_scale == 1
        self.readers = nn.ModuleList()  # type: ignore[assignment]
        self.is_direct = False
        self.granularity = 0.0
        self.batch = 0
        self.vectors = 0
        self.next_event = 0
        self.pointers: list[int] = []
        self._periods: list[int] = []

    def allocate_chain(self, names: Sequence[str], gammas: Sequence[float]) -> None:
        """Add the tiles of the chain, and a periphery for the reads of each tile but the last if it is not perfect."""
        for name, gamma in zip(names, gammas, strict=True):
            self.add_tile(name, gamma)
        if not self.reads_perfectly:
            streams = (self.stream.child("transfer read", index) for index in range(len(names) - 1))
            readers = (Periphery(self.shape, self.transfer_io, self.transfer_io, stream) for stream in streams)
            self.readers = nn.ModuleList(readers)  # type: ignore[assignment]

        self.lines = self.shape[1 if self.axis == "column" else 0]
        self.reads = min(self.n_reads_per_transfer or self.lines, self.lines)
        self.is_direct = self.moves_by(TransferChain.write)
        steps = [tile.granularity for tile in self.tiles if not tile.is_continuous]
        self.granularity = sum(steps) / len(steps) if steps else 0.0

    def start(self) -> None:
        self.vectors = self.next_event = 0
        self.pointers = [0] * len(self.tiles)

    # Sizes, periods, rates.

    def periods(self, batch: int) -> list[int]:
        """Periods ``E_k`` counted in vectors, for a mini-batch of ``batch`` vectors; 0 for no transfer."""
        if self.units_in_mbatch:
            return [math.ceil(period * batch) for period in self.transfer_every]
        return [whole_period(period) for period in self.transfer_every]

    def counted(self, periods: Sequence[int]) -> Sequence[int]:
        """Those of the periods that are counted in vectors: all, unless an algorithm counts something else."""
        return periods

    @property
    def is_watchful(self) -> bool:
        """Whether :meth:`due` wants to be asked after every mini-batch, also between two multiples of the periods."""
        return False

    def transfer_rate(self, source: int, lr: float) -> float:
        """Factor on the values read from tile ``source``."""
        return self.transfer_lr[source] * (lr if self.scale_transfer_lr else 1.0)

    def moves_by(self, write: Callable[..., None]) -> bool:
        """Whether transfers are nothing but perfect reads and this :meth:`write`, no subclass having others."""
        return self.reads_perfectly and type(self).read is TransferChain.read and type(self).write is write

    # One mini-batch.

    def update(self, x: Tensor, d: Tensor, lr: float) -> None:
        if x.shape[0] != self.batch:
            self.batch, self.next_event = x.shape[0], 0
            self._periods = self.periods(self.batch)
        if self.next_event <= self.vectors:
            self._schedule()
        end = self.vectors + self.batch
        if end > self.next_event:
            self._update_in_parts(x, d, lr)
            return
        self.pulse_fast(x, d, lr)
        before, self.vectors = self.vectors, end
        if end == self.next_event or self.is_watchful:
            for source, target in self.due(before, self._periods):
                self.transfer(source, target, lr)

    def _schedule(self) -> None:
        """Find the next count of vectors that is a multiple of a period: before it, nothing is due."""
        waits = [period - self.vectors % period for period in self.counted(self._periods) if period > 0]
        self.next_event = self.vectors + min(waits, default=NEVER)

    def _update_in_parts(self, x: Tensor, d: Tensor, lr: float) -> None:
        first = 0
        for stop in self.stops(self.batch, self._periods):
            self.pulse_fast(x[first:stop], d[first:stop], lr)
            before, self.vectors = self.vectors, self.vectors + stop - first
            for source, target in self.due(before, self._periods):
                self.transfer(source, target, lr)
            first = stop

    def stops(self, batch: int, periods: Sequence[int]) -> Iterator[int]:
        """Where the mini-batch is cut: after every vector with a transfer, and at its end."""
        start, stop = self.vectors, 0
        cuts = [period for period in (self.counted(periods) if self.order == "cpu" else periods[:1]) if period > 0]
        while stop < batch:
            wait = min((period - (start + stop) % period for period in cuts), default=batch)
            if self.order == "gpu" and stop > 0 and batch < stop + wait:
                return
            stop = min(batch, stop + wait)
            yield stop

    def passed(self, source: int, before: int, periods: Sequence[int]) -> bool:
        """Whether the count of vectors passed a multiple of the period of tile ``source`` since it was ``before``."""
        period = periods[source]
        return period > 0 and self.vectors // period > before // period

    def due(self, before: int, periods: Sequence[int]) -> Iterator[tuple[int, int | None]]:
        """Transfers (source, target) that are due now, in order; target None moves the pointer and writes nothing."""
        for source in range(len(self.tiles) - 1):
            if self.passed(source, before, periods):
                yield source, source + 1

    def pulse_fast(self, x: Tensor, d: Tensor, lr: float) -> None:
        """``W_0 <- W_0 - eta d x^T`` with the fast rate eta."""
        self.pulse(x, d, lr if self.fast_lr is None else self.fast_lr)

    def pulse(self, x: Tensor, d: Tensor, rate: float) -> None:
        """Pulse the fast tile; probabilities come from the mean granularity of all tiles, as in the peer."""
        self.tiles[0].update(x, d, rate, self.pulses, self.granularity)

    def transfer(self, source: int, target: int | None, lr: float) -> None:
        """Read the next columns of ``source`` and add ``transfer_rate`` times their values to ``target``.

        A later transfer at the same count sees what this one wrote. The source is not cleared, and the pointer
        advances even where nothing is written.
        """
        start = self.pointers[source]
        if self.random_selection:
            start = int(self.stream.child("selection", source).number(self.vectors) * self.lines)
        stop = start + self.reads
        self.pointers[source] = stop % self.lines
        rate = self.transfer_rate(source, lr)
        if target is None or rate == 0:
            return
        for first in range(start, stop, LINES_AT_ONCE):
            self.carry(source, target, first, min(first + LINES_AT_ONCE, stop), rate)

    def carry(self, source: int, target: int, first: int, last: int, rate: float) -> None:
        """Transfer columns (rows) ``first`` to ``last - 1``, which go on at the start of the tile."""
        if self.is_direct and last <= self.lines:
            self.tiles[source].carry(self.tiles[target], first, last, rate, self.transfer_pulses, self.axis)
            return
        lines = torch.arange(first, last, device=self.tiles[source].weight.device)
        if last > self.lines:
            lines %= self.lines
        self.write(source, target, lines, self.read(source, lines), rate)

    def read(self, source: int, lines: Tensor) -> Tensor:
        """Values of columns (rows) of tile ``source``, float32 ``[n, out]`` (``[n, in]``), through its periphery."""
        tile = self.tiles[source]
        exact: Tensor = tile.read(lines, self.axis)
        if self.reads_perfectly:
            return exact
        reader = self.readers[source]
        values: Tensor = (reader.read_columns if self.axis == "column" else reader.read_rows)(tile.weight, lines)
        return values

    def write(self, source: int, target: int, lines: Tensor, values: Tensor, rate: float) -> None:
        """Write what was read from ``source``; algorithms with digital memory put it there first."""
        self.tiles[target].write(lines, values, rate, self.transfer_pulses, self.axis)

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.next_event = 0

    # Shared by the algorithms that transfer whole pulses.

    def step_of(self, index: int) -> float:
        """Mean step of the devices of a tile, weight units; a nominal one for devices without granularity."""
        granularity: float = self.tiles[index].granularity
        return granularity or NOMINAL_STEP

    def whole(self, target: int, steps: Tensor) -> Tensor:
        """``trunc(steps)``, at most one pulse train; all of it for a target without granularity."""
        if self.tiles[target].is_continuous:
            return steps
        longest = self.transfer_pulses.desired_bl
        return torch.trunc(steps).clamp(-longest, longest)


def whole_period(period: float) -> int:
    """A period in whole numbers: rounded, half up as in aihwkit, and at least 1 unless it is 0 for never."""
    return max(1, math.floor(period + 0.5)) if period > 0 else 0


def series(name: str, value: float | Sequence[float], tiles: int, rule: Callable[[float, int], float]) -> list[float]:
    """One value for each tile, fast tile first: as given, or from one number by ``rule(number, tile)``."""
    if isinstance(value, (int, float)):
        return [rule(float(value), k) for k in range(tiles)]
    if len(value) != tiles:
        raise ValueError(f"{name}: {len(value)} values for {tiles} tiles; write one number, or one for each tile")
    return [float(v) for v in value]
