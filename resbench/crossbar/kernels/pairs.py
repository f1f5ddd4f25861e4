# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""The slots of some samples, and the rows that fire in them, compiled by Numba.

A *pair* is a slot and a sample. Pairs are listed for some neighbouring positions of an image (or rows of a linear
layer) at a time: first slot 0 of all of them, then all later slots. So the bits of the rows are drawn in one loop.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.firing import any_of, first_slot, later_slots
from resbench.crossbar.views import Floats

#: Pairs that are listed at once, unless a single sample has more.
PAIRS_AT_ONCE = 2**12


class Pairs(NamedTuple):
    """Room for pairs.

    Args:
        slots: uint32, of later slots only.
        samples: uint32.
        scales: scales of the rows, of later slots only.
        values: float32 ``[4, pairs]``, errors of a block of four rows.
        codes: uint8 ``[blocks, pairs]``, see :mod:`resbench.crossbar.kernels.firing`.
        fired: uint8, 0 for pairs in which no row fires.
        live: int64, room for the numbers of the others.
    """

    slots: NDArray[np.uint32]
    samples: NDArray[np.uint32]
    scales: Floats
    values: Floats
    codes: NDArray[np.uint8]
    fired: NDArray[np.uint8]
    live: NDArray[np.int64]


@compiled
def room_for_pairs(blocks, count):
    """Room for so many pairs, in whole words of eight bytes."""
    count = (count + 7) // 8 * 8
    return Pairs(
        np.empty(count, np.uint32),
        np.empty(count, np.uint32),
        np.empty(count, np.float32),
        np.empty((4, count), np.float32),
        np.empty((blocks, count), np.uint8),
        np.zeros(count, np.uint8),
        np.empty(count, np.int64),
    )


@compiled
def some_positions(lengths: Floats, start: int) -> tuple[int, int]:
    """Positions from ``start`` on that are taken at once: the one after the last, and how many pairs they have."""
    stop, count = start, 0
    while stop < lengths.size:
        more = max(int(lengths[stop]), 1)
        if count > 0 and count + more > PAIRS_AT_ONCE:
            break
        stop, count = stop + 1, count + more
    return stop, count


@compiled
def list_pairs(pairs, first, lengths, scales, count):
    """List the pairs of positions whose first sample is given; there are ``count`` of them."""
    end = lengths.size
    for p in range(end):
        pairs.samples[p] = np.uint32(first) + np.uint32(p)
    if count > end:
        for p in range(lengths.size):
            for slot in range(1, np.int64(lengths[p])):
                pairs.slots[end], pairs.samples[end], pairs.scales[end] = slot, first + p, scales[p]
                end += 1


@compiled
def fire_in_pairs(key, update, errors, begin, first, scales, count, pairs):
    """Which rows fire in the pairs of the positions from ``begin`` on, whose first sample is ``first``."""
    here, last = scales.size, errors.shape[0] - 1
    pairs.fired[:count] = 0
    v0, v1, v2, v3 = pairs.values[0], pairs.values[1], pairs.values[2], pairs.values[3]
    slots, samples, scaled = pairs.slots[here:count], pairs.samples[here:count], pairs.scales[here:count]
    for block in range(pairs.codes.shape[0]):
        four, codes = 4 * block, pairs.codes[block]
        there = np.uint8((1 << min(errors.shape[0] - four, 4)) - 1)
        d0, d1 = errors[four][begin : begin + here], errors[min(four + 1, last)][begin : begin + here]
        d2 = errors[min(four + 2, last)][begin : begin + here]
        d3 = errors[min(four + 3, last)][begin : begin + here]
        first_slot(key, block, first, update, d0, d1, d2, d3, there, scales, codes[:here])
        if count > here:
            for k in range(samples.size):
                p = np.int64(samples[k]) - first
                v0[k], v1[k], v2[k], v3[k] = d0[p], d1[p], d2[p], d3[p]
            later_slots(key, block, slots, samples, update, v0, v1, v2, v3, there, scaled, codes[here:count])
        any_of(codes[:count], pairs.fired[:count])


@compiled
def list_live(pairs, lengths, count):
    """List the pairs in which a row fires, in order of time; returns how many there are."""
    live, found, later = pairs.live, 0, lengths.size
    if count == later:
        eights = pairs.fired.view(np.uint64)
        for eight in range((later + 7) // 8):
            if eights[eight] != 0:
                for p in range(8 * eight, min(8 * eight + 8, later)):
                    live[found] = p
                    found += pairs.fired[p] != 0
        return found
    for p in range(lengths.size):
        live[found] = p
        found += pairs.fired[p] != 0
        for _ in range(1, np.int64(lengths[p])):
            live[found] = later
            found += pairs.fired[later] != 0
            later += 1
    return found
