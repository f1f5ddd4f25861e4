"""Records of training vector by vector: what the compiled code of :mod:`~resbench.crossbar.kernels.vectors_code` takes.

Numba compiles functions for the fields of these records, in their order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.crossbar.kernels.scan_records import Flips, ScanRoom, VectorRoom
from resbench.crossbar.views import Floats

#: An array of the chain: how it is pulsed, and what was done, for its counters. The first is pulsed with vectors at
#: ``rate``, and the others with values that are written, at the negative of the factor on them. ``step`` is the
#: granularity that sets the pulse probabilities, ``updates`` the counter of the calls before.
TILE = np.dtype(
    [
        *(("rate", np.float64), ("step", np.float64), ("updates", np.int64)),
        *((name, np.int64) for name in ("calls", "slots", "lines_read", "lines_written")),
    ],
    align=True,
)
#: What compiled code takes of a :class:`Link`: the buffer by its address and size.
LINK = np.dtype(
    [
        *(("period", np.int64), ("pointer", np.int64), ("selection_key", np.uint64), ("is_open", np.bool_)),
        *(("buffer", np.int64, 2), ("rate", np.float64), ("threshold", np.float64), ("momentum", np.float64)),
        *(("forget", np.bool_), ("longest", np.int64)),
    ],
    align=True,
)
Counters = NDArray[np.uint32]


class Link(NamedTuple):
    """What is between an array and the next one: when it is read, and the buffer that values go through.

    Args:
        period: vectors between two transfers, 0 for never.
        pointer: the line to read next.
        selection_key: key of the draws of random lines.
        is_open: whether what was read is passed on; else the pointer moves and nothing is read.
        factor: factor on the values that are written.
        rule: the buffer.
    """

    period: int
    pointer: int
    selection_key: np.uint64
    is_open: bool
    factor: float
    rule: Rule

    @property
    def fields(self) -> tuple[object, ...]:
        """The fields of :data:`LINK`."""
        buffer, *rule = self.rule
        place = (buffer.ctypes.data, buffer.size)
        return (self.period, self.pointer, self.selection_key, self.is_open, place, *rule)


class Rule(NamedTuple):
    """The buffer between two arrays, see :func:`resbench.crossbar.kernels.buffers.pass_on`.

    Args:
        buffer: ``[out * in]``; empty for none, then values are written as they were read.
        rate: factor on the values that are read.
        threshold: what one pulse stands for.
        momentum: share that stays.
        forget: whether the rest is forgotten.
        longest: most pulses at once.
    """

    buffer: Floats
    rate: float
    threshold: float
    momentum: float
    forget: bool
    longest: int


class Flow(NamedTuple):
    """How lines are read, the same for all links.

    Args:
        start: vectors counted before.
        reads: lines in one transfer.
        at_once: lines in one write.
        by_column: whether lines are columns; else they are rows.
        selects: whether a transfer starts at a random line.
    """

    start: int
    reads: int
    at_once: int
    by_column: bool
    selects: bool


class Room(NamedTuple):
    """Arrays that are used for every vector anew.

    Args:
        scan: for the search for pulses of many vectors.
        few: for the search for pulses of a few.
        noise: :func:`resbench.crossbar.kernels.noise.room_for_noise`.
        flips: lines of the fast tile that are turned.
        errors: flat, for errors of the vectors.
        values: flat, for lines that are read, and two for lines of buffers and references.
        chosen: flat, zeros.
        places: 0, 1, 2 and so on.
    """

    scan: ScanRoom
    few: VectorRoom
    noise: tuple[Counters, Counters, Counters, Floats, Floats]
    flips: Flips
    errors: Floats
    values: tuple[Floats, Floats, Floats]
    chosen: Floats
    places: NDArray[np.int64]


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
    """What has become of the numbers of :class:`Chopping`.

    Args:
        sweeps: full sweeps so far.
        largest_x: running mean of the largest x.
        largest_d: running mean of the largest d.
        last_rate: rate of the fast tile in the last call.
    """

    sweeps: int
    largest_x: float
    largest_d: float
    last_rate: float
