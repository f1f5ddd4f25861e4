"""Channels for gradients with signs that flip: chopped, and chopped with a dynamic reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from resbench.algorithms.base import Algorithm
from resbench.algorithms.channels import Channel, check_probability, check_share, check_step, longest_train, step_of
from resbench.crossbar import kernels
from resbench.crossbar.checks import Axis
from resbench.crossbar.digital import BufferRule, sift
from resbench.crossbar.kernels.sifted import Chop, Correction, Reference
from resbench.crossbar.kernels.together import TOGETHER
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows, ScaledRows
from resbench.crossbar.tile import Tile
from resbench.errors import BadValue


@dataclass(kw_only=True, eq=False)
class Chopped(Channel):
    """A buffer for gradients with signs: a_j for column j and b_i for row i, which flip from time to time.

    The arguments and the rule are those of :class:`~resbench.algorithms.ChoppedTikiTaka`. ``pulses`` are the pulse
    trains of the fast tile, ``period`` is the time between two reads, and ``sweeps`` counts full sweeps.

    Attributes:
        late: float64 ``[3]``, ``largest_x``, ``largest_d`` and ``last_rate`` where a GPU changes them; None where the
            host knows them. :meth:`read_late` reads them.

    Raises:
        BadValue: for a probability or momentum outside [0, 1], a threshold or step that is not above 0, and a negative
            ``auto_granularity``.
    """

    counters: ClassVar[tuple[str, ...]] = ("sweeps", "largest_x", "largest_d", "last_rate")
    lines_at_once: ClassVar[int] = 1  # a sign may flip after every read

    in_chop_prob: float
    in_chop_random: bool
    out_chop_prob: float
    auto_scale: bool
    auto_momentum: float
    pulses: PulseTrain
    buffer_granularity: float
    auto_granularity: float
    period: float
    correct_gradient_magnitudes: bool
    momentum: float
    forget_buffer: bool
    no_buffer: bool
    step: float

    def __post_init__(self) -> None:
        check_probability("in_chop_prob", self.in_chop_prob)
        check_probability("out_chop_prob", self.out_chop_prob)
        if not self.buffer_granularity > 0:
            raise BadValue("buffer_granularity", self.buffer_granularity, "must be above 0; write 1 for one step")
        if not 0 <= self.auto_granularity < math.inf:
            raise BadValue("auto_granularity", self.auto_granularity, "is impossible; write 0 to leave the threshold")
        check_share("momentum", self.momentum)
        check_share("auto_momentum", self.auto_momentum)
        check_step(self.step)

    def allocate(self, owner: Algorithm, axis: Axis, transfer_pulses: PulseTrain) -> None:
        super().allocate(owner, axis, transfer_pulses)
        self.lines, across = reversed(owner.shape) if axis == "column" else owner.shape
        self.fast_step, self.slow_step = (step_of(tile) for tile in owner.tiles)
        # H is in units of the threshold, so the threshold of the rule is 1.
        self.rule = BufferRule(1.0, self.momentum, self.forget_buffer, longest_train(owner.tiles[1], transfer_pulses))
        self.store("buffer", owner.shape)
        self.store("line_signs", (self.lines,), 1.0)
        self.store("cross_signs", (across,), 1.0)

    def start(self) -> None:
        super().start()
        self.sweeps = 0
        self.largest_x = self.largest_d = self.last_rate = 0.0
        self.late: Tensor | None = None

    def read_late(self) -> None:
        """Read the numbers that a GPU has changed, for which the host waits."""
        if self.late is not None:
            if TOGETHER.finish is not None:
                TOGETHER.finish()
            self.largest_x, self.largest_d, self.last_rate = self.late.tolist()
            self.late = None

    def state(self) -> dict[str, Any]:
        self.read_late()
        return super().state()

    def restore(self, state: dict[str, Any]) -> None:
        self.late = None
        super().restore(state)

    @property
    def signs(self) -> tuple[Tensor, Tensor]:
        """The signs a_j of the lines that are read, and the signs b_i of the lines across."""
        return self.owner.get_buffer("line_signs"), self.owner.get_buffer("cross_signs")

    @property
    def sweeps_per_phase(self) -> int:
        """Number of sweeps between two regular flips of a column."""
        return max(math.ceil(1 / self.in_chop_prob), 2)

    @property
    def ends_phase(self) -> bool:
        """Whether this sweep is the last before a regular flip."""
        return self.sweeps % self.sweeps_per_phase == self.sweeps_per_phase - 1

    def enter(self, x: Rows, d: Rows, rate: float, batch: int) -> tuple[Rows, Rows, float]:
        factors, late_rate, x_signs, d_signs = None, None, None, None
        if not self.auto_scale:
            self.last_rate = rate
        elif type(self.owner.tiles[0]) is Tile and kernels.can_follow_rates(self.owner.tiles[0], self.pulses):
            factors, late_rate = self.scaled_late(x, d, rate, batch)
        else:
            factors, rate = self.scaled(x, d, rate, batch)
        if self.in_chop_prob > 0 or self.out_chop_prob > 0:
            x_signs, d_signs = self.signs if self.axis == "column" else reversed(self.signs)
        return ScaledRows(x, factors, x_signs, late_rate), ScaledRows(d, None, d_signs), rate

    def scaled(self, x: Rows, d: Rows, rate: float, batch: int) -> tuple[Tensor | None, float]:
        """Factors on x and a rate, so that vector m has the rate ``rate BL dw_min / (m_x m_d)`` of its running means.

        A tile takes one rate for all vectors. So the rate of the last vector is returned, and the ratios to it are
        factors on x. This is the same because managed pulse probabilities depend only on the product of rate and x.
        """
        from resbench.crossbar.kernels import buffers  # compiled; here because importing it takes time

        self.read_late()
        most_x, most_d = (kernels.row_maxima(rows).cpu().numpy() for rows in (x, d))
        tau, numerator = self.constants_of_rates(rate, batch)
        found = buffers.running_rates(most_x, most_d, self.largest_x, self.largest_d, tau, numerator)
        rates, (self.largest_x, self.largest_d) = torch.from_numpy(found[0]).to(x.device), found[1:]
        self.last_rate = last = float(found[0][-1])
        return (rates.to(x.dtype) / last if len(rates) > 1 and last > 0 else None), last

    def scaled_late(self, x: Rows, d: Rows, rate: float, batch: int) -> tuple[Tensor, Tensor]:
        """:meth:`scaled` by a GPU, for which the host does not wait: the factors, and the rate float64 ``[1]``."""
        if self.late is None or self.late.device != x.device:
            self.read_late()
            known = [self.largest_x, self.largest_d, self.last_rate]
            self.late = torch.tensor(known, dtype=torch.float64, device=x.device)
        constants = self.constants_of_rates(rate, batch)
        return kernels.follow_rates(self.owner.tiles[0], x, d, self.late, *constants), self.late[2:]

    def constants_of_rates(self, rate: float, batch: int) -> tuple[float, float]:
        """Share of a vector in the running means, and the rate at means of 1."""
        return (1 - self.auto_momentum) / batch, rate * self.pulses.desired_bl * self.fast_step

    def pass_on(self, source: int, lines: Tensor, values: Tensor, rate: float, now: int) -> tuple[Tensor, float] | None:
        line, buffer = int(lines), self.buffer("buffer")
        line_signs, cross_signs = self.signs
        signal = line_signs[line] * cross_signs * self.signal(line, values)
        if self.no_buffer:
            buffer[line] = 0.0
        s = self.sift(buffer, lines, signal, rate / self.threshold())
        if self.flips(line, now):
            self.flip(line)
        if line == self.lines - 1:
            self.end_sweep()
        return None if s is None else (s, self.step * self.slow_step)

    def sift(self, buffer: Tensor, lines: Tensor, signal: Tensor, rate: float) -> Tensor | None:
        """Apply the rule of the buffer; returns the pulses to write."""
        return sift(buffer, lines, signal, rate, self.rule)

    def threshold(self) -> float:
        """The threshold Theta in weight units."""
        theta = self.base_threshold
        if self.correct_gradient_magnitudes:
            self.read_late()
            theta *= self.last_rate * self.slow_step / self.fast_step
        return theta

    @property
    def base_threshold(self) -> float:
        """Theta before the correction of gradient magnitudes, in weight units."""
        theta = self.fast_step * self.buffer_granularity
        if self.auto_granularity > 0:
            theta *= self.auto_granularity / (self.lines * self.period)
        return theta

    def carry(self, source: int, target: int, lines: Tensor, line: int, rate: float, now: int) -> bool:
        threshold, momentum, forget, most = self.rule
        if most is None or type(self) not in (Chopped, Dynamic):
            return False
        chop = self.chop(line, now)
        done = self.owner.tiles[target].write_sifted(
            lines,
            self.buffer("buffer"),
            (threshold, momentum, forget, most),
            self.step * self.slow_step,
            self.transfer_pulses,
            self.axis,
            source=self.owner.tiles[source],
            rate=rate / self.threshold() if chop.correction is None else rate,
            chop=chop,
        )
        if done and line == self.lines - 1:
            self.sweeps += 1
        return done

    def chop(self, line: int, now: int) -> Chop:
        """What :meth:`pass_on` does with a line, for a GPU."""
        late = self.late if self.correct_gradient_magnitudes else None
        return Chop(
            *self.signs,
            flips=self.flips(line, now),
            cross_chance=self.out_chop_prob if line == self.lines - 1 else 0.0,
            cross_key=self.owner.stream.child("cross chop").key,
            sweep=self.sweeps,
            empties=self.no_buffer,
            is_open=True,
            reference=None,
            correction=late
            if late is None
            else Correction(late[2:], self.base_threshold, self.slow_step, self.fast_step),
        )

    def signal(self, line: int, values: Tensor) -> Tensor:
        """The contribution of one read to the buffer, before its sign."""
        return values

    def flips(self, line: int, now: int) -> bool:
        """Whether the sign of a column flips after this read."""
        if self.in_chop_prob > 0 and self.in_chop_random:
            return self.owner.stream.child("chop").number(line, now) < self.in_chop_prob
        return self.in_chop_prob > 0 and self.ends_phase

    def flip(self, line: int) -> None:
        """Flip the sign of a column."""
        self.signs[0][line].neg_()

    def end_sweep(self) -> None:
        """Flip the signs of the rows after the last column was read."""
        if self.out_chop_prob > 0:
            signs = self.signs[1]
            stream = self.owner.stream.child("cross chop")
            chance = stream.uniform(tuple(signs.shape), self.sweeps, device=signs.device)
            signs.mul_(torch.where(chance < self.out_chop_prob, -1.0, 1.0))
        self.sweeps += 1


@dataclass(kw_only=True, eq=False)
class Dynamic(Chopped):
    """A chopped channel that subtracts what A held in the last phase; see :class:`~resbench.algorithms.AGAD`.

    Raises:
        BadValue: if columns never flip, if ``tail_weightening`` is not above 0, or for a negative ``buffer_cap``.
    """

    tail_weightening: float
    buffer_cap: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.in_chop_prob > 0:
            raise BadValue("in_chop_prob", self.in_chop_prob, "never flips; write more than 0, or take ChoppedTikiTaka")
        if not self.tail_weightening > 0:
            raise BadValue("tail_weightening", self.tail_weightening, "must be above 0")
        if not 0 <= self.buffer_cap < math.inf:
            raise BadValue("buffer_cap", self.buffer_cap, "is no bound; write a number above 0, or 0 for none")

    def allocate(self, owner: Algorithm, axis: Axis, transfer_pulses: PulseTrain) -> None:
        super().allocate(owner, axis, transfer_pulses)
        self.store("mean", owner.shape)
        self.store("reference", owner.shape)
        owner.register_buffer("flipped", torch.zeros(self.lines, dtype=torch.bool))
        self.initial["flipped"] = False

    @property
    def decay(self) -> float:
        """Weight of a read in the running mean."""
        return min(self.tail_weightening / self.sweeps_per_phase, 1.0)

    @property
    def bound(self) -> float:
        """Bound to which the buffer is clamped after a pulse; 0 for no bound."""
        return 0.0 if self.forget_buffer else self.buffer_cap * self.transfer_pulses.desired_bl

    @property
    def is_open(self) -> bool:
        """Whether pulses are written. In the first phase there is no reference, so its pulses are dropped."""
        return self.sweeps > self.sweeps_per_phase

    def chop(self, line: int, now: int) -> Chop:
        mean, kept, flipped = self.buffer("mean"), self.buffer("reference"), self.owner.get_buffer("flipped")
        reference = Reference(mean, kept, flipped, self.decay, self.bound)
        return super().chop(line, now)._replace(is_open=self.is_open, reference=reference)

    def signal(self, line: int, values: Tensor) -> Tensor:
        mean, reference, flipped = self.buffer("mean"), self.buffer("reference"), self.owner.get_buffer("flipped")
        reference[line] = torch.where(flipped[line], mean[line], reference[line])
        flipped[line].fill_(False)
        mean[line] = (1 - self.decay) * mean[line] + self.decay * values[0]  # without signs, so flips do not reset it
        return values - reference[line]

    def sift(self, buffer: Tensor, lines: Tensor, signal: Tensor, rate: float) -> Tensor | None:
        s = super().sift(buffer, lines, signal, rate)
        if s is not None and self.bound > 0:
            kept = buffer[lines]
            buffer[lines] = torch.where(s == 0, kept, kept.clamp(-self.bound, self.bound))
        return s if self.is_open else None

    def flips(self, line: int, now: int) -> bool:
        return self.ends_phase or (self.in_chop_random and super().flips(line, now))

    def flip(self, line: int) -> None:
        super().flip(line)
        self.owner.get_buffer("flipped")[line].fill_(True)
