# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Noise of pulses, compiled by Numba: four normals of one counter, for four neighbouring pulses of a row.

The pulses of a row in one slot are numbered by column. Number k has normal ``k % 4`` of counter ``(row * ceil(in / 4) +
k // 4, slot, sample, update)``.
"""

from __future__ import annotations

import numpy as np

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.functions import cos_of_turns, log, sin_of_turns
from resbench.crossbar.kernels.philox import philox, uniforms

#: Counters whose normals are drawn at once, few enough for the cache.
AT_ONCE = 1024
#: Counters are listed in whole vectors of so many, which is the room that has to be left behind the last one.
SPARE = 8


@compiled
def room_for_noise(n):
    """Room for counters that are drawn at once for an array of n columns, at least those of one visit.

    Returns:
        Three words of each counter, uint32; four uniforms of each, float32; and its four normals.
    """
    count = max(AT_ONCE, (n + 3) // 4 + 1 + SPARE)
    block, slot, sample = np.empty(count, np.uint32), np.empty(count, np.uint32), np.empty(count, np.uint32)
    return block, slot, sample, np.empty((4, count), np.float32), np.zeros(4 * count, np.float32)


@compiled
def list_counters(visits, order, position, blocks, block, slot, sample):
    """List the counters of the next visits, as many as there is room for.

    Args:
        visits: int64 ``[v, 6]``, see :mod:`resbench.crossbar.kernels.scan`.
        order: their order.
        position: where in the order to begin.
        blocks: counters of one row of the array.
        block: uint32, first word of each counter; filled.
        slot: likewise, the second.
        sample: likewise, the third.

    Returns:
        Where in the order to go on, and how many counters there are.
    """
    listed = 0
    while position < order.size:
        v = order[position]
        first = visits[v, 5] >> 2
        stop = (visits[v, 5] + visits[v, 4] - visits[v, 3] + 3) >> 2
        if listed + stop - first > block.size - SPARE:
            break
        base, now, here = np.uint32((visits[v, 0] >> 1) * blocks), np.uint32(visits[v, 1]), np.uint32(visits[v, 2])
        # The next visit overwrites what is too much.
        for k in range(first, stop, SPARE):
            at = np.uint64(listed + k - first)
            for more in range(np.uint64(SPARE)):
                block[at + more] = base + np.uint32(k) + np.uint32(more)
                slot[at + more], sample[at + more] = now, here
        listed += stop - first
        position += 1
    return position, listed


@compiled
def draw(key, block, slot, sample, update, u, xi):
    """Four normals ``xi[4 c]`` to ``xi[4 c + 3]`` of each counter c; ``u`` is room for as many uniforms.

    There are two loops, first for the words and then for the normals, because a vector holds twice as many normals.
    """
    count = block.size
    _uniforms(key, block, slot, sample, update, u[0][:count], u[1][:count], u[2][:count], u[3][:count])
    _normals(u[0][:count], u[1][:count], u[2][:count], u[3][:count], xi[: 4 * count])


@compiled
def _uniforms(key, block, slot, sample, update, u0, u1, u2, u3):
    for c in range(block.size):
        w0, w1, w2, w3 = philox(key, np.uint64(block[c]), np.uint64(slot[c]), np.uint64(sample[c]), update)
        u0[c], u1[c] = uniforms(w0, w1)
        u2[c], u3[c] = uniforms(w2, w3)


@compiled
def _normals(u0, u1, u2, u3, xi):
    for c in range(u0.size):
        first = np.sqrt(np.float32(-2.0) * log(u0[c]))
        second = np.sqrt(np.float32(-2.0) * log(u2[c]))
        xi[4 * c], xi[4 * c + 1] = first * cos_of_turns(u1[c]), first * sin_of_turns(u1[c])
        xi[4 * c + 2], xi[4 * c + 3] = second * cos_of_turns(u3[c]), second * sin_of_turns(u3[c])
