"""Records of training vector by vector: what the compiled code of :mod:`~resbench.crossbar.kernels.vectors_code` takes.

Numba compiles functions for the fields of these records, in their order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.crossbar.views import Floats


class Flow(NamedTuple):
    """When lines of the fast tile are read, and what is passed on.

    Args:
        start: vectors counted before.
        period: vectors between two transfers.
        pointer: the line to read next.
        reads: lines in one transfer.
        at_once: lines in one write.
        by_column: whether lines are columns; else they are rows.
        selects: whether a transfer starts at a random line.
        selection_key: key of these draws.
        is_open: whether what was read is passed on; else the pointer moves and nothing is read.
    """

    start: int
    period: int
    pointer: int
    reads: int
    at_once: int
    by_column: bool
    selects: bool
    selection_key: np.uint64
    is_open: bool


class Rule(NamedTuple):
    """The buffer between the two tiles, see :func:`resbench.crossbar.kernels.buffers.pass_on`.

    Args:
        buffer: ``[out * in]``; empty for none, then values are written as they were read.
        rate: factor on the values that are read.
        momentum: share that stays.
        forget: whether the rest is forgotten.
        longest: most pulses at once.
        threshold: what one pulse stands for.
    """

    buffer: Floats
    rate: float
    threshold: float
    momentum: float
    forget: bool
    longest: int


class Chopping(NamedTuple):
    """Signs of lines, and what else :class:`resbench.algorithms.chopping.Chopped` and ``Dynamic`` do.

    Args:
        line_signs: signs of the lines that are read; empty for a channel without any.
        cross_signs: signs across.
        sweeps: full sweeps so far.
        largest_x: running mean of the largest x.
        largest_d: running mean of the largest d.
        scales: whether the rate of the fast tile follows these means.
        tau: weight of the present in them.
        numerator: rate times the product of both means.
        in_prob: probability that a line flips.
        in_random: whether it flips at random; else at the end of a phase.
        out_prob: probability that a sign across flips.
        key: key of the flips of lines.
        cross_key: key of the flips across.
        phase: sweeps of a phase, 0 if no line flips.
        corrects: whether the threshold is in units of the gradient.
        fast_step: step of the fast tile.
        slow_step: step of the slow tile.
        no_buffer: whether the buffer is cleared before each read.
        mean: running mean of what was read, ``[out * in]``; empty unless the channel is dynamic.
        reference: what is subtracted, ``[out * in]``.
        flipped: lines that have flipped since they were read last.
        decay: weight of a read in the mean.
        bound: what the buffer is clamped to, 0 for nothing.
    """

    line_signs: Floats
    cross_signs: Floats
    sweeps: int
    largest_x: float
    largest_d: float
    scales: bool
    tau: float
    numerator: float
    in_prob: float
    in_random: bool
    out_prob: float
    key: np.uint64
    cross_key: np.uint64
    phase: int
    corrects: bool
    fast_step: float
    slow_step: float
    no_buffer: bool
    mean: Floats
    reference: Floats
    flipped: NDArray[np.bool_]
    decay: float
    bound: float


NONE, NOWHERE = np.empty(0, np.float32), np.empty(0, np.bool_)
ZERO = np.uint64(0)
PLAIN = Chopping(
    NONE, NONE, 0, 0.0, 0.0, False, 0.0, 0.0, 0.0, False, 0.0, ZERO, ZERO, 0, False, 0.0, 0.0, False, NONE, NONE,
    NOWHERE, 0.0, 0.0,
)  # fmt: skip


class Done(NamedTuple):
    """What was done, for the counters of tiles and channel.

    Args:
        updates: calls that pulsed the fast tile.
        writes: calls that wrote to the slow tile.
        fast_slots: slots of all trains on the fast tile.
        slow_slots: those on the slow tile.
        lines_read: lines read.
        lines_written: lines written.
        pointer: the line to read next.
        sweeps: full sweeps so far.
        largest_x: running mean of the largest x.
        largest_d: running mean of the largest d.
        last_rate: rate of the fast tile in the last call.
    """

    updates: int
    writes: int
    fast_slots: int
    slow_slots: int
    lines_read: int
    lines_written: int
    pointer: int
    sweeps: int
    largest_x: float
    largest_d: float
    last_rate: float
