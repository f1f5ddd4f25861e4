"""Chopped Tiki-Taka (c-TTv2): flipping signs of the gradient cancel the offsets of the fast tile."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from resbench.algorithms.chain import TileChain, shares_of
from resbench.algorithms.channels import ONE_PULSE
from resbench.algorithms.chopping import Chopped
from resbench.algorithms.schedules import periods_or_states
from resbench.costs import c_tt_v2
from resbench.crossbar import kernels
from resbench.crossbar.pulses import PulseTrain


class ChoppedTikiTaka(TileChain):
    """Chopped Tiki-Taka (c-TTv2): every column j has a sign a_j and every row i a sign b_i, which flip at times.

    ``A <- A - eta (b d)(a x)^T``; after each ``transfer_every`` the next column j is read, ``h = H[:, j] + L a_j b
    A[:, j] / Theta``, ``s = trunc(h)`` pulses go to ``C[:, j]``, and where s is not 0 ``h <- momentum h``; then a_j may
    flip. A constant offset of A enters H with alternating sign and averages out. H is in units of the threshold
    ``Theta``, which is ``buffer_granularity`` steps of the fast tile. Source: behaviour of aihwkit 1.1.0
    (``ChoppedTransferCompound``); with ``in_chop_prob: 0`` it is what aihwkit calls TT-v2.

    With ``gamma`` above 0 the forward pass sees ``C + gamma (b a^T) * A``, so A counts with its signs. A flip changes
    the sign of what is on a column already. ``with_reset_prob: 1`` clears the column after each read, so that nothing
    is there. This is the polarity inversion of Ambrogio et al., Nature 558:60, 2018.

    Args:
        gamma: share of the fast tile in the weight that the forward pass sees, in [0, 1].
        in_chop_prob: probability that a column flips after it was read; 0 for never.
        in_chop_random: flip at random; false flips every ``1 / in_chop_prob`` sweeps.
        out_chop_prob: probability that a row flips after each sweep.
        transfer_every: mini-batches (or vectors) between two reads; a negative number -k stands for ``k states / in``
            of them, a sweep of which moves a device over k times its states.
        fast_lr: rate of the fast tile, relative to the largest products if ``auto_scale``; null takes the optimiser's
            rate.
        auto_scale: ``eta = fast_lr BL dw_min / (m_x m_d)`` with m_x and m_d running means of the largest inputs.
        auto_momentum: weight of the past in these means, for each mini-batch.
        buffer_granularity: threshold of the buffer in steps of the fast tile.
        auto_granularity: multiply the threshold by ``auto_granularity / (in |transfer_every|)``; 0 leaves it.
        correct_gradient_magnitudes: divide the values by the rate of the fast tile and by the ratio of the steps, so
            that H sums the gradient itself.
        no_buffer: clear the buffer before each read, so that only this read is passed on.
        units_in_mbatch: count ``transfer_every`` in mini-batches. False counts vectors, as aihwkit does by default; a
            convolution has one for every position of every image.
        transfer_columns: transfer columns; false transfers rows, and a and b change places.
        transfer_pulses: pulse trains of the transfers; with the default exactly one pulse for each crossing.

    The other arguments are those of :class:`~resbench.algorithms.chain.TileChain`.

    Raises:
        BadValue: for a parameter outside its range.
    """

    title = "c-TTv2"
    citation = "Rasch, Carta, Fagbohungbe and Gokmen, Nat. Commun. 15:7133, 2024"
    cost = c_tt_v2()
    settled: ClassVar[tuple[str, ...]] = ("random_selection",)

    def __init__(
        self,
        in_chop_prob: float = 0.1,
        in_chop_random: bool = True,
        out_chop_prob: float = 0.0,
        transfer_every: float = 1.0,
        transfer_lr: float = 1.0,
        fast_lr: float | None = 0.1,
        auto_scale: bool = True,
        auto_momentum: float = 0.99,
        buffer_granularity: float = 1.0,
        auto_granularity: float = 0.0,
        correct_gradient_magnitudes: bool = False,
        momentum: float = 0.0,
        forget_buffer: bool = True,
        no_buffer: bool = False,
        step: float = 1.0,
        units_in_mbatch: bool = True,
        pulses: PulseTrain = PulseTrain(desired_bl=5),
        transfer_pulses: PulseTrain = ONE_PULSE,
        gamma: float = 0.0,
        **inherited: Any,
    ) -> None:
        super().__init__(
            shares_of(gamma, 2),
            periods_or_states(transfer_every, units_in_mbatch),
            Chopped(
                in_chop_prob=in_chop_prob,
                in_chop_random=in_chop_random,
                out_chop_prob=out_chop_prob,
                auto_scale=auto_scale and fast_lr is not None,
                auto_momentum=auto_momentum,
                pulses=pulses,
                buffer_granularity=buffer_granularity,
                auto_granularity=auto_granularity,
                period=abs(transfer_every),
                correct_gradient_magnitudes=correct_gradient_magnitudes,
                momentum=momentum,
                forget_buffer=forget_buffer,
                no_buffer=no_buffer,
                step=step,
            ),
            transfer_lr=transfer_lr,
            fast_lr=fast_lr,
            pulses=pulses,
            transfer_pulses=transfer_pulses,
            **inherited,
        )

    @property
    def is_composite(self) -> bool:
        return self.gammas[0] != 0

    def compose(self) -> None:
        if self.composite is not None:  # a sign is that of a whole line, so all of it is recomputed
            lines, across = (self.get_buffer(name) for name in ("line_signs", "cross_signs"))
            signs = (across, lines) if self.axis == "column" else (lines, across)
            fast, slow = self.tiles
            if kernels.add_up(self.composite, [(fast.memory, self.gammas[0]), (slow.memory, self.gammas[1])], signs):
                return
            torch.add(slow.weight, torch.outer(*signs) * fast.weight, alpha=self.gammas[0], out=self.composite)
