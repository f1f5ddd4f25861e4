"""What happens between the read of one tile and the write to the next.

A channel takes the values that were read and returns those to write: the same values (:class:`Channel`), whole pulses
out of a digital buffer (:class:`Buffer`), or the difference from an average (:class:`Tracking`). Channels for chopped
gradients are in :mod:`~resbench.algorithms.chopping`. A channel keeps its digital storage in buffers of the algorithm,
so that checkpoints, logs and the cost model find it there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from numpy.typing import NDArray
from torch import Tensor

from resbench.algorithms.base import Algorithm, Counted
from resbench.crossbar.checks import Axis
from resbench.crossbar.digital import BufferRule, sift
from resbench.crossbar.kernels.sifted import Average
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows
from resbench.crossbar.tile import Tile
from resbench.crossbar.views import flat
from resbench.errors import BadValue

#: Pulse trains that write exactly one pulse for each crossing of a threshold.
ONE_PULSE = PulseTrain(desired_bl=1, update_management=False, update_bl_management=False)
#: Rule of a buffer out of which no whole pulses are taken.
NO_RULE = (1.0, 0.0, False, 0.0)
#: Step that stands for the granularity of a device without one, where an algorithm counts in steps.
NOMINAL_STEP = 0.001


class Channel(Counted):
    """The direct channel, which writes values as they were read. It is also the base class of the others.

    Attributes:
        lines_at_once: columns (rows) in one call of :meth:`pass_on`, and in one write.
        owner: the algorithm, set by :meth:`allocate`.
    """

    #: A limit, so that the one-hot lines of a whole-matrix transfer stay small.
    lines_at_once: ClassVar[int] = 256
    owner: Algorithm
    axis: Axis
    transfer_pulses: PulseTrain

    def allocate(self, owner: Algorithm, axis: Axis, transfer_pulses: PulseTrain) -> None:
        """Called when the owner has its tiles. Subclasses register their digital storage here."""
        self.owner, self.axis, self.transfer_pulses = owner, axis, transfer_pulses
        self.initial: dict[str, float] = {}

    def store(self, name: str, shape: tuple[int, ...], initial: float = 0.0) -> None:
        """Register a buffer of the owner as digital storage, with an initial value."""
        self.owner.register_buffer(name, torch.zeros(shape))
        self.initial[name] = initial

    def start(self) -> None:
        """Set counters and buffers to their initial values."""
        for name, value in self.initial.items():
            self.owner.get_buffer(name).fill_(value)

    def enter(self, x: Rows, d: Rows, rate: float, batch: int) -> tuple[Rows, Rows, float]:
        """The x, d and rate with which the fast tile is pulsed, for some of the ``batch`` vectors of a mini-batch."""
        return x, d, rate

    def pass_on(self, source: int, lines: Tensor, values: Tensor, rate: float, now: int) -> tuple[Tensor, float] | None:
        """The values to write to the next tile and a factor on them; None to write nothing.

        Args:
            source: number of the tile that was read.
            lines: int64 ``[n]``, its columns (rows) that were read.
            values: float32 ``[n, out]`` (``[n, in]``), their values. This may be a view of the tile: do not change it.
            rate: factor on the values.
            now: number of vectors so far, the counter of random draws.
        """
        return values, rate

    def carry(self, source: int, target: int, lines: Tensor, line: int, rate: float, now: int) -> bool:
        """Do a perfect read, :meth:`pass_on` and the write at once, where a GPU can; returns whether it did.

        The arguments are those of :meth:`pass_on`, and ``line``, the first of ``lines``, which the host knows.
        """
        return False

    def held(self, name: str) -> NDArray[Any]:
        """A buffer of the owner as a flat array on the same memory."""
        return flat(cast(Tensor, self.owner._buffers[name]))

    def buffer(self, name: str) -> Tensor:
        """A buffer of the owner, ``[lines of the tile, across]``."""
        held = cast(Tensor, self.owner._buffers[name])  # faster than the attribute, which torch looks up last
        return held.t() if self.axis == "column" else held


def step_of(tile: Tile) -> float:
    """Mean step of the devices of a tile, weight units; a nominal one for devices without granularity."""
    return tile.granularity or NOMINAL_STEP


def longest_train(tile: Tile, pulses: PulseTrain) -> int | None:
    """Most pulses in a write to a tile; None for devices without granularity, which take any value."""
    return None if tile.is_continuous else pulses.desired_bl


def check_probability(key: str, value: float) -> None:
    """Raise BadValue unless this is a probability."""
    if not 0 <= value <= 1:
        raise BadValue(key, value, "is not a probability; write 0 to 1")


def check_share(key: str, value: float) -> None:
    """Raise BadValue unless this is the share of something that stays."""
    if not 0 <= value <= 1:
        raise BadValue(key, value, "is not a share; write 0 to 1, 0 to keep nothing")


def check_step(value: float) -> None:
    """Raise BadValue unless this is a step of the writes to the slow tile."""
    if not 0 < value < math.inf:
        raise BadValue("step", value, "must be above 0 and finite; 1 is one pulse for each crossing")


@dataclass(kw_only=True, eq=False)
class Buffer(Channel):
    """A digital buffer H behind each tile except the last. Whatever crosses the threshold is passed on as whole pulses.

    The arguments and the rule are those of :class:`~resbench.algorithms.TikiTakaV2`.

    Raises:
        BadValue: for a threshold or step that is not above 0, and for a momentum outside [0, 1].
    """

    thres_scale: float
    momentum: float
    forget_buffer: bool
    step: float

    def __post_init__(self) -> None:
        if not self.thres_scale > 0:
            raise BadValue("thres_scale", self.thres_scale, "must be above 0; 1 is one step of the receiving tile")
        check_share("momentum", self.momentum)
        check_step(self.step)

    def allocate(self, owner: Algorithm, axis: Axis, transfer_pulses: PulseTrain) -> None:
        super().allocate(owner, axis, transfer_pulses)
        self.rules: list[BufferRule] = []
        self.scales: list[float] = []
        for k, target in enumerate(owner.tiles[1:]):
            self.store(f"buffer_{k}", owner.shape)
            threshold, longest = self.thres_scale * step_of(target), longest_train(target, transfer_pulses)
            self.rules.append(BufferRule(threshold, self.momentum, self.forget_buffer, longest))
            ratio = owner.gammas[k] / owner.gammas[k + 1] if owner.gammas[k + 1] > 0 else 0.0
            self.scales.append(ratio or 1.0)

    def pass_on(self, source: int, lines: Tensor, values: Tensor, rate: float, now: int) -> tuple[Tensor, float] | None:
        s = sift(self.buffer(f"buffer_{source}"), lines, values, rate * self.scales[source], self.rules[source])
        return None if s is None else (s, self.step * step_of(self.owner.tiles[source + 1]))

    def carry(self, source: int, target: int, lines: Tensor, line: int, rate: float, now: int) -> bool:
        threshold, momentum, forget, most = self.rules[source]
        if most is None or type(self) is not Buffer:
            return False
        tiles, buffer = self.owner.tiles, self.buffer(f"buffer_{source}")
        return tiles[target].write_sifted(
            lines,
            buffer,
            (threshold, momentum, forget, most),
            self.step * step_of(tiles[source + 1]),
            self.transfer_pulses,
            self.axis,
            source=tiles[source],
            rate=rate * self.scales[source],
        )


@dataclass(kw_only=True, eq=False)
class Tracking(Channel):
    """A digital average Q of what is read; the difference from it goes on, times the sign c of the gradient.

    The arguments and the rule are those of :class:`~resbench.algorithms.RIDER` and
    :class:`~resbench.algorithms.ERIDER`.

    Attributes:
        sign: c, 1 or -1.
        batches: mini-batches so far, the counter of the draws of c.

    Raises:
        BadValue: for a rate or a probability outside its range.
    """

    counters: ClassVar[tuple[str, ...]] = ("sign", "batches")

    track_lr: float
    chop_prob: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.track_lr <= 1:
            raise BadValue("track_lr", self.track_lr, "is outside (0, 1]; write a small rate such as 0.01")
        check_probability("chop_prob", self.chop_prob)

    def allocate(self, owner: Algorithm, axis: Axis, transfer_pulses: PulseTrain) -> None:
        super().allocate(owner, axis, transfer_pulses)
        self.store("average", owner.shape)

    def start(self) -> None:
        super().start()
        self.sign, self.batches = 1.0, 0

    def enter(self, x: Rows, d: Rows, rate: float, batch: int) -> tuple[Rows, Rows, float]:
        return x, d, rate * self.sign  # a negative rate climbs: the tile takes c d x^T

    def pass_on(self, source: int, lines: Tensor, values: Tensor, rate: float, now: int) -> tuple[Tensor, float] | None:
        average = self.buffer("average")
        residual = values - average[lines]
        average[lines] += self.track_lr * residual
        return residual, rate * self.sign

    def carry(self, source: int, target: int, lines: Tensor, line: int, rate: float, now: int) -> bool:
        average = Average(self.track_lr, passes_difference=True)
        tiles, buffer = self.owner.tiles, self.buffer("average")
        return tiles[target].write_sifted(
            lines,
            buffer,
            NO_RULE,
            rate * self.sign,
            self.transfer_pulses,
            self.axis,
            source=tiles[source],
            average=average,
        )

    def end_batch(self) -> None:
        """Flip the sign by chance."""
        self.batches += 1
        if self.chop_prob > 0 and self.owner.stream.child("chop").number(self.batches) < self.chop_prob:
            self.sign = -self.sign
