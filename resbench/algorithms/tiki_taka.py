"""Tiki-Taka, version 1: a fast tile gathers the gradient, a slow tile receives it column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resbench.algorithms.chain import TileChain, shares_of
from resbench.algorithms.schedules import Order, sweeps_or_periods
from resbench.costs import tt_v1


class TikiTaka(TileChain):
    """Tiki-Taka (TT-v1): the fast tile A follows the gradient, its columns are added to the slow tile C.

    ``A <- A - fast_lr d x^T``; every ``transfer_every`` mini-batches ``C[:, j] <- C[:, j] + transfer_lr A[:, j]`` for
    the next column j; the forward pass sees ``gamma A + C``. C moves by the average of A, so it is insensitive to the
    asymmetry that pulls A to zero. More than two tiles form a chain, in which each is the fast tile of the next.
    Source: behaviour of aihwkit 1.1.0 (``TransferCompound``). The defaults are those of aihwkit, except for ``fast_lr``
    and ``transfer_lr``, which are 1.0 in aihwkit and here those of arXiv:2510.02516.

    Args:
        transfer_every: mini-batches between two transfers out of the fast tile. Slower tiles wait for a full sweep of
            the tile before, ``v_(k+1) = v_k out / n_reads``, as in aihwkit's code (its documentation says ``in``). Or
            one period for each tile, fast tile first; the last is not used.

    The other arguments are those of :class:`~resbench.algorithms.chain.TileChain`.

    Raises:
        BadValue: for a parameter outside its range or a list of the wrong length.
    """

    title = "Tiki-Taka (TT-v1)"
    citation = "Gokmen and Haensch, Front. Neurosci. 14:103, 2020"
    cost = tt_v1()

    def __init__(
        self,
        tiles: int = 2,
        gamma: float | Sequence[float] = 0.0,
        transfer_every: float | Sequence[float] = 1.0,
        transfer_lr: float | Sequence[float] = 0.1,
        fast_lr: float | None = 0.01,
        units_in_mbatch: bool = True,
        order: Order = "cpu",
        **inherited: Any,
    ) -> None:
        super().__init__(
            shares_of(gamma, tiles),
            sweeps_or_periods(transfer_every, tiles, units_in_mbatch, order),
            transfer_lr=transfer_lr,
            fast_lr=fast_lr,
            **inherited,
        )
