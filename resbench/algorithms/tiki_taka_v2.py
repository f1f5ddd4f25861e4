"""Tiki-Taka, version 2: digital buffers between the tiles pass on whole pulses only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resbench.algorithms.chain import TileChain, shares_of
from resbench.algorithms.channels import ONE_PULSE, Buffer
from resbench.algorithms.schedules import Order, sweeps_or_periods
from resbench.costs import tt_v2
from resbench.crossbar.pulses import PulseTrain


class TikiTakaV2(TileChain):
    """Tiki-Taka with a buffer (TT-v2): what is read from the fast tile A is summed in a digital buffer H.

    ``A <- A - fast_lr d x^T``; every ``transfer_every`` mini-batches, for the next column j: ``h = H[:, j] + L
    A[:, j]`` with ``L = transfer_lr`` (times the optimiser's rate), ``s = trunc(h / theta)`` with ``theta =
    thres_scale dw_min``, s pulses on ``C[:, j]``, and where s is not 0 ``h <- momentum h``. The buffer filters the
    noise of A and of its reads. Slower tiles wait for full sweeps as in TT-v1. Between two visible tiles, a transfer is
    multiplied by ``gamma_from / gamma_to``. Source: behaviour of aihwkit 1.1.0 (``BufferedTransferCompound``). The
    defaults are those of the released MNIST script of arXiv:2510.02516.

    Args:
        transfer_pulses: pulse trains of the transfers; with the default exactly one pulse for each crossing.

    The other arguments are those of :class:`~resbench.algorithms.chain.TileChain`.

    Raises:
        BadValue: for a parameter outside its range or a list of the wrong length.
    """

    title = "TT-v2"
    citation = "Gokmen, Front. Artif. Intell. 4:699148, 2021"
    cost = tt_v2()
    settled = ("with_reset_prob",)

    def __init__(
        self,
        tiles: int = 2,
        gamma: float | Sequence[float] = 0.0,
        transfer_every: float | Sequence[float] = 1.0,
        fast_lr: float | None = 0.1,
        thres_scale: float = 1.0,
        momentum: float = 0.1,
        forget_buffer: bool = True,
        step: float = 1.0,
        units_in_mbatch: bool = True,
        order: Order = "cpu",
        pulses: PulseTrain = PulseTrain(desired_bl=10),
        transfer_pulses: PulseTrain = ONE_PULSE,
        **inherited: Any,
    ) -> None:
        super().__init__(
            shares_of(gamma, tiles),
            sweeps_or_periods(transfer_every, tiles, units_in_mbatch, order),
            Buffer(thres_scale=thres_scale, momentum=momentum, forget_buffer=forget_buffer, step=step),
            fast_lr=fast_lr,
            pulses=pulses,
            transfer_pulses=transfer_pulses,
            **inherited,
        )
