"""RIDER: residual learning that tracks the symmetric point of the residual tile while it trains."""

from __future__ import annotations

from typing import Any

import torch

from resbench.algorithms.chain import TileChain, shares_of
from resbench.algorithms.channels import Tracking
from resbench.algorithms.schedules import Schedule
from resbench.costs import InMemory
from resbench.crossbar import kernels
from resbench.crossbar.rows import Rows


class RIDER(TileChain):
    """RIDER: a residual tile P and a main tile W; a digital average Q of P follows the symmetric point of P.

    With the gradient at ``W + gamma (P - Q)``: ``P <- P - fast_lr d x^T``; then for the columns that are due ``W <- W +
    transfer_lr (P - Q)`` by pulses and ``Q <- Q + track_lr (P - Q)``. Noise drives P to the symmetric point of its
    devices, and Q follows. So the offset of P is neither in the forward pass nor in what W receives.

    If every write is exact, ``W - (transfer_lr / track_lr) Q`` never changes. So W and Q cannot both reach their
    targets, unless the asymmetry of W helps; on least squares Q does not reach the symmetric point. :class:`ERIDER`
    does not have this constraint. Source: a summary of arXiv:2602.21321, because the full text was not available. The
    defaults are those that work on our least squares problem, not those of the paper.

    Args:
        gamma: share of ``P - Q`` in the weight that the forward pass sees, in [0, 1].
        track_lr: rate of the average Q at each read, in (0, 1].
        transfer_every: mini-batches between two reads.
        transfer_lr: factor on ``P - Q`` when it is added to W.
        scale_transfer_lr: multiply ``transfer_lr`` by the optimiser's rate.
        n_reads_per_transfer: columns in one transfer, taken in turn; null for the whole matrix, as in the paper.

    The other arguments are those of :class:`~resbench.algorithms.chain.TileChain`.

    Raises:
        BadValue: for a parameter outside its range.
    """

    title = "RIDER"
    citation = "Xiao, Li, Wu, Gokmen and Chen, arXiv:2602.21321, 2026"
    cost = InMemory(tiles=2, composite=True, digital_matrices=1, words_moved=2, ops_per_word=3)
    settled = ("transfer_columns", "random_selection", "with_reset_prob")

    channel: Tracking

    def __init__(
        self,
        gamma: float = 0.2,
        track_lr: float = 0.01,
        transfer_every: float = 1.0,
        transfer_lr: float = 0.01,
        scale_transfer_lr: bool = False,
        n_reads_per_transfer: int | None = None,
        **inherited: Any,
    ) -> None:
        super().__init__(
            shares_of(gamma, 2),
            Schedule([transfer_every, 0.0], units_in_mbatch=True),
            Tracking(track_lr=track_lr),
            ("P", "W"),
            transfer_lr=transfer_lr,
            scale_transfer_lr=scale_transfer_lr,
            n_reads_per_transfer=n_reads_per_transfer,
            **inherited,
        )

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        super().update(x, d, lr)
        self.channel.end_batch()

    def compose(self) -> None:
        if self.composite is not None:  # Q changes everywhere, so all of it is recomputed
            (residual, main), average = self.tiles, self.get_buffer("average")
            share = self.gammas[0] * self.channel.sign
            if kernels.add_up(self.composite, [(residual.memory, share), (average, -share), (main.memory, 1.0)]):
                return
            torch.add(main.weight, residual.weight - average, alpha=share, out=self.composite)
