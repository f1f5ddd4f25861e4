# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Which lines fire, compiled by Numba: a counter of the generator serves a block of four lines.

A *code* has a bit for each line of a block that fires. Decoding appends the *entries* of these lines to a list.
"""

from __future__ import annotations

import numpy as np

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.philox import philox

ONE = 4294967296.0  # 2^32
# The bits that are set in each code of four bits, and how many those are.
SET = [[bit for bit in range(4) if code >> bit & 1] for code in range(16)]
PLACES = np.array([(bits + [0] * 4)[:4] for bits in SET], np.uint64).reshape(-1)
PLACES_TAKEN = np.array([len(bits) for bits in SET], np.uint64)


@compiled
def below(word, p):
    """Whether a line with probability p fires, 1 or 0; exact, since a float64 holds the word and p 2^32."""
    return np.uint8(np.float64(word) < np.float64(p) * ONE)


@compiled
def first_slot(key, block, first, update, d0, d1, d2, d3, there, scales, codes):
    """``codes[p]``, bit by bit: which lines of a block of four, if ``there``, fire in the first slot at position p."""
    for p in range(codes.size):
        w0, w1, w2, w3 = philox(key, np.uint64(block), np.uint64(0), np.uint64(first) + np.uint64(p), update)
        s = scales[p]
        code = below(w0, abs(d0[p]) * s) | below(w1, abs(d1[p]) * s) << np.uint8(1)
        code |= below(w2, abs(d2[p]) * s) << np.uint8(2) | below(w3, abs(d3[p]) * s) << np.uint8(3)
        codes[p] = code & there


@compiled
def any_of(codes, wanted):
    """``wanted |= codes``."""
    for p in range(wanted.size):
        wanted[p] |= codes[p]


@compiled
def fire(key, slot, sample, update, v0, v1, v2, v3, scaled, codes):
    """``codes[k]``, bit by bit: which lines of block k, with the values v0 to v3, fire in one slot of one sample."""
    for k in range(codes.size):
        w0, w1, w2, w3 = philox(key, np.uint64(k), np.uint64(slot), np.uint64(sample), update)
        code = below(w0, abs(v0[k]) * scaled) | below(w1, abs(v1[k]) * scaled) << np.uint8(1)
        code |= below(w2, abs(v2[k]) * scaled) << np.uint8(2) | below(w3, abs(v3[k]) * scaled) << np.uint8(3)
        codes[k] = code


@compiled
def decode(codes, eights, entries, found, count):
    """Append the entries of all lines whose bits are set to a list with four places to spare; returns its length.

    ``eights`` are the codes viewed as words of eight. Indices are unsigned, as in
    :mod:`resbench.crossbar.kernels.apply`.
    """
    end = np.uint64(count)
    for eight in range(np.uint64(eights.size)):
        if eights[eight] != 0:
            for k in range(np.uint64(8) * eight, np.uint64(8) * eight + np.uint64(8)):
                end = append(codes[k], k, entries, found, end)
    return np.int64(end)


@compiled
def decode_first(codes, p, entries, found):
    """As :func:`decode` of a new list, for the codes ``[blocks, positions]`` of one position."""
    end = np.uint64(0)
    for block in range(codes.shape[0]):
        if codes[block, p] != 0:
            end = append(codes[block, p], np.uint64(block), entries, found, end)
    return np.int64(end)


@compiled
def append(code, block, entries, found, count):
    """Append the entries of the lines of one block whose bits are set.

    Four places are always written, so that there is no branch; the next call overwrites those beyond the count.
    """
    four, at = np.uint64(4) * block, np.uint64(4) * np.uint64(code)
    for bit in range(np.uint64(4)):
        found[count + bit] = entries[four + PLACES[at + bit]]
    return count + PLACES_TAKEN[np.uint64(code)]
