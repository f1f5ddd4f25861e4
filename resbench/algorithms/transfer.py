"""A chain of tiles and the column transfers between them, shared by Tiki-Taka and residual learning.

The fast tile takes the gradient; every ``E_k`` vector updates, tile k is read one column at a time and the values are
written, by pulses, onto tile k+1. Counting, order and rounding follow aihwkit 1.1.0 (``TransferCompound``), its CPU
backend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from resbench.algorithms.base import Algorithm
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.tile import Axis


class TransferChain(Algorithm):
    """Base of algorithms that move weight from tile to tile by column transfers.

    For each vector of a mini-batch, in order: pulse tile 0 with the gradient at the fast rate; count ``t += 1``; for
    every tile k with ``t mod E_k = 0`` transfer k -> k+1, the fast pair first. Vectors between two transfers are
    pulsed in one call.

    Args:
        fast_lr: rate of the fast tile; None takes the optimiser's rate (the peer's default is a fixed 1.0).
        transfer_every: period of tile 0, in mini-batches (or vectors).
        transfer_lr: factor on the values that are transferred out of a tile: one number, or one for each tile.
        scale_transfer_lr: multiply ``transfer_lr`` by the optimiser's rate.
        units_in_mbatch: periods count mini-batches; ``E_k = ceil(period * n)`` for a mini-batch of n vectors.
        n_reads_per_transfer: columns in one transfer.
        transfer_columns: transfer columns; False transfers rows.
        random_selection: start at a random column instead of the next one.
        with_reset_prob: probability to reset a column of the source after it was read.
        pulses: pulse trains of the fast tile.
        transfer_pulses: pulse trains of the writes.
    """

    counters = ("vectors", "pointers")

    def __init__(
        self,
        fast_lr: float | None,
        transfer_every: float,
        transfer_lr: float | Sequence[float],
        scale_transfer_lr: bool,
        units_in_mbatch: bool = True,
        n_reads_per_transfer: int = 1,
        transfer_columns: bool = True,
        random_selection: bool = False,
        with_reset_prob: float = 0.0,
        pulses: PulseTrain = PulseTrain(),
        transfer_pulses: PulseTrain = PulseTrain(),
    ) -> None:
        super().__init__()
        if fast_lr is not None and not fast_lr > 0:
            raise ValueError(f"fast_lr: {fast_lr} must be above 0; leave it out (null) to use the optimiser's rate")
        if not transfer_every >= 0:
            raise ValueError(f"transfer_every: {transfer_every} is negative; write a period, or 0 for no transfer")
        if n_reads_per_transfer < 1:
            raise ValueError(f"n_reads_per_transfer: {n_reads_per_transfer} must be 1 or more")
        if not 0 <= with_reset_prob <= 1:
            raise ValueError(f"with_reset_prob: {with_reset_prob} is not a probability; write 0 to 1")
        rates = [transfer_lr] if isinstance(transfer_lr, (int, float)) else list(transfer_lr)
        if not rates or any(rate < 0 for rate in rates):
            raise ValueError(f"transfer_lr: {transfer_lr} must be 0 or above for every tile")
        self.fast_lr = fast_lr
        self.transfer_every = transfer_every
        self.transfer_lr = rates
        self.scale_transfer_lr = scale_transfer_lr
        self.units_in_mbatch = units_in_mbatch
        self.n_reads_per_transfer = n_reads_per_transfer
        self.axis: Axis = "column" if transfer_columns else "row"
        self.random_selection = random_selection
        self.with_reset_prob = with_reset_prob
        self.pulses = pulses
        self.transfer_pulses = transfer_pulses
        self.vectors = 0
        self.pointers: list[int] = []

    def allocate_chain(self, names: Sequence[str], gammas: Sequence[float]) -> None:
        """Add the tiles of the chain and start its counters."""
        for name, gamma in zip(names, gammas, strict=True):
            self.add_tile(name, gamma)
        self.vectors = 0
        self.pointers = [0] * len(self.tiles)

    def program(self, weight: Tensor) -> None:
        super().program(weight)
        self.vectors = 0
        self.pointers = [0] * len(self.tiles)

    # -- periods and rates
    # -----------------------------------------------------------------------------------------------------

    @property
    def lines(self) -> int:
        """Columns (rows) that a full sweep of a tile reads."""
        return self.shape[1 if self.axis == "column" else 0]

    def periods(self) -> list[float]:
        """Period of every tile in mini-batches (or vectors), 0 for no transfer.

        Default of the peer: each tile waits for a full sweep of the one before, ``v_{k+1} = v_k * out / n_reads`` (its
        documentation says ``in``, its code does this), and the last tile has none.
        """
        across = self.shape[0 if self.axis == "column" else 1]
        reads = min(self.n_reads_per_transfer, self.lines)
        periods = [self.transfer_every]
        for _ in self.tiles[1:]:
            periods.append(periods[-1] * (across / reads))
        return [*periods[:-1], 0.0]

    def periods_in_vectors(self, batch: int) -> list[int]:
        """Periods ``E_k`` counted in vector updates, for mini-batches of ``batch`` vectors."""
        if self.units_in_mbatch:
            return [math.ceil(period * batch) for period in self.periods()]
        return [round(period) for period in self.periods()]

    def transfer_rate(self, source: int, lr: float) -> float:
        """Factor on the values read from tile ``source``."""
        rate = self.transfer_lr[min(source, len(self.transfer_lr) - 1)]
        return rate * lr if self.scale_transfer_lr else rate

    # -- one mini-batch
    # --------------------------------------------------------------------------------------------------------

    def update(self, x: Tensor, d: Tensor, lr: float) -> None:
        batch = x.shape[0]
        periods = self.periods_in_vectors(batch)
        start = 0
        while start < batch:
            stop = min(batch, start + self._until_transfer(periods))
            self.pulse_fast(x[start:stop], d[start:stop], lr)
            self.vectors += stop - start
            self.transfers(periods, lr)
            start = stop
        self.compose()

    def pulse_fast(self, x: Tensor, d: Tensor, lr: float) -> None:
        """Pulse the fast tile; its probabilities use the mean granularity of all tiles, as in the peer."""
        granularity = sum(tile.device.granularity for tile in self.tiles) / len(self.tiles)
        self.tiles[0].update(x, d, self.fast_lr or lr, self.pulses, granularity)

    def transfers(self, periods: Sequence[int], lr: float) -> None:
        """All transfers that are due at the current count, fast pair first; a later tile sees what an earlier one just wrote."""
        for source, period in enumerate(periods[:-1]):
            if period > 0 and self.vectors % period == 0:
                self.transfer(source, source + 1, lr)

    def transfer(self, source: int, target: int, lr: float) -> None:
        """Read the next columns of ``source`` and add ``transfer_rate`` times their values to ``target``.

        The pointer advances also where nothing is written; the source is not cleared.
        """
        reads = min(self.n_reads_per_transfer, self.lines)
        start = self.pointers[source]
        if self.random_selection:
            draw = self.stream.child("selection", source).uniform((1,), self.vectors)
            start = int(draw * self.lines)
        rate = self.transfer_rate(source, lr)
        for offset in range(reads):
            line = torch.tensor([(start + offset) % self.lines], device=self.weight.device)
            if rate == 0 or source == target:
                continue
            values = self.tiles[source].read(line, self.axis)
            self.write(source, target, line, values, rate)
        self.pointers[source] = (start + reads) % self.lines

    def write(self, source: int, target: int, line: Tensor, values: Tensor, rate: float) -> None:
        """Write what was read; algorithms with digital buffers put them here."""
        self.tiles[target].write(line, values, rate, self.transfer_pulses, self.axis)

    def _until_transfer(self, periods: Sequence[int]) -> int:
        """Vectors until the next transfer of any tile."""
        waits = [period - self.vectors % period for period in periods if period > 0]
        return min(waits, default=1 << 62)
