"""Chopped Tiki-Taka (c-TTv2): signs that flip while the gradient is gathered cancel the offsets of the fast tile."""

from __future__ import annotations

import math
from typing import ClassVar, cast

import torch
from torch import Tensor

from resbench.algorithms.memory import running_rates
from resbench.algorithms.transfer import TransferChain, whole_period
from resbench.crossbar import kernels
from resbench.crossbar.periphery import IOParameters
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import ScaledRows

ONE_PULSE = PulseTrain(desired_bl=1, update_management=False, update_bl_management=False)


class ChoppedTikiTaka(TransferChain):
    """Chopped Tiki-Taka (c-TTv2): every column j has a sign a_j, every row i a sign b_i, that flip now and then.

    ``A <- A - eta (b d)(a x)^T``; after each ``transfer_every`` the next column j is read, ``h = H[:, j] + L a_j b
    A[:, j] / Theta``, ``s = trunc(h)`` pulses go to ``C[:, j]``, and where s is not 0 ``h <- momentum h``; then a_j may
    flip. A constant offset of A enters H with alternating sign and averages out. H is in units of the threshold
    ``Theta``, which is ``buffer_granularity`` steps of the fast tile. Behaviour of aihwkit's
    ``ChoppedTransferCompound``; with ``in_chop_prob: 0`` it is what aihwkit builds under the name of TT-v2.

    Args:
        in_chop_prob: probability that a column flips after it was read; 0 for never.
        in_chop_random: flip at random; false flips every ``1 / in_chop_prob`` sweeps.
        out_chop_prob: probability that a row flips after each sweep.
        transfer_every: mini-batches (or vectors) between two reads; a negative number -k stands for ``k states / in``
            of them, a sweep of which moves a device over k times its states.
        transfer_lr: factor on the values that are read.
        scale_transfer_lr: multiply it by the optimiser's rate.
        fast_lr: rate of the fast tile, relative to the largest products where ``auto_scale``; null takes the
            optimiser's rate.
        auto_scale: ``eta = fast_lr BL dw_min / (m_x m_d)`` with m_x and m_d running means of the largest inputs.
        auto_momentum: weight of the past in these means, for each mini-batch.
        buffer_granularity: threshold of the buffer in steps of the fast tile.
        auto_granularity: multiply the threshold by ``auto_granularity / (in |transfer_every|)``; 0 for not.
        correct_gradient_magnitudes: divide the values by the rate of the fast tile and by the ratio of the steps, so
            that H sums the gradient itself.
        momentum: share of the buffer that stays after a pulse.
        forget_buffer: keep ``momentum`` of the whole buffer; false subtracts what was passed on, but for ``momentum``.
        no_buffer: leave the buffer out: only what one read gives is passed on.
        step: pulses for each crossing of the threshold, in steps of the slow tile.
        units_in_mbatch: count ``transfer_every`` in mini-batches; false counts vectors, as the peer does by default:
            in a convolution a transfer for every position of every image, each a step of its own here.
        n_reads_per_transfer: columns in one transfer; null for all.
        transfer_columns: transfer columns; false transfers rows, then a_i and b_j change places.
        transfer_io: periphery of the transfer reads; null is perfect.
        pulses: pulse trains of the fast tile.
        transfer_pulses: pulse trains of the transfers; with the default exactly one pulse for each crossing.

    Raises:
        ValueError: for a parameter outside its range.
    """

    citation = "Rasch, Carta, Fagbohungbe and Gokmen, Nat. Commun. 15:7133, 2024"
    counters: ClassVar[tuple[str, ...]] = ("vectors", "pointers", "sweeps", "largest_x", "largest_d", "last_rate")

    buffer: Tensor
    line_signs: Tensor
    cross_signs: Tensor

    def __init__(
        self,
        in_chop_prob: float = 0.1,
        in_chop_random: bool = True,
        out_chop_prob: float = 0.0,
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
        no_buffer: bool = False,
        step: float = 1.0,
        units_in_mbatch: bool = True,
        n_reads_per_transfer: int | None = 1,
        transfer_columns: bool = True,
        transfer_io: IOParameters | None = None,
        pulses: PulseTrain = PulseTrain(desired_bl=5),
        transfer_pulses: PulseTrain = ONE_PULSE,
    ) -> None:
        super().__init__(
            transfer_every=[abs(transfer_every)],
            transfer_lr=[transfer_lr],
            scale_transfer_lr=scale_transfer_lr,
            fast_lr=fast_lr,
            units_in_mbatch=units_in_mbatch,
            n_reads_per_transfer=n_reads_per_transfer,
            transfer_columns=transfer_columns,
            transfer_io=transfer_io,
            pulses=pulses,
            transfer_pulses=transfer_pulses,
        )
        for name, probability in (("in_chop_prob", in_chop_prob), ("out_chop_prob", out_chop_prob)):
            if not 0 <= probability <= 1:
                raise ValueError(f"{name}: {probability} is not a probability; write 0 to 1")
        if not buffer_granularity > 0:
            raise ValueError(f"buffer_granularity: {buffer_granularity} must be above 0; write 1 for one step")
        self.in_chop_prob = in_chop_prob
        self.in_chop_random = in_chop_random
        self.out_chop_prob = out_chop_prob
        self.period_in_states = transfer_every < 0
        self.auto_scale = auto_scale
        self.auto_momentum = auto_momentum
        self.buffer_granularity = buffer_granularity
        self.auto_granularity = auto_granularity
        self.correct_gradient_magnitudes = correct_gradient_magnitudes
        self.momentum = momentum
        self.forget_buffer = forget_buffer
        self.no_buffer = no_buffer
        self.write_step = step

    @property
    def sweeps_per_phase(self) -> int:
        """Sweeps between two regular flips of a column."""
        return max(math.ceil(1 / self.in_chop_prob), 2) if self.in_chop_prob > 0 else 0

    def allocate(self) -> None:
        self.allocate_chain(("A", "C"), (0.0, 1.0))
        if self.period_in_states and not math.isfinite(self.tiles[0].device.state_count):
            raise ValueError(
                f"transfer_every: -{self.transfer_every[0]:g} counts states, of which this device has no number; write "
                "a period of 0 or above"
            )
        across = self.shape[0 if self.axis == "column" else 1]
        self.register_buffer("buffer", torch.zeros(self.shape))
        self.register_buffer("line_signs", torch.ones(self.lines))
        self.register_buffer("cross_signs", torch.ones(across))

    def start(self) -> None:
        super().start()
        self.sweeps = 0
        self.largest_x = self.largest_d = self.last_rate = 0.0
        self.buffer.zero_()
        self.line_signs.fill_(1)
        self.cross_signs.fill_(1)

    def periods(self, batch: int) -> list[int]:
        if self.period_in_states:
            states = self.tiles[0].device.state_count
            return [whole_period(states / self.lines * self.transfer_every[0])]
        return super().periods(batch)

    # The fast tile.

    def pulse_fast(self, x: Tensor, d: Tensor, lr: float) -> None:
        factors, rate = None, self.fast_lr or lr
        if self.auto_scale and self.fast_lr is not None:
            factors, rate = self.scaled(x, d)
        self.last_rate = rate
        x_signs = d_signs = None
        if self.in_chop_prob > 0 or self.out_chop_prob > 0:
            x_signs, d_signs = self.line_signs, self.cross_signs
            if self.axis == "row":
                x_signs, d_signs = d_signs, x_signs
        # Rows pass for tensors: every torch function takes them.
        self.pulse(cast(Tensor, ScaledRows(x, factors, x_signs)), cast(Tensor, ScaledRows(d, None, d_signs)), rate)

    def scaled(self, x: Tensor, d: Tensor) -> tuple[Tensor | None, float]:
        """Factors on x and a rate that pulse vector m at ``fast_lr BL dw_min / (m_x m_d)`` of its own running means.

        A tile takes one rate for all vectors, so the ratio to the last one goes into x: managed pulse probabilities
        depend on the product of rate and x alone.
        """
        tau = (1 - self.auto_momentum) / self.batch
        numerator = (self.fast_lr or 0.0) * self.pulses.desired_bl * self.step_of(0)
        rates, (self.largest_x, self.largest_d) = running_rates(
            kernels.row_maxima(x), kernels.row_maxima(d), (self.largest_x, self.largest_d), tau, numerator
        )
        rate = float(rates[-1])
        return (rates.to(x.dtype) / rate if len(rates) > 1 and rate > 0 else None), rate

    # The way to the slow tile.

    def write(self, source: int, target: int, lines: Tensor, values: Tensor, rate: float) -> None:
        for line, value in zip(lines.tolist(), values, strict=True):
            self.pass_on(target, line, value, rate)
            if self.flips(line):
                self.flip(line)
            if line == self.lines - 1:
                self.end_sweep()

    def pass_on(self, target: int, line: int, value: Tensor, rate: float) -> None:
        """Add what was read from one column to its buffer, and what crosses the threshold to the slow tile."""
        buffer = self.buffer[:, line] if self.axis == "column" else self.buffer[line]
        signs = self.line_signs[line] * self.cross_signs
        gathered = rate / self.threshold() * signs * self.signal(line, value)
        h = gathered if self.no_buffer else buffer + gathered
        s = self.whole(target, h)
        buffer.copy_(torch.where(s == 0, h, self.keep(h, s)))
        if self.writes and s.any():
            step = self.write_step * self.step_of(target)
            lines = torch.tensor([line], device=s.device)
            self.tiles[target].write(lines, s[None], step, self.transfer_pulses, self.axis)

    def threshold(self) -> float:
        """Theta, weight units."""
        theta = self.step_of(0) * self.buffer_granularity
        if self.auto_granularity > 0:
            theta *= self.auto_granularity / (self.lines * self.transfer_every[0])
        if self.correct_gradient_magnitudes:
            theta *= self.last_rate * self.step_of(1) / self.step_of(0)
        return theta

    def signal(self, line: int, value: Tensor) -> Tensor:
        """What one read contributes, before its sign."""
        return value

    def keep(self, h: Tensor, s: Tensor) -> Tensor:
        """What stays in the buffer where s pulses left."""
        return self.momentum * h if self.forget_buffer else h - (1 - self.momentum) * s

    @property
    def writes(self) -> bool:
        """Whether pulses go to the slow tile yet."""
        return True

    # The signs.

    def flips(self, line: int) -> bool:
        """Whether the sign of a column flips after this read."""
        if self.in_chop_prob == 0:
            return False
        if self.in_chop_random:
            return self.chance("chop", line) < self.in_chop_prob
        return self.sweeps % self.sweeps_per_phase == self.sweeps_per_phase - 1

    def flip(self, line: int) -> None:
        """Flip the sign of a column."""
        self.line_signs[line].neg_()

    def end_sweep(self) -> None:
        """Flip the signs of the rows after the last column was read."""
        if self.out_chop_prob > 0:
            signs = self.cross_signs
            chance = self.stream.child("cross chop").uniform(tuple(signs.shape), self.sweeps, device=signs.device)
            signs[chance < self.out_chop_prob] *= -1
        self.sweeps += 1

    def chance(self, purpose: str, line: int) -> float:
        """Uniform number for a column at this count of vectors."""
        return self.stream.child(purpose).number(line, self.vectors)
