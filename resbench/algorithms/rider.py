"""RIDER: residual learning that tracks the symmetric point of the residual tile while it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from resbench.algorithms.base import Algorithm
from resbench.algorithms.chain import TileChain
from resbench.algorithms.channels import Channel
from resbench.algorithms.schedules import Schedule
from resbench.costs import InMemory
from resbench.crossbar.checks import Axis
from resbench.crossbar.periphery import IOParameters
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows
from resbench.errors import BadValue


@dataclass(kw_only=True, eq=False)
class Tracking(Channel):
    """A digital average Q of what is read from the residual tile, and a sign c of its gradients (1 without chopper).

    Attributes:
        sign: c.
        batches: mini-batches so far, the counter of the draws of c.

    Raises:
        BadValue: for a rate or a probability outside its range.
    """

    counters: ClassVar[tuple[str, ...]] = ("sign", "batches")

    track_lr: float
    chop_prob: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.track_lr <= 1:
            raise BadValue("track_lr", self.track_lr, "is outside (0, 1]; write a small rate such as 0.01")
        if not 0 <= self.chop_prob <= 1:
            raise BadValue("chop_prob", self.chop_prob, "is not a probability; write 0 to 1")

    def allocate(self, owner: Algorithm, axis: Axis, transfer_pulses: PulseTrain) -> None:
        super().allocate(owner, axis, transfer_pulses)
        owner.register_buffer("average", torch.zeros(owner.shape))

    def start(self) -> None:
        self.sign, self.batches = 1.0, 0
        self.owner.get_buffer("average").zero_()

    def enter(self, x: Rows, d: Rows, rate: float, batch: int) -> tuple[Rows, Rows, float]:
        return x, d, rate * self.sign  # a negative rate climbs: the tile takes c d x^T

    def pass_on(self, source: int, lines: Tensor, values: Tensor, rate: float, now: int) -> tuple[Tensor, float] | None:
        average = self.buffer("average")
        residual = values - average[lines]
        average[lines] += self.track_lr * residual
        return residual, rate * self.sign

    def end_batch(self) -> None:
        """Flip the sign by chance."""
        self.batches += 1
        if self.chop_prob > 0 and self.owner.stream.child("chop").number(self.batches) < self.chop_prob:
            self.sign = -self.sign


class RIDER(TileChain):
    """RIDER: a residual tile P and a main tile W; a digital average Q of P follows the symmetric point of P.

    With the gradient at ``W + gamma (P - Q)``: ``P <- P - fast_lr d x^T``; then for the columns that are due ``W <- W +
    transfer_lr (P - Q)`` by pulses and ``Q <- Q + track_lr (P - Q)``. Noise drives P to the symmetric point of its
    devices, and Q comes after, so the offset of P is neither in the forward pass nor in what W receives.

    Where every write is exact, ``W - (transfer_lr / track_lr) Q`` never changes. So W and Q cannot both go where they
    should, unless the asymmetry of W helps; on least squares Q does not reach the symmetric point. :class:`ERIDER` has
    no such bond. Written from a summary of arXiv:2602.21321, whose full text was not at hand: the defaults are those
    of our least squares, not of the paper.

    Args:
        gamma: share of ``P - Q`` in the weight that the forward pass sees, in [0, 1].
        track_lr: share of the way that Q goes to P at each read, in (0, 1].
        transfer_every: mini-batches between two reads.
        transfer_lr: factor on ``P - Q`` where it is added to W.
        scale_transfer_lr: multiply ``transfer_lr`` by the optimiser's rate.
        n_reads_per_transfer: columns in one transfer, taken in turn; null for the whole matrix, as in the paper.

    The other arguments are those of :class:`~resbench.algorithms.chain.TileChain`.

    Raises:
        BadValue: for a parameter outside its range.
    """

    title = "RIDER"
    citation = "Xiao, Li, Wu, Gokmen and Chen, arXiv:2602.21321, 2026"
    cost = InMemory(tiles=2, composite=True, digital_matrices=1, words_moved=2, ops_per_word=3)

    channel: Tracking

    def __init__(
        self,
        gamma: float = 0.2,
        track_lr: float = 0.01,
        transfer_every: float = 1.0,
        transfer_lr: float = 0.01,
        scale_transfer_lr: bool = False,
        fast_lr: float | None = None,
        n_reads_per_transfer: int | None = None,
        transfer_io: IOParameters | None = None,
        pulses: PulseTrain = PulseTrain(),
        transfer_pulses: PulseTrain = PulseTrain(),
    ) -> None:
        if not 0 <= gamma <= 1:
            raise BadValue("gamma", gamma, "is outside [0, 1]; write 0.1 to 0.4, or 0 to hide the residual tile")
        super().__init__(
            shares=(gamma, 1.0),
            schedule=Schedule([transfer_every, 0.0], units_in_mbatch=True),
            channel=Tracking(track_lr=track_lr),
            transfer_lr=transfer_lr,
            scale_transfer_lr=scale_transfer_lr,
            fast_lr=fast_lr,
            n_reads_per_transfer=n_reads_per_transfer,
            transfer_io=transfer_io,
            pulses=pulses,
            transfer_pulses=transfer_pulses,
            names=("P", "W"),
        )

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        super().update(x, d, lr)
        self.channel.end_batch()

    def compose(self) -> None:
        if self.composite is not None:  # Q changes everywhere, so all of it is computed anew
            residual, main = self.tiles
            difference = residual.weight - self.get_buffer("average")
            torch.add(main.weight, difference, alpha=self.gammas[0] * self.channel.sign, out=self.composite)
