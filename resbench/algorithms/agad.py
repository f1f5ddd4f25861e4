"""AGAD (TT-v4): chopped Tiki-Taka that learns the symmetric point of the fast tile on the way."""

from __future__ import annotations

from resbench.algorithms.channels import ONE_PULSE
from resbench.algorithms.chopped_tiki_taka import ChoppedTikiTaka
from resbench.algorithms.chopping import Dynamic
from resbench.costs import agad
from resbench.crossbar.periphery import IOParameters
from resbench.crossbar.pulses import PulseTrain


class AGAD(ChoppedTikiTaka):
    """Analog gradient accumulation with dynamic reference (AGAD): what A held in the last phase is subtracted.

    As chopped Tiki-Taka, but ``h = H[:, j] + L a_j b (A[:, j] - R[:, j]) / Theta``. M is a running mean of the reads,
    ``M <- (1 - lambda) M + lambda A[:, j]``, and after a flip of a_j the reference R takes its value: with the sign the
    direction of the gradient turns, and what does not turn with it is the offset of the device. Behaviour of aihwkit's
    ``DynamicTransferCompound`` on its CPU.

    Args:
        in_chop_prob: a column flips every ``n = max(ceil(1 / in_chop_prob), 2)`` sweeps.
        in_chop_random: flip with probability ``in_chop_prob`` after a read too.
        tail_weightening: ``lambda = min(tail_weightening / n, 1)``.
        buffer_cap: bound of the buffer in pulse trains, where ``forget_buffer`` is false; 0 for none.

    The other arguments are those of :class:`~resbench.algorithms.ChoppedTikiTaka`.

    Raises:
        BadValue: for a parameter outside its range.
    """

    title = "AGAD"
    citation = "Rasch, Carta, Fagbohungbe and Gokmen, Nat. Commun. 15:7133, 2024"
    cost = agad()

    def __init__(
        self,
        in_chop_prob: float = 0.1,
        in_chop_random: bool = False,
        tail_weightening: float = 5.0,
        buffer_cap: float = 0.0,
        transfer_every: float = 1.0,
        transfer_lr: float = 1.0,
        scale_transfer_lr: bool = True,
        fast_lr: float | None = 0.1,
        auto_scale: bool = True,
        auto_momentum: float = 0.99,
        buffer_granularity: float = 1.0,
        auto_granularity: float = 0.0,
        correct_gradient_magnitudes: bool = False,
        momentum: float = 0.0,
        forget_buffer: bool = True,
        step: float = 1.0,
        units_in_mbatch: bool = True,
        n_reads_per_transfer: int | None = 1,
        transfer_columns: bool = True,
        transfer_io: IOParameters | None = None,
        pulses: PulseTrain = PulseTrain(desired_bl=5),
        transfer_pulses: PulseTrain = ONE_PULSE,
    ) -> None:
        super().__init__(
            in_chop_prob=in_chop_prob,
            in_chop_random=in_chop_random,
            transfer_every=transfer_every,
            transfer_lr=transfer_lr,
            scale_transfer_lr=scale_transfer_lr,
            fast_lr=fast_lr,
            auto_scale=auto_scale,
            auto_momentum=auto_momentum,
            buffer_granularity=buffer_granularity,
            auto_granularity=auto_granularity,
            correct_gradient_magnitudes=correct_gradient_magnitudes,
            momentum=momentum,
            forget_buffer=forget_buffer,
            step=step,
            units_in_mbatch=units_in_mbatch,
            n_reads_per_transfer=n_reads_per_transfer,
            transfer_columns=transfer_columns,
            transfer_io=transfer_io,
            pulses=pulses,
            transfer_pulses=transfer_pulses,
        )
        self.channel = Dynamic(**vars(self.channel), tail_weightening=tail_weightening, buffer_cap=buffer_cap)
