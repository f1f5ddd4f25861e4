# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg,var-annotated"
"""Which lines fire, compiled by Numba: a counter of the generator serves a block of four lines.

A *code* has a bit for each line of a block that fires. Decoding appends the *entries* of these lines to a list.
"""

from __future__ import annotations

import numpy as np

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.philox import LOW, philox
from resbench.crossbar.kernels.references import flat
from resbench.crossbar.kernels.words import EIGHT, counting, eightfold, store_codes, store_marks

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
def later_slots(key, block, slots, samples, update, d0, d1, d2, d3, there, scales, codes):
    """The same for a slot and a sample each."""
    for q in range(codes.size):
        w0, w1, w2, w3 = philox(key, np.uint64(block), np.uint64(slots[q]), np.uint64(samples[q]), update)
        s = scales[q]
        code = below(w0, abs(d0[q]) * s) | below(w1, abs(d1[q]) * s) << np.uint8(1)
        code |= below(w2, abs(d2[q]) * s) << np.uint8(2) | below(w3, abs(d3[q]) * s) << np.uint8(3)
        codes[q] = code & there


@compiled
def any_of(codes, fired):
    """``fired |= codes``."""
    for q in range(fired.size):
        fired[q] |= codes[q]


@compiled
def bounds(values, scale, out):
    """How many of the 2^32 words let a line fire with probability ``|value| scale``: those that are :func:`below`."""
    for k in range(out.size):
        words = np.ceil(np.float64(abs(values[k]) * scale) * ONE)
        out[k] = np.uint64(min(words, ONE) if words > 0 else 0.0)  # 0 for NaN


@compiled
def fire_columns(key, slots, samples, update, places, bounds, codes):
    """``codes[pair, k]``, bit by bit: which lines of block k fire in the slot of each pair.

    Args:
        key: key of the column bits.
        slots: of pairs of a slot and a sample.
        samples: of these.
        update: update counter of the array.
        places: row of ``bounds`` for each pair.
        bounds: uint64 ``[samples, 4 * blocks]``, see :func:`bounds`, lane by lane.
        codes: uint8 ``[pairs, blocks]``, blocks in whole vectors; filled.
    """
    size, now = np.uint64(codes.shape[1]), eightfold(update & LOW)
    all_bounds, all_codes = flat(bounds), flat(codes)
    for q in range(np.uint64(slots.size)):
        slot, sample = eightfold(np.uint64(slots[q])), eightfold(np.uint64(samples[q]))
        first, line = q * size, np.uint64(places[q]) * np.uint64(4) * size
        for k in range(np.uint64(0), size, np.uint64(EIGHT)):
            w0, w1, w2, w3 = philox(key, counting(eightfold(k)), slot, sample, now)
            store_codes(all_codes, first + k, w0, w1, w2, w3, all_bounds, line + k, size)


@compiled
def mark_columns(key, slots, samples, update, places, bounds, signs, marks, counts):
    """As :func:`fire_columns`, but marks instead of codes: the signs of the lines that fire, and 0 for the others.

    Args:
        key: key of the column bits.
        slots: of pairs of a slot and a sample.
        samples: of these.
        update: update counter of the array.
        places: row of ``bounds`` and ``signs`` for each pair.
        bounds: uint64 ``[samples, 4 * blocks]``, lane by lane.
        signs: int8 of the same shape and order, 1 or -1.
        marks: int8, flat ``[pairs, 4 * blocks]``, line by line; filled.
        counts: int64, how many lines fire in each pair; filled.
    """
    size, now = np.uint64(bounds.shape[1] // 4), eightfold(update & LOW)
    all_bounds, all_signs, four = bounds.reshape(-1), signs.reshape(-1), np.uint64(4)
    for q in range(np.uint64(slots.size)):
        slot, sample = eightfold(np.uint64(slots[q])), eightfold(np.uint64(samples[q]))
        first, line, total = q * four * size, np.uint64(places[q]) * four * size, np.uint64(0)
        for k in range(np.uint64(0), size, np.uint64(EIGHT)):
            w0, w1, w2, w3 = philox(key, counting(eightfold(k)), slot, sample, now)
            total += store_marks(
                marks, first + four * k, all_signs, line + k, size, w0, w1, w2, w3, all_bounds, line + k
            )
        counts[q] = total


@compiled
def decode(codes, entries, found, count):
    """Append the entries of all lines whose bits are set to a list with four places to spare; returns its length.

    Indices are unsigned, as in :mod:`resbench.crossbar.kernels.apply`.
    """
    end = np.uint64(count)
    for k in range(np.uint64(codes.size)):
        end = append(codes[k], k, entries, found, end)
    return np.int64(end)


@compiled
def decode_pair(codes, q, found):
    """List the rows of one pair, from the codes ``[blocks, pairs]``; returns how many there are."""
    end = 0
    for block in range(codes.shape[0]):
        code = np.uint64(codes[block, q])
        if code != 0:
            for k in range(4):
                found[end + k] = 4 * block + np.int64(PLACES[np.uint64(4) * code + np.uint64(k)])
            end += int(PLACES_TAKEN[code])
    return end


@compiled
def append(code, block, entries, found, count):
    """Append the entries of the lines of one block whose bits are set.

    Four places are always written, so that there is no branch; the next call overwrites those beyond the count.
    """
    four, at = np.uint64(4) * block, np.uint64(4) * np.uint64(code)
    for bit in range(np.uint64(4)):
        found[count + bit] = entries[four + PLACES[at + bit]]
    return count + PLACES_TAKEN[np.uint64(code)]
