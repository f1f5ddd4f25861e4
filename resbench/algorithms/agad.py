"""AGAD (TT-v4): chopped Tiki-Taka that learns the symmetric point of the fast tile on the way."""

from __future__ import annotations

import torch
from torch import Tensor

from resbench.algorithms.chopped_tiki_taka import ONE_PULSE, ChoppedTikiTaka
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
        transfer_every: mini-batches (or vectors) between two reads; a negative number -k stands for ``k states / in``
            of them.
        transfer_lr: factor on the values that are read.
        scale_transfer_lr: multiply it by the optimiser's rate.
        fast_lr: rate of the fast tile, relative to the largest products where ``auto_scale``; null takes the
            optimiser's rate.
        auto_scale: ``eta = fast_lr BL dw_min / (m_x m_d)`` with m_x and m_d running means of the largest inputs.
        auto_momentum: weight of the past in these means, for each mini-batch.
        buffer_granularity: threshold of the buffer in steps of the fast tile.
        auto_granularity: multiply the threshold by ``auto_granularity / (in |transfer_every|)``; 0 for not.
        correct_gradient_magnitudes: divide the values by the rate of the fast tile and by the ratio of the steps.
        momentum: share of the buffer that stays after a pulse.
        forget_buffer: keep ``momentum`` of the whole buffer; false subtracts what was passed on, but for ``momentum``.
        step: pulses for each crossing of the threshold, in steps of the slow tile.
        units_in_mbatch: count ``transfer_every`` in mini-batches; false counts vectors, as the peer does by default.
        n_reads_per_transfer: columns in one transfer; null for all.
        transfer_columns: transfer columns; false transfers rows.
        transfer_io: periphery of the transfer reads; null is perfect.
        pulses: pulse trains of the fast tile.
        transfer_pulses: pulse trains of the transfers; with the default exactly one pulse for each crossing.

    Raises:
        ValueError: for a parameter outside its range.
    """

    mean: Tensor
    reference: Tensor
    flipped: Tensor

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
        if not in_chop_prob > 0:
            raise ValueError(f"in_chop_prob: {in_chop_prob} never flips; write more than 0, or take ChoppedTikiTaka")
        if not tail_weightening > 0:
            raise ValueError(f"tail_weightening: {tail_weightening} must be above 0")
        self.tail_weightening = tail_weightening
        self.buffer_cap = buffer_cap

    def allocate(self) -> None:
        super().allocate()
        self.register_buffer("mean", torch.zeros(self.shape))
        self.register_buffer("reference", torch.zeros(self.shape))
        self.register_buffer("flipped", torch.zeros(self.lines, dtype=torch.bool))

    def start(self) -> None:
        super().start()
        for memory in (self.mean, self.reference, self.flipped):
            memory.zero_()

    def signal(self, line: int, value: Tensor) -> Tensor:
        part = (slice(None), line) if self.axis == "column" else (line, slice(None))
        if self.flipped[line]:
            self.reference[part] = self.mean[part]
            self.flipped[line] = False
        decay = min(self.tail_weightening / self.sweeps_per_phase, 1.0)
        self.mean[part] = (1 - decay) * self.mean[part] + decay * value  # of the raw reads, and kept over flips
        return value - self.reference[part]

    def keep(self, h: Tensor, s: Tensor) -> Tensor:
        kept = super().keep(h, s)
        if self.buffer_cap > 0 and not self.forget_buffer:
            bound = self.buffer_cap * self.transfer_pulses.desired_bl
            kept = kept.clamp(-bound, bound)
        return kept

    @property
    def writes(self) -> bool:
        # In the first phase there is no reference yet; what crosses the threshold is dropped.
        return self.sweeps > self.sweeps_per_phase

    def flips(self, line: int) -> bool:
        regular = self.sweeps % self.sweeps_per_phase == self.sweeps_per_phase - 1
        return regular or (self.in_chop_random and self.chance("chop", line) < self.in_chop_prob)

    def flip(self, line: int) -> None:
        super().flip(line)
        self.flipped[line] = True
