"""A chain of tiles: the loop over a mini-batch that Tiki-Taka, its successors and residual learning share.

The fast tile is trained with the gradient. From time to time, some columns of a tile are read, and their values are
added to the next slower tile by pulses. :mod:`~resbench.algorithms.schedules` says when this happens, and
:mod:`~resbench.algorithms.channels` what happens between the read and the write.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from resbench.algorithms.base import Algorithm, series
from resbench.algorithms.channels import Channel, check_probability
from resbench.algorithms.schedules import Schedule
from resbench.crossbar.checks import Axis
from resbench.crossbar.kernels import runs_ahead
from resbench.crossbar.periphery import PERFECT, IOParameters, Periphery
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows, circle
from resbench.errors import BadValue, check_whole


class TileChain(Algorithm):
    """For each vector of a mini-batch, in order: pulse the fast tile, then make the transfers that are due.

    A subclass passes shares, a schedule, a channel and names; these are positional. The arguments below have the same
    meaning in every algorithm that takes them. Vectors between two transfers are pulsed in one call.

    Args:
        tiles: number of tiles.
        gamma: share of tile k in the weight that the forward pass sees, ``gamma^(n-1-k)``; 0 hides all but the last.
            Or one share for each tile, fast tile first.
        transfer_every: mini-batches (or vectors) between two transfers out of the fast tile, 0 for never. Or one period
            for each tile, fast tile first; the last is not used.
        transfer_lr: factor on the values that are read. Or one for each tile, fast tile first; the last is not used.
        scale_transfer_lr: multiply ``transfer_lr`` by the optimiser's rate.
        fast_lr: rate of the fast tile; null takes the optimiser's rate.
        units_in_mbatch: count periods in mini-batches, ``ceil(period n)`` vectors for a mini-batch of n. False counts
            vectors; a convolution has one for every position of every image.
        n_reads_per_transfer: columns in one transfer, taken in turn; null for all.
        transfer_columns: transfer columns; false transfers rows.
        random_selection: start at a random column instead of the next one.
        with_reset_prob: probability to reset a column of the source after it was read; columns only.
        transfer_io: periphery of the transfer reads; null is perfect. It never has noise and bound management.
        order: ``cpu``: transfers follow the vector at which they are due. ``gpu``: order of aihwkit's GPU code, which
            loses vectors if a mini-batch does not end with a transfer. Both are the same if the mini-batch is a
            multiple of the period, or the period one of the mini-batch.
        thres_scale: threshold of the buffer in steps of the receiving tile.
        momentum: share of the buffer that stays after a pulse.
        forget_buffer: keep ``momentum`` of the whole buffer after a pulse; false subtracts ``1 - momentum`` of what was
            passed on.
        step: pulses for each crossing of the threshold, in steps of the receiving tile.
        pulses: pulse trains of the fast tile.
        transfer_pulses: pulse trains of the transfers.

    Attributes:
        shares: gamma of each tile, fast tile first.
        schedule: when which tile is read into which.
        channel: what happens between the read and the write.
        pointers: next column (row) to read from each tile.
    """

    counters: ClassVar[tuple[str, ...]] = ("pointers", "schedule", "channel")

    readers: Sequence[Periphery]  # a ModuleList
    lines: int  # columns (rows) of a full sweep
    reads: int  # and of one transfer

    def __init__(
        self,
        shares: Sequence[float],
        schedule: Schedule,
        channel: Channel | None = None,
        names: Sequence[str] | None = None,
        /,
        *,
        transfer_lr: float | Sequence[float] = 1.0,
        scale_transfer_lr: bool = True,
        fast_lr: float | None = None,
        n_reads_per_transfer: int | None = 1,
        transfer_columns: bool = True,
        random_selection: bool = False,
        with_reset_prob: float = 0.0,
        transfer_io: IOParameters | None = None,
        pulses: PulseTrain = PulseTrain(),
        transfer_pulses: PulseTrain = PulseTrain(),
    ) -> None:
        super().__init__()
        if fast_lr is not None and not 0 < fast_lr < math.inf:
            raise BadValue("fast_lr", fast_lr, "must be above 0; leave it out (null) to use the optimiser's rate")
        rates = series("transfer_lr", transfer_lr, len(shares), lambda rate, _: rate)
        if not all(0 <= rate < math.inf for rate in rates):
            raise BadValue("transfer_lr", rates, "has a rate that is negative or not finite; write 0 or above")
        if n_reads_per_transfer is not None:
            hint = "must be a whole number of 1 or more; leave it out for all"
            check_whole("n_reads_per_transfer", n_reads_per_transfer, 1, hint)
        check_probability("with_reset_prob", with_reset_prob)
        if with_reset_prob > 0 and not transfer_columns:
            raise BadValue("with_reset_prob", with_reset_prob, "works on columns only; write transfer_columns: true")
        self.shares = list(shares)
        self.names = names or (("A", "C") if len(shares) == 2 else [f"tile{k}" for k in range(len(shares))])
        self.schedule = schedule
        self.channel = channel or Channel()
        self.transfer_lr = rates
        self.scale_transfer_lr = scale_transfer_lr
        self.fast_lr = fast_lr
        self.n_reads_per_transfer = n_reads_per_transfer
        self.axis: Axis = "column" if transfer_columns else "row"
        self.random_selection = random_selection
        self.with_reset_prob = with_reset_prob
        self.transfer_io = PERFECT if transfer_io is None else transfer_io
        self.pulses = pulses
        self.transfer_pulses = transfer_pulses
        self.reads_batch_loss = schedule.reads_batch_loss
        self.reads_perfectly = self.transfer_io.is_exact and self.transfer_io.out_scale == 1
        self.readers = nn.ModuleList()  # type: ignore[assignment]
        self.granularity = 0.0
        self.pointers: list[int] = []

    def allocate(self) -> None:
        for name, share in zip(self.names, self.shares, strict=True):
            self.add_tile(name, share)
        if not self.reads_perfectly:
            streams = (self.stream.child("transfer read", index) for index in range(len(self.tiles) - 1))
            readers = (Periphery(self.shape, self.transfer_io, self.transfer_io, stream) for stream in streams)
            self.readers = nn.ModuleList(readers)  # type: ignore[assignment]
        self.lines = self.shape[1 if self.axis == "column" else 0]
        self.reads = min(self.n_reads_per_transfer or self.lines, self.lines)
        steps = [tile.granularity for tile in self.tiles if not tile.is_continuous]
        self.granularity = sum(steps) / len(steps) if steps else 0.0
        is_own = all(getattr(type(self), name) is getattr(TileChain, name) for name in ("transfer", "carry", "read"))
        self.reads_plainly = self.reads_perfectly and is_own
        self.transfers_plainly = self.reads_plainly and self.with_reset_prob == 0
        self.schedule.allocate(self, self.axis, self.reads)
        self.channel.allocate(self, self.axis, self.transfer_pulses)

    def start(self) -> None:
        self.pointers = [0] * len(self.tiles)
        self.schedule.start()
        self.channel.start()

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        batch = x.shape[0]
        rate = lr if self.fast_lr is None else self.fast_lr
        inner = self.inner_tiles(batch)
        for first, stop, transfers in self.schedule.walk(batch, inner):
            sides = (x, d) if stop - first == batch else (x[first:stop], d[first:stop])
            # As in aihwkit, pulse probabilities follow from the mean step of all tiles.
            if inner > 0:
                self.update_by_vector(*sides, rate, lr, inner, batch)
            else:
                self.tiles[0].update(*self.channel.enter(*sides, rate, batch), self.pulses, self.granularity)
            for source, target in transfers:
                self.transfer(source, target, lr)

    def inner_tiles(self, batch: int) -> int:
        """How many tiles, from the fast one on, one compiled call can train if there are transfers in a mini-batch.

        0 if transfers are made one by one, or if there are none inside.
        """
        if not (self.transfers_plainly and self.schedule.is_inside(batch)):
            return 0
        from resbench.algorithms import by_vector  # compiled; here because importing it takes time

        return by_vector.covered(self.tiles, (self.pulses, self.transfer_pulses), self.channel)

    def update_by_vector(self, x: Rows, d: Rows, rate: float, lr: float, inner: int, batch: int) -> None:
        """Pulse the fast tile with vectors and make the transfers between the first tiles, in one compiled call.

        Args:
            x: ``[n, in]``, some vectors of a mini-batch, which the schedule has counted already.
            d: ``[n, out]``.
            rate: rate of the fast tile.
            lr: rate of the optimiser.
            inner: :meth:`inner_tiles`.
            batch: number of vectors in the whole mini-batch.
        """
        from resbench.algorithms import by_vector  # compiled; here because importing it takes time

        flow = by_vector.Flow(
            start=self.schedule.vectors - x.shape[0],
            reads=self.reads,
            at_once=self.channel.lines_at_once,
            by_column=self.axis == "column",
            selects=self.random_selection,
        )
        periods = self.schedule.periods(batch)
        plans = [
            by_vector.Plan(
                periods[source],
                self.pointers[source],
                by_vector.key_of(self.stream.child("selection", source) if self.random_selection else self.stream),
                self.transfer_rate(source, lr),
            )
            for source in range(inner - 1)
        ]
        drive = by_vector.Drive(rate, self.granularity, self.pulses, self.transfer_pulses)
        tiles = self.tiles[:inner]
        self.pointers[: inner - 1] = by_vector.run(tiles, self.channel, x, d, drive, flow, plans, batch)

    def transfer_rate(self, source: int, lr: float) -> float:
        """Factor on the values that are read from a tile."""
        return self.transfer_lr[source] * (lr if self.scale_transfer_lr else 1.0)

    def transfer(self, source: int, target: int | None, lr: float) -> None:
        """Read the next columns of ``source`` and add ``transfer_lr`` times their values to ``target``.

        A later transfer at the same count reads what this one wrote. The source is not cleared. Its pointer moves on
        even if nothing is written.
        """
        start = self.pointers[source]
        if self.random_selection:
            start = int(self.stream.child("selection", source).number(self.schedule.vectors) * self.lines)
        stop = start + self.reads
        self.pointers[source] = stop % self.lines
        rate = self.transfer_rate(source, lr)
        if target is None or rate == 0:
            return
        for first in range(start, stop, self.channel.lines_at_once):
            self.carry(source, target, first, min(first + self.channel.lines_at_once, stop), rate)

    def carry(self, source: int, target: int, first: int, last: int, rate: float) -> None:
        """Transfer columns (rows) ``first`` to ``last - 1``; after the last line of the tile comes the first."""
        if self.transfers_plainly and last <= self.lines and type(self.channel) is Channel:
            self.tiles[source].carry(self.tiles[target], first, last, rate, self.transfer_pulses, self.axis)
            return
        memory = self.tiles[source].memory
        lines = circle(self.lines, memory.device)[first:last]
        ahead = self.reads_plainly and runs_ahead(memory)
        if not (ahead and self.channel.carry(source, target, lines, first % self.lines, rate, self.schedule.vectors)):
            values = self.read(source, lines, first, last)
            sent = self.channel.pass_on(source, lines, values, rate, self.schedule.vectors)
            if sent is not None:
                self.tiles[target].write(lines, *sent, self.transfer_pulses, self.axis)
        if self.with_reset_prob > 0:
            self.reset(source, lines)

    def reset(self, source: int, columns: Tensor) -> None:
        """Reset columns of a tile after they were read, each with its probability."""
        stream = self.stream.child("reset", source)
        chance = stream.uniform((self.lines,), self.schedule.vectors, device=columns.device)
        chosen = torch.zeros(self.lines, dtype=torch.bool, device=columns.device)
        chosen[columns] = chance[columns] < self.with_reset_prob
        self.tiles[source].reset(chosen)

    def read(self, source: int, lines: Tensor, first: int, last: int) -> Tensor:
        """Values of columns (rows) of tile ``source``, float32 ``[n, out]`` (``[n, in]``), through its periphery."""
        tile = self.tiles[source]
        if self.reads_perfectly and last <= self.lines:
            return tile.view_lines(first, last, self.axis)
        exact: Tensor = tile.read(lines, self.axis)
        if self.reads_perfectly:
            return exact
        reader = self.readers[source]
        values: Tensor = (reader.read_columns if self.axis == "column" else reader.read_rows)(tile.weight, lines)
        return values

    def on_batch_end(self, train_loss: float) -> None:
        self.schedule.watch("batch", train_loss)

    def on_epoch_end(self, train_loss: float) -> None:
        self.schedule.watch("epoch", train_loss)


def shares_of(gamma: float | Sequence[float], tiles: int) -> list[float]:
    """Shares of two or more tiles: ``gamma^(n-1-k)``, or the given list.

    Raises:
        BadValue: for a single tile, a share outside [0, 1], and a last share of 0.
    """
    check_whole("tiles", tiles, 2, "cannot be a fast and a slow tile; write a whole number of 2 or more")
    shares = series("gamma", gamma, tiles, lambda share, k: share ** (tiles - 1 - k))
    if not all(0 <= share <= 1 for share in shares) or shares[-1] == 0:
        raise BadValue("gamma", gamma, "is outside [0, 1]; write 0 to hide the fast tile, the last is not 0")
    return shares
