"""Multi-tile residual learning: each faster tile learns what the slower ones cannot represent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from torch import Tensor

from resbench.algorithms.base import series
from resbench.algorithms.chain import TileChain
from resbench.algorithms.schedules import RELEASED_PLATEAU, WARM_STARTS, Count, Plateau, Schedule, ScheduleName
from resbench.costs import residual
from resbench.errors import BadValue, check_choice, check_whole

InitialWeights = Literal["slowest", "decomposed"]


class ResidualLearning(TileChain):
    """Residual learning on N+1 tiles: each tile learns the residual of the slower ones, at gamma times their scale.

    The forward pass sees ``W = sum_n gamma^n W^(n)``; the fastest tile ``W^(N)`` follows the gradient of the composite
    loss, ``W^(N) <- W^(N) - alpha d x^T``, and ``W^(n) <- W^(n) + beta_n W^(n+1)`` every ``T_(n+1)`` mini-batches
    (arXiv:2510.02516, Algorithm 1 and Theorem 3). In the paper, number 0 is the slowest tile; in the released code it
    is the fastest. Tiles are listed fast first and have both numbers in their name: ``tile0_W3`` is the fastest of
    four. Text, pseudo-code and released code of the paper disagree in places; each of these choices is an argument.
    ``docs/least-squares.md`` shows settings with which the error falls with every tile.

    Args:
        tiles: number of tiles, N + 1.
        gamma: ratio of scale from a tile to the next faster one, in (0, 1]; or one share for each tile, fast first.
        transfer_every: period of the fastest tile in mini-batches, or one for each tile, fast first; the last is not
            used.
        transfer_every_growth: ratio of the period from a tile to the next slower one (5 for MNIST, 2 for CIFAR).
        transfer_lr: beta of tile k is ``transfer_lr transfer_lr_growth^(n-1-k)``, a factor on what is read from it; or
            one for each tile, fast first; the last is not used.
        transfer_lr_growth: ratio of beta from a tile to the next faster one; 1 in the pseudo-code, which has one beta.
        scale_transfer_lr: multiply beta by the optimiser's rate. False in the paper and the released MNIST script, true
            in the released CIFAR script.
        fast_lr: alpha; null takes the optimiser's rate, as the theory does. In the released scripts it stays at 1.0,
            and only the digital parameters follow the optimiser and its schedule; with few tiles this diverges.
        schedule: ``chain``: all transfers from the first step on, as in the theory. This is the default, because a warm
            start corrects nothing while it waits for its next switch, for at least two epochs each. ``paper``: warm
            start of Algorithm 1. ``released-cpu``, ``released-gpu``: warm starts of the released code.
        plateau: when a warm start moves on.
        count: ``global``: the periods of all tiles count mini-batches, as in the released code. ``local``: a slower
            tile counts the transfers that it received, as in Algorithm 1, so that periods multiply along the chain.
        initial_weights: ``slowest``: on the slowest tile. ``decomposed``: each faster tile takes what the slower ones
            could not represent, divided by its gamma.
        n_reads_per_transfer: columns in one transfer, taken in turn; null for the whole matrix, as in Algorithm 1.
        transfer_io: periphery of the transfer reads, null is perfect; the released CIFAR script has it noisy.

    The other arguments are those of :class:`~resbench.algorithms.chain.TileChain`.

    Raises:
        BadValue: for a parameter outside its range, an unknown choice, or a list of the wrong length.
    """

    title = "Residual"
    citation = "Li, Wu, Liu, Gokmen and Chen, arXiv:2510.02516, 2025"
    cost = residual(tiles=4)
    settled = ("transfer_columns", "random_selection", "with_reset_prob")

    def __init__(
        self,
        tiles: int = 4,
        gamma: float | Sequence[float] = 0.5,
        transfer_every: float | Sequence[float] = 2.0,
        transfer_every_growth: float = 5.0,
        transfer_lr: float | Sequence[float] = 0.1,
        transfer_lr_growth: float = 1.2,
        scale_transfer_lr: bool = False,
        schedule: ScheduleName = "chain",
        plateau: Plateau = RELEASED_PLATEAU,
        count: Count = "global",
        initial_weights: InitialWeights = "slowest",
        units_in_mbatch: bool = True,
        **inherited: Any,
    ) -> None:
        check_whole("tiles", tiles, 1, "is not a number of tiles; write a whole number of 1 or more")
        check_choice("schedule", schedule, get_args(ScheduleName))
        check_choice("initial_weights", initial_weights, get_args(InitialWeights))
        if count == "local" and schedule.startswith("released"):
            raise BadValue("count", "local", f"does not exist for schedule {schedule}; write global")
        last = tiles - 1
        shares = series("gamma", gamma, tiles, lambda share, k: share ** (last - k))
        if not all(0 < share <= 1 for share in shares):
            raise BadValue("gamma", gamma, "is outside (0, 1]; write the scale relative to the next slower tile")
        every = series("transfer_every", transfer_every, tiles, lambda period, k: period * transfer_every_growth**k)
        rates = series("transfer_lr", transfer_lr, tiles, lambda beta, k: beta * transfer_lr_growth ** (last - k))
        when = (
            Schedule(every, units_in_mbatch, count=count)
            if schedule == "chain"
            else WARM_STARTS[schedule](every, units_in_mbatch, count, plateau)
        )
        names = [f"tile{k}_W{last - k}" for k in range(tiles)]
        super().__init__(shares, when, None, names, transfer_lr=rates, scale_transfer_lr=scale_transfer_lr, **inherited)
        self.initial_weights = initial_weights

    def place(self, weight: Tensor) -> None:
        if self.initial_weights == "slowest":
            return super().place(weight)
        residual = weight
        for gamma, tile in zip(reversed(self.gammas), reversed(self.tiles), strict=True):
            tile.program(residual / gamma)
            residual = residual - gamma * tile.weight
