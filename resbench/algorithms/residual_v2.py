"""Residual learning v2 (RLv2): a residual tile, a digital moving average of it, and a main tile."""

from __future__ import annotations

import torch
from torch import Tensor

from resbench.algorithms.base import Algorithm
from resbench.algorithms.channels import ONE_PULSE
from resbench.costs import InMemory
from resbench.crossbar.kernels.sifted import Average
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows, circle
from resbench.errors import BadValue


class ResidualLearningV2(Algorithm):
    """Residual learning v2 (RLv2): a residual tile P learns the error of the main tile W, and W follows its average.

    ``P <- P - lr d x^T`` on the gradient of the mixed weight ``W + gamma P`` (equation 10); ``H <- (1 - beta) H + beta
    P`` in a digital buffer (equation 14). Where ``|H|`` reaches one step of the devices of W, W gets one pulse and the
    step is subtracted from H (section 5). If the devices of W have no granularity, W gets ``beta H`` (equation 15).

    Args:
        gamma: share of the residual tile in the weight that the forward pass sees; the paper finds 0.1 to 0.4 alike.
        beta: rate of the moving average, in (0, 1].
        pulses: pulse trains of the residual tile.

    Raises:
        BadValue: for a parameter outside its range.
    """

    title = "RLv2"
    citation = "Wu, Xiao, Gokmen, Fagbohungbe and Chen, NeurIPS 2025, arXiv:2502.06309"
    cost = InMemory(tiles=2, composite=True, digital_matrices=1, words_moved=2, ops_per_word=3, pulses_per_transfer=1)

    average: Tensor

    def __init__(self, gamma: float = 0.2, beta: float = 0.01, pulses: PulseTrain = PulseTrain()) -> None:
        super().__init__()
        if not 0 < gamma <= 1:
            raise BadValue("gamma", gamma, "is outside (0, 1]; write 0.1 to 0.4")
        if not 0 < beta <= 1:
            raise BadValue("beta", beta, "is outside (0, 1]; write a small rate such as 0.01")
        self.gamma = gamma
        self.beta = beta
        self.pulses = pulses

    def allocate(self) -> None:
        self.add_tile("P", self.gamma)
        self.add_tile("W")
        self.register_buffer("average", torch.zeros(self.shape))

    def start(self) -> None:
        self.average.zero_()

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        residual, main = self.tiles
        residual.update(x, d, lr, self.pulses)  # (10)
        columns, step = circle(self.shape[1], self.average.device)[: self.shape[1]], main.granularity
        if main.write_sifted(
            columns,
            self.average.t(),
            (step, 0.0, False, 1.0),
            step,
            ONE_PULSE,
            source=residual,
            only_busy=True,
            average=Average(self.beta, passes_difference=False),
        ):
            return
        self.average.lerp_(residual.read(columns).T, self.beta)  # (14)
        if step == 0:  # no pulses to wait for: (15)
            main.write(columns, self.average.T, self.beta)
            return
        fired = self.average.sign() * (self.average.abs() >= step)
        self.average.sub_(fired, alpha=step)
        busy = fired.any(dim=0)
        main.write(columns[busy], fired.T[busy], step, ONE_PULSE)
