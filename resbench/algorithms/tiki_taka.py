"""Tiki-Taka, version 1: a fast tile gathers the gradient, a slow tile receives it column by column."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from resbench.algorithms.transfer import Order, TransferChain, series
from resbench.crossbar.periphery import IOParameters
from resbench.crossbar.pulses import PulseTrain


class TikiTaka(TransferChain):
    """Tiki-Taka (TT-v1): the fast tile A follows the gradient, its columns are added to the slow tile C.

    ``A <- A - fast_lr d x^T``; every ``transfer_every`` mini-batches ``C[:, j] <- C[:, j] + transfer_lr A[:, j]`` for
    the next column j; the forward pass sees ``gamma A + C``. Because C moves by the average of A, it is insensitive
    to the asymmetry that pulls A to zero. More than two tiles form a chain, each the fast tile of the next. Behaviour
    of aihwkit's ``TransferCompound``, whose defaults are the same but for ``fast_lr`` (1.0 there, which decouples the
    fast tile from the optimiser) and ``transfer_lr`` (1.0 there); these two are the ones of arXiv:2510.02516.

    Args:
        tiles: number of tiles.
        gamma: share of tile k in the weight that the forward pass sees, ``gamma^(n-1-k)``; 0 hides all but the last.
            Or one share for each tile, fast tile first; the last must not be 0.
        transfer_every: mini-batches between two transfers out of the fast tile; slower tiles wait for a full sweep of
            the one before, ``v_(k+1) = v_k out / n_reads`` (the peer's documentation says ``in``, its code does this).
            Or one period for each tile, fast tile first; the last is not used.
        transfer_lr: factor on the transferred values; or one for each tile, fast tile first; the last is not used.
        scale_transfer_lr: multiply it by the optimiser's rate.
        fast_lr: rate of the fast tile; null takes the optimiser's rate.
        units_in_mbatch: count periods in mini-batches; false counts vectors.
        n_reads_per_transfer: columns in one transfer; null for all.
        transfer_columns: transfer columns; false transfers rows.
        random_selection: start at a random column instead of the next one.
        with_reset_prob: probability to reset a column of the source after it was read; columns only.
        transfer_io: periphery of the transfer reads; null is perfect.
        order: order of the peer's CPU code (exact) or GPU code (loses vectors where a mini-batch does not end with a
            transfer); they agree where the mini-batch is a multiple of the period or the reverse.
        pulses: pulse trains of the fast tile.
        transfer_pulses: pulse trains of the transfers.

    Raises:
        ValueError: for a parameter outside its range or a list of the wrong length.
    """

    citation = "Gokmen and Haensch, Front. Neurosci. 14:103, 2020"

    def __init__(
        self,
        tiles: int = 2,
        gamma: float | Sequence[float] = 0.0,
        transfer_every: float | Sequence[float] = 1.0,
        transfer_lr: float | Sequence[float] = 0.1,
        scale_transfer_lr: bool = True,
        fast_lr: float | None = 0.01,
        units_in_mbatch: bool = True,
        n_reads_per_transfer: int | None = 1,
        transfer_columns: bool = True,
        random_selection: bool = False,
        with_reset_prob: float = 0.0,
        transfer_io: IOParameters | None = None,
        order: Order = "cpu",
        pulses: PulseTrain = PulseTrain(),
        transfer_pulses: PulseTrain = PulseTrain(),
    ) -> None:
        if tiles < 2:
            raise ValueError(f"tiles: {tiles} cannot hold a fast and a slow tile; write 2 or more")
        if not 0 <= with_reset_prob <= 1:
            raise ValueError(f"with_reset_prob: {with_reset_prob} is not a probability; write 0 to 1")
        if with_reset_prob > 0 and not transfer_columns:
            raise ValueError(f"with_reset_prob: {with_reset_prob} works on columns only; write transfer_columns: true")
        gammas = series("gamma", gamma, tiles, lambda share, k: share ** (tiles - 1 - k))
        if not all(0 <= share <= 1 for share in gammas) or gammas[-1] == 0:
            raise ValueError(f"gamma: {gamma} is outside [0, 1]; write 0 to hide the fast tile, the last is not 0")
        super().__init__(
            transfer_every=series("transfer_every", transfer_every, tiles, lambda period, _: period),
            transfer_lr=series("transfer_lr", transfer_lr, tiles, lambda rate, _: rate),
            scale_transfer_lr=scale_transfer_lr,
            fast_lr=fast_lr,
            units_in_mbatch=units_in_mbatch,
            n_reads_per_transfer=n_reads_per_transfer,
            transfer_columns=transfer_columns,
            transfer_io=transfer_io,
            pulses=pulses,
            transfer_pulses=transfer_pulses,
        )
        self.full_sweeps = isinstance(transfer_every, (int, float))
        self.shares = gammas
        self.random_selection = random_selection
        self.with_reset_prob = with_reset_prob
        self.order = order

    def allocate(self) -> None:
        names = ("A", "C") if len(self.shares) == 2 else [f"tile{k}" for k in range(len(self.shares))]
        self.allocate_chain(names, self.shares)
        if self.full_sweeps:
            sweep = self.shape[0 if self.axis == "column" else 1] / self.reads
            self.transfer_every = [period * sweep**k for k, period in enumerate(self.transfer_every)]
        self.transfer_every[-1] = 0.0
        self.is_direct = self.with_reset_prob == 0 and self.moves_by(TikiTaka.write)

    def write(self, source: int, target: int, lines: Tensor, values: Tensor, rate: float) -> None:
        if self.with_reset_prob > 0:
            chance = self.stream.child("reset", source).uniform((self.lines,), self.vectors, device=lines.device)
            columns = torch.zeros(self.lines, dtype=torch.bool, device=lines.device)
            columns[lines] = chance[lines] < self.with_reset_prob
            self.tiles[source].reset(columns)
        super().write(source, target, lines, values, rate)
