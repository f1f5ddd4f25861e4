"""Mixed precision: the gradient is summed digitally, whole pulses go to the devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from resbench.algorithms.base import Algorithm
from resbench.algorithms.channels import step_of
from resbench.algorithms.torch_step import TorchRule, make_optimizer
from resbench.costs import mixed_precision
from resbench.crossbar.digital import take_steps
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows, outer_sum
from resbench.errors import BadValue

#: Where the rate of the optimiser belongs, for messages.
RATE = "the rate of the analog optimiser"


class MixedPrecision(Algorithm):
    """Mixed precision (MP): a digital matrix chi gathers the update, the one tile takes it in whole steps.

    ``chi <- chi + lr q(d) q(x)^T``; every ``transfer_every`` mini-batches, row by row: ``s = trunc(chi / epsilon)``,
    ``chi <- chi - epsilon s``, and s pulses go to W, at most one pulse train (what is beyond is lost). Accurate, at the
    price of a digital outer product for every sample and as many words of digital storage as weights. Behaviour of
    aihwkit's ``MixedPrecisionCompound``, which like here makes no transfer at the first mini-batch.

    With ``optimizer`` the gradient first passes through an optimiser of torch, and chi gathers its step: ``chi <- chi +
    (w - w')``, where the optimiser with rate lr takes the weight w to w' by the gradient ``q(d)^T q(x)`` summed over
    the mini-batch. So momentum, Adam or any other rule sees exact gradients, and the devices still take whole steps.
    What the optimiser remembers (two matrices for Adam) is digital storage beside chi.

    Args:
        transfer_every: mini-batches between two transfers.
        transfer_at: ``batch_end``: after all vectors of a mini-batch are in chi, as published and as in aihwkit's GPU
            code; ``first_vector``: after its first vector, aihwkit's CPU code.
        transfer_lr: factor on what is written.
        n_rows_per_transfer: rows in one transfer; null for all.
        random_row: start at a random row instead of the next one.
        granularity: epsilon, weight units; 0 takes the mean step of the devices.
        n_x_bins: levels to which x is rounded, relative to its maximum; 0 for none.
        n_d_bins: levels to which d is rounded.
        stoc_round_x: round x stochastically.
        stoc_round_d: round d stochastically.
        pulses: pulse trains of the transfers; both managements are always on.
        optimizer: a class of torch.optim such as ``torch.optim.AdamW``, with ``init_args`` but without a rate, which is
            that of the analog optimiser; null adds the gradient itself. Weight decay takes a read of W in every step.

    Raises:
        BadValue: for a parameter outside its range.
    """

    title = "Mixed precision"
    citation = "Nandakumar et al., Front. Neurosci. 14:406, 2020"
    cost = mixed_precision()
    counters = ("vectors", "next_row")

    chi: Tensor
    rule: TorchRule | None

    def __init__(
        self,
        transfer_every: int = 1,
        transfer_at: Literal["batch_end", "first_vector"] = "batch_end",
        transfer_lr: float = 1.0,
        n_rows_per_transfer: int | None = None,
        random_row: bool = False,
        granularity: float = 0.0,
        n_x_bins: int = 0,
        n_d_bins: int = 0,
        stoc_round_x: bool = True,
        stoc_round_d: bool = True,
        pulses: PulseTrain = PulseTrain(),
        optimizer: Callable[[ParamsT, float], torch.optim.Optimizer] | None = None,
    ) -> None:
        super().__init__()
        if transfer_every < 1:
            raise BadValue("transfer_every", transfer_every, "must be a whole number of mini-batches, 1 or more")
        if n_rows_per_transfer is not None and n_rows_per_transfer < 1:
            raise BadValue("n_rows_per_transfer", n_rows_per_transfer, "must be 1 or more; leave it out for all rows")
        for name, bins in (("n_x_bins", n_x_bins), ("n_d_bins", n_d_bins)):
            if bins < 0 or bins == 1:
                raise BadValue(name, bins, "cannot tell signs apart; write 2 or more, or 0 for no rounding")
        if optimizer is not None:
            if transfer_at != "batch_end":
                raise BadValue(
                    "transfer_at",
                    transfer_at,
                    "cuts gradients, of which an optimizer takes whole ones; write batch_end",
                )
            make_optimizer("optimizer", optimizer, [nn.Parameter(torch.zeros(1, 1))], 1.0, RATE)
        self.transfer_every = transfer_every
        self.transfer_at = transfer_at
        self.transfer_lr = transfer_lr
        self.n_rows_per_transfer = n_rows_per_transfer
        self.random_row = random_row
        self.granularity = granularity
        self.bins = (n_x_bins, n_d_bins)
        self.stochastic = (stoc_round_x, stoc_round_d)
        self.pulses = dataclasses.replace(pulses, update_management=True, update_bl_management=True)
        self.optimizer = optimizer

    def allocate(self) -> None:
        self.add_tile("W")
        self.register_buffer("chi", torch.zeros(self.shape))
        self.rule = None if self.optimizer is None else TorchRule(self.optimizer, self, self.chi)

    def start(self) -> None:
        self.vectors = 0
        self.next_row = 0
        self.chi.zero_()
        if self.rule is not None:
            self.rule.start()

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        if any(self.bins):
            x, d = (Rows(self.quantise(rows.dense(), side)) for side, rows in enumerate((x, d)))
        for first, stop, is_due in self.stretches(x.shape[0]):
            gradient = self.gradient(x, d, first, stop)
            if self.rule is None:
                self.chi.add_(gradient, alpha=lr)
            else:
                self.chi.add_(self.rule.step(self.weight, gradient, lr, is_first=self.vectors == 0))
            if is_due:
                self.transfer()
        self.vectors += x.shape[0]

    def stretches(self, batch: int) -> Iterator[tuple[int, int, bool]]:
        """(first, stop, is_due): vectors of a mini-batch that are summed, and whether a transfer follows them."""
        if self.transfer_at == "batch_end":
            done = self.vectors // batch
            yield 0, batch, done > 0 and done % self.transfer_every == 0
            return
        period, stop = self.transfer_every * batch, 0
        while stop < batch:
            # A transfer follows the vector before which the count is a multiple of the period, but not the first.
            first, stop = stop, min(batch, stop + 1 + -(self.vectors + stop) % period)
            last = self.vectors + stop - 1
            yield first, stop, last > 0 and last % period == 0

    def gradient(self, x: Rows, d: Rows, first: int, stop: int) -> Tensor:
        """``sum_m d_m x_m^T`` over some vectors of a mini-batch; a whole one is summed without laying out patches."""
        if stop < x.shape[0]:
            return outer_sum(d[first:stop], x[first:stop])
        return outer_sum(d, x) - outer_sum(d[:first], x[:first]) if first > 0 else outer_sum(d, x)

    def transfer(self) -> None:
        """Move whole steps of the next rows from chi to the tile."""
        rows = self.shape[0]
        count = min(self.n_rows_per_transfer or rows, rows)
        if self.random_row and count < rows:
            self.next_row = int(self.stream.child("row").number(self.vectors) * rows)
        tile = self.tiles[0]
        epsilon = self.granularity or step_of(tile)
        taken = take_steps(self.chi, self.next_row, count, epsilon, tile.is_continuous)
        self.next_row = (self.next_row + count) % rows
        if taken is not None:
            tile.write(*taken, -epsilon * self.transfer_lr, self.pulses, axis="row")

    def quantise(self, values: Tensor, side: int) -> Tensor:
        """``q(v) = w clip(rint(v / w), -h, h)`` for each vector, ``h = floor(bins / 2)``, ``w = max|v| / h``."""
        half = self.bins[side] // 2
        if half == 0:
            return values
        width = values.abs().amax(dim=1, keepdim=True) / half
        levels = values / torch.where(width == 0, 1.0, width)
        if self.stochastic[side]:
            stream = self.stream.child("rounding", side)
            levels = levels + stream.uniform(tuple(values.shape), self.vectors, device=values.device) - 0.5
        return width * torch.round(levels).clamp(-half, half)
