"""Tiki-Taka, version 1: a fast tile gathers the gradient, a slow tile receives it column by column."""

from __future__ import annotations

from collections.abc import Sequence

from resbench.algorithms.transfer import TransferChain
from resbench.crossbar.pulses import PulseTrain


class TikiTaka(TransferChain):
    """Tiki-Taka (TT-v1): the fast tile A follows the gradient, its columns are added to the slow tile C, which holds the weight.

    ``A <- A - fast_lr d x^T``; every ``transfer_every`` mini-batches ``C[:, j] <- C[:, j] + transfer_lr A[:, j]`` for
    the next column j; the forward pass sees ``gamma A + C``. Because C moves by the average of A, it is insensitive
    to the asymmetry that pulls A to zero.

    Args:
        gamma: share of the fast tile in the weight that the forward pass sees; 0 hides it.
        fast_lr: rate of the fast tile; null takes the optimiser's rate.
        transfer_every: mini-batches between two transfers.
        transfer_lr: factor on the transferred values.
        scale_transfer_lr: multiply it by the optimiser's rate.
        units_in_mbatch: count periods in mini-batches; false counts vectors.
        n_reads_per_transfer: columns in one transfer.
        transfer_columns: transfer columns; false transfers rows.
        random_selection: start at a random column instead of the next one.
        with_reset_prob: probability to reset a column of the fast tile after it was read.
        pulses: pulse trains of the fast tile.
        transfer_pulses: pulse trains of the transfers.
    """

    citation = "Gokmen and Haensch, Front. Neurosci. 14:103, 2020"

    def __init__(
        self,
        gamma: float = 0.0,
        fast_lr: float | None = 0.01,
        transfer_every: float = 1.0,
        transfer_lr: float | Sequence[float] = 0.1,
        scale_transfer_lr: bool = True,
        units_in_mbatch: bool = True,
        n_reads_per_transfer: int = 1,
        transfer_columns: bool = True,
        random_selection: bool = False,
        with_reset_prob: float = 0.0,
        pulses: PulseTrain = PulseTrain(),
        transfer_pulses: PulseTrain = PulseTrain(),
    ) -> None:
        super().__init__(
            fast_lr, transfer_every, transfer_lr, scale_transfer_lr, units_in_mbatch, n_reads_per_transfer,
            transfer_columns, random_selection, with_reset_prob, pulses, transfer_pulses,
        )  # fmt: skip
        if not 0 <= gamma <= 1:
            raise ValueError(f"gamma: {gamma} is outside [0, 1]; write 0 to hide the fast tile")
        self.gamma = gamma

    def allocate(self) -> None:
        self.allocate_chain(("A", "C"), (self.gamma, 1.0))
