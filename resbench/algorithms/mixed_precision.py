"""Mixed precision: the gradient is summed digitally, whole pulses go to the devices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from resbench.algorithms.base import Algorithm
from resbench.algorithms.channels import step_of
from resbench.algorithms.schedules import DigitalSchedule, TransferAt
from resbench.algorithms.torch_step import TorchRule
from resbench.costs import mixed_precision
from resbench.crossbar.digital import PairRounding, take_steps
from resbench.crossbar.kernels import runs_ahead
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows, circle, part_of_outer_sum
from resbench.errors import BadValue, check_whole


class MixedPrecision(Algorithm):
    """Mixed precision (MP): a digital matrix chi sums the update, and the only tile W takes whole steps from it.

    ``chi <- chi + lr q(d) q(x)^T``. Every ``transfer_every`` mini-batches, but not at the first: ``s = trunc(chi /
    epsilon)`` of some rows, ``chi <- chi - epsilon s``, and W gets s pulses, at most one pulse train; what is beyond is
    lost. This is accurate, and costs a digital outer product for every sample and as many words of digital storage as
    weights. Source: behaviour of aihwkit 1.1.0 (``MixedPrecisionCompound``).

    Args:
        transfer_every: mini-batches between two transfers.
        transfer_at: ``batch_end``: after all vectors of a mini-batch are in chi, as published and as in aihwkit's GPU
            code; ``first_vector``: after its first vector, as in aihwkit's CPU code.
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
            that of the analog optimiser. It gets the exact gradient of a mini-batch, and chi sums its steps. What it
            remembers (two matrices for Adam) is digital storage too, and weight decay reads W in every step. Null adds
            the gradient itself.

    Raises:
        BadValue: for a parameter outside its range.
    """

    title = "Mixed precision"
    citation = "Nandakumar et al., Front. Neurosci. 14:406, 2020"
    cost = mixed_precision()
    counters = ("vectors", "next_row")

    chi: Tensor

    def __init__(
        self,
        transfer_every: int = 1,
        transfer_at: TransferAt = "batch_end",
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
        self.schedule = DigitalSchedule(transfer_every, transfer_at)
        if n_rows_per_transfer is not None:
            hint = "must be a whole number of 1 or more; leave it out for all rows"
            check_whole("n_rows_per_transfer", n_rows_per_transfer, 1, hint)
        if not 0 <= transfer_lr < math.inf:
            raise BadValue("transfer_lr", transfer_lr, "is no factor; write 0 or above")
        if not 0 <= granularity < math.inf:
            raise BadValue("granularity", granularity, "is no step; write one above 0, or 0 for that of the devices")
        if optimizer is not None and transfer_at != "batch_end":
            raise BadValue("transfer_at", transfer_at, "cuts gradients, an optimizer takes whole ones; write batch_end")
        TorchRule.check(optimizer)
        self.transfer_lr = transfer_lr
        self.n_rows_per_transfer = n_rows_per_transfer
        self.random_row = random_row
        self.granularity = granularity
        self.rounding = PairRounding(n_x_bins, n_d_bins, stoc_round_x, stoc_round_d)
        self.pulses = dataclasses.replace(pulses, update_management=True, update_bl_management=True)
        self.optimizer = optimizer

    def allocate(self) -> None:
        self.add_tile("W")
        self.register_buffer("chi", torch.zeros(self.shape))
        self.rule = TorchRule(self.optimizer, self, self.chi)

    def start(self) -> None:
        self.vectors = self.next_row = 0
        self.chi.zero_()
        self.rule.start()

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        if x.shape[0] == 0:  # no mini-batch to count; only here, because other algorithms count such an update
            return
        x, d = self.rounding(x, d, self.stream, self.vectors)
        for first, stop, is_due in self.schedule.walk(self.vectors, x.shape[0]):
            gradient = part_of_outer_sum(d, x, first, stop)
            self.rule.add(self.chi, self.weight, gradient, lr, is_first=self.vectors == 0)
            if is_due:
                self.transfer()
        self.vectors += x.shape[0]

    def transfer(self) -> None:
        """Move whole steps of the next rows from chi to the tile."""
        tile, rows = self.tiles[0], self.shape[0]
        count = min(self.n_rows_per_transfer or rows, rows)
        if self.random_row and count < rows:
            self.next_row = int(self.stream.child("row").number(self.vectors) * rows)
        epsilon = self.granularity or step_of(tile)
        rate, first = -epsilon * self.transfer_lr, self.next_row
        self.next_row = (first + count) % rows
        if runs_ahead(self.chi):
            lines, rule = circle(rows, self.chi.device)[first : first + count], (epsilon, 0.0, False, math.inf)
            if tile.write_sifted(lines, self.chi, rule, rate, self.pulses, axis="row", only_busy=True):
                return
        taken = take_steps(self.chi, first, count, epsilon, tile.is_continuous)
        if taken is not None:
            tile.write(*taken, rate, self.pulses, axis="row")
