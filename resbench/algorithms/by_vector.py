"""Transfers inside a mini-batch in one compiled call, for periods that count vectors.

The loop of :class:`~resbench.algorithms.chain.TileChain` calls a tile, a channel and another tile for every vector.
This module passes the tiles of a chain and the channel between them to
:mod:`resbench.crossbar.kernels.vectors_code`, which does the same with the same bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from resbench.algorithms.channels import Buffer, Channel, step_of
from resbench.algorithms.chopping import Chopped, Dynamic
from resbench.crossbar import kernels
from resbench.crossbar.checks import fitting
from resbench.crossbar.kernels import vectors
from resbench.crossbar.kernels.vectors import Drive
from resbench.crossbar.kernels.vectors_records import NONE, NOWHERE, PLAIN, Chopping, Flow, Link, Rule
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import Rows
from resbench.crossbar.tile import Tile

__all__ = ["Drive", "Flow", "Plan", "covered", "key_of", "run"]


@dataclass(frozen=True)
class Plan:
    """When a tile is read.

    Args:
        period: vectors between two transfers, 0 for never.
        pointer: the line to read next.
        selection_key: key of the draws of random lines.
        rate: factor on the values that are read.
    """

    period: int
    pointer: int
    selection_key: np.uint64
    rate: float


@dataclass(frozen=True)
class Pass:
    """What a channel does between a tile and the next one, as compiled code takes it.

    Args:
        rule: the buffer of the channel and its rule.
        factor: factor on the values that are written.
        chopping: the signs and references of the channel.
    """

    rule: Rule
    factor: float
    chopping: Chopping = PLAIN


def covered(tiles: Sequence[Tile], trains: Sequence[PulseTrain], channel: Channel) -> int:
    """How many tiles, from the fast one on, one compiled call can train with this channel between them; 0 for none."""
    if type(channel) not in PASSES or not all(train.is_plain for train in trains):
        return 0
    plain = itertools.takewhile(lambda tile: type(tile) is Tile and kernels.is_numba(tile), tiles)
    return vectors.covered(list(plain))


def key_of(stream: Stream) -> np.uint64:
    """The key of a stream, in the type that compiled code takes."""
    return np.uint64(stream.key)


def run(
    tiles: Sequence[Tile],
    channel: Channel,
    x: Rows,
    d: Rows,
    drive: Drive,
    flow: Flow,
    plans: Sequence[Plan],
    batch: int,
) -> list[int]:
    """Pulse the first tile with vectors and make the transfers.

    Args:
        tiles: the tiles of a chain, as many as are :func:`covered`.
        channel: the channel between them.
        x: ``[n, in]``, some vectors of a mini-batch.
        d: ``[n, out]``.
        drive: how the tiles are pulsed.
        flow: how lines are read.
        plans: when each tile but the last is read.
        batch: number of vectors in the whole mini-batch.

    Returns:
        The number of the line to read next from each tile but the last.
    """
    first = tiles[0]
    x, d = fitting("x", x, first.shape[1], first.weight), fitting("d", d, first.shape[0], first.weight)
    passes = [PASSES[type(channel)](channel, source, plan.rate, drive.lr, batch) for source, plan in enumerate(plans)]
    links = [
        Link(plan.period, plan.pointer, plan.selection_key, plan.rate != 0, through.factor, through.rule)
        for plan, through in zip(plans, passes, strict=True)
    ]
    done, pointers, counts = vectors.run(tiles, x, d, drive, flow, links, passes[0].chopping)
    for tile, (calls, lines_read, lines_written) in zip(tiles, counts, strict=True):
        tile.note_pulses(calls, lines_read=lines_read, lines_written=lines_written)
    if isinstance(channel, Chopped):
        channel.sweeps, channel.last_rate = done.sweeps, done.last_rate
        channel.largest_x, channel.largest_d = done.largest_x, done.largest_d
    return pointers


def _direct(channel: Channel, source: int, rate: float, fast_rate: float, batch: int) -> Pass:
    return Pass(Rule(NONE, 0.0, 1.0, 0.0, False, 0), rate)


def _buffered(channel: Channel, source: int, rate: float, fast_rate: float, batch: int) -> Pass:
    assert isinstance(channel, Buffer)
    (threshold, momentum, forget, longest), scale = channel.rules[source], channel.scales[source]
    assert longest is not None, "continuous tiles are not covered"
    rule = Rule(channel.held(f"buffer_{source}"), rate * scale, threshold, float(momentum), forget, longest)
    return Pass(rule, channel.step * step_of(channel.owner.tiles[source + 1]))


def _chopped(channel: Channel, source: int, rate: float, fast_rate: float, batch: int) -> Pass:
    assert isinstance(channel, Chopped)
    _, momentum, forget, longest = channel.rule
    assert longest is not None, "continuous tiles are not covered"
    channel.read_late()
    rule = Rule(channel.held("buffer"), rate, channel.base_threshold, float(momentum), forget, longest)
    stream = channel.owner.stream
    chopping = Chopping(
        line_signs=channel.held("line_signs"),
        cross_signs=channel.held("cross_signs"),
        sweeps=channel.sweeps,
        largest_x=float(channel.largest_x),
        largest_d=float(channel.largest_d),
        scales=channel.auto_scale,
        tau=(1 - channel.auto_momentum) / batch,
        numerator=fast_rate * channel.pulses.desired_bl * channel.fast_step,
        in_prob=float(channel.in_chop_prob),
        in_random=channel.in_chop_random,
        out_prob=float(channel.out_chop_prob),
        key=key_of(stream.child("chop")),
        cross_key=key_of(stream.child("cross chop")),
        phase=channel.sweeps_per_phase if channel.in_chop_prob > 0 else 0,
        corrects=channel.correct_gradient_magnitudes,
        fast_step=float(channel.fast_step),
        slow_step=float(channel.slow_step),
        no_buffer=channel.no_buffer,
        mean=NONE,
        reference=NONE,
        flipped=NOWHERE,
        decay=0.0,
        bound=0.0,
    )
    return Pass(rule, channel.step * channel.slow_step, chopping)


def _dynamic(channel: Channel, source: int, rate: float, fast_rate: float, batch: int) -> Pass:
    assert isinstance(channel, Dynamic)
    chopped = _chopped(channel, source, rate, fast_rate, batch)
    chopping = chopped.chopping._replace(
        mean=channel.held("mean"),
        reference=channel.held("reference"),
        flipped=channel.held("flipped"),
        decay=float(channel.decay),
        bound=float(channel.bound),
    )
    return Pass(chopped.rule, chopped.factor, chopping)


#: Functions by the exact class of a channel, because a derived class may do something else.
PASSES: dict[type[Channel], Callable[[Channel, int, float, float, int], Pass]] = {
    Channel: _direct,
    Buffer: _buffered,
    Chopped: _chopped,
    Dynamic: _dynamic,
}
