# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg,var-annotated"
"""The analog matrix-vector product, compiled by Numba: the operations of :class:`AnalogProduct` in the same order.

Sixteen rows go through converters, array and noise together, one in each lane. Sums over the inputs run from the first
input to the last, so a row has the same bits in whatever batch, on whatever thread and processor it is computed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.functions import cos_of_turns, log, sin_of_turns
from resbench.crossbar.kernels.philox import HALF, LOW, SCALE32, philox
from resbench.crossbar.kernels.product_lanes import (
    LANES,
    clipped_to,
    larger,
    larger_magnitude,
    load,
    load_halves,
    magnitude,
    rounded,
    splat,
    square_root,
    store,
    store_halves,
    where_positive,
)

#: Positions of the keys of the random streams, in the order of ``resbench.crossbar.periphery.draws.PURPOSES``.
INPUT_ROUNDING, INPUT_NOISE, READ_NOISE, OUTPUT_NOISE, OUTPUT_ROUNDING = range(5)
#: How alpha is found: it is the same for all rows, the largest magnitude of a row, or given for each row.
CONSTANT, LARGEST, GIVEN = range(3)
#: Parameters of one direction as compiled code takes them; the names are those of ``IOParameters`` where they agree.
CONVERTERS = np.dtype(
    [
        *((name, np.float32) for name in ("inp_step", "inp_bound", "inp_noise", "inp_negative", "w_noise")),
        *((name, np.float32) for name in ("out_step", "out_bound", "out_negative", "alpha", "largest_alpha")),
        *((name, np.float64) for name in ("out_scale", "max_bm_factor", "largest_rho")),
        *((name, np.int64) for name in ("management", "inp_sto_round", "out_sto_round", "out_noise", "is_pcm")),
        *((name, np.int64) for name in ("repeats", "both_bounds", "zeros_are_off")),
    ],
    align=True,
)


@compiled
def draw_words(key, read, rows, words):
    """Four words for each counter (block, read, row low, row high), word q of block b and lane l at [q, b, l].

    Args:
        key: key of the stream.
        read: second counter word.
        rows: uint64 ``[blocks * LANES]``, the row number in each lane, block after block.
        words: uint32 ``[4 * blocks * LANES]``, filled.
    """
    size = rows.size
    for i in range(size):
        row = rows[i]
        w0, w1, w2, w3 = philox(key, np.uint64(i // LANES), read, row & LOW, row >> HALF)
        words[i] = w0
        words[size + i] = w1
        words[2 * size + i] = w2
        words[3 * size + i] = w3


@njit(inline="always")
def _unit(word):
    """A word as float32 in (0, 1]."""
    return np.float32(np.float64(word) + 1.0) * SCALE32


@compiled
def draw_normals(words, values):
    """Standard normals of words, Box-Muller of words 0 and 2 and of words 1 and 3: cosines first, then sines."""
    size = words.size // 2
    for i in range(size):
        radius = np.sqrt(np.float32(-2.0) * log(_unit(words[i])))
        turns = _unit(words[size + i])
        values[i] = radius * cos_of_turns(turns)
        values[size + i] = radius * sin_of_turns(turns)


@compiled
def draw_centred(words, values):
    """Uniforms in (-1/2, 1/2] of words."""
    for i in range(words.size):
        values[i] = _unit(words[i]) - np.float32(0.5)


@njit(inline="always")
def _are_two_runs(places):
    """Whether places of all lanes are two runs of consecutive numbers, of eight lanes each."""
    half = LANES // 2
    return places[half - 1] - places[0] == half - 1 and places[LANES - 1] - places[half] == half - 1


@compiled
def gather(x, starts, lines, u, peaks):
    """Inputs of sixteen rows, line k of lane l from ``x[starts[l] + lines[k]]`` to ``u[k, l]``; largest magnitudes."""
    peak = splat(np.float32(0.0))
    if _are_two_runs(starts):
        for k in range(lines.size):
            values = load_halves(x, starts[0] + lines[k], starts[LANES // 2] + lines[k])
            peak = larger_magnitude(peak, values)
            store(u, k * LANES, values)
    else:
        for k in range(lines.size):
            for lane in range(LANES):
                u[k * LANES + lane] = x[starts[lane] + lines[k]]
        for k in range(lines.size):
            peak = larger_magnitude(peak, load(u, k * LANES))
    store(peaks, 0, peak)


@compiled
def matrix_product(u, inputs, weight, out_step, in_step, z, outputs):
    """``z[o] = sum_k weight[o * out_step + k * in_step] u[k]`` in every lane, from the first input to the last."""
    zero = splat(np.float32(0.0))
    o = 0
    while o + 4 <= outputs:  # four sums at once keep the arithmetic units busy
        z0, z1, z2, z3 = zero, zero, zero, zero
        for k in range(inputs):
            values = load(u, k * LANES)
            place = o * out_step + k * in_step
            z0 = z0 + splat(weight[place]) * values
            z1 = z1 + splat(weight[place + out_step]) * values
            z2 = z2 + splat(weight[place + 2 * out_step]) * values
            z3 = z3 + splat(weight[place + 3 * out_step]) * values
        store(z, o * LANES, z0)
        store(z, (o + 1) * LANES, z1)
        store(z, (o + 2) * LANES, z2)
        store(z, (o + 3) * LANES, z3)
        o += 4
    while o < outputs:
        z0 = zero
        for k in range(inputs):
            z0 = z0 + splat(weight[o * out_step + k * in_step]) * load(u, k * LANES)
        store(z, o * LANES, z0)
        o += 1


@compiled
def line_product(u, weight, starts, out_step, z, outputs):
    """The product where each row drives one input, that of lane l by ``u[l]``: zeros of other inputs add nothing."""
    for o in range(outputs):
        for lane in range(LANES):
            z[o * LANES + lane] = np.float32(0.0) + weight[starts[lane] + o * out_step] * u[lane]


@compiled
def array_product(u, inputs, weight, out_step, in_step, is_driven, starts, z, outputs):
    """Inputs times weights: :func:`line_product` if each row drives one input, else :func:`matrix_product`."""
    if is_driven:
        line_product(u, weight, starts, out_step, z, outputs)
    else:
        matrix_product(u, inputs, weight, out_step, in_step, z, outputs)


@compiled
def _damp_negative(values, size, factor):
    for i in range(size):
        values[i] = values[i] * factor if values[i] < 0 else values[i]


@compiled
def convert_inputs(io, keys, read, rows, u, inputs, scale, words, values):
    """DAC, input noise and asymmetry of sixteen rows in place; ``scale`` is alpha rho of each lane."""
    size = -(-inputs // 4) * LANES
    divisor = load(scale, 0)
    if io.inp_step > 0:
        divisor = divisor * splat(io.inp_step)
    if io.inp_sto_round and io.inp_step > 0:
        draw_words(keys[INPUT_ROUNDING], read, rows[:size], words[: 4 * size])
        draw_centred(words[: 4 * size], values)
    bound, step = splat(io.inp_bound), splat(io.inp_step)
    for k in range(inputs):
        value = load(u, k * LANES) / divisor
        if io.inp_step > 0:
            if io.inp_sto_round:
                value = value + load(values, k * LANES)
            value = rounded(value) * step
        if io.inp_bound > 0:
            value = clipped_to(value, bound)
        store(u, k * LANES, value)
    if io.inp_noise > 0:
        draw_words(keys[INPUT_NOISE], read, rows[:size], words[: 4 * size])
        draw_normals(words[: 4 * size], values)
        sigma = splat(io.inp_noise)
        for k in range(inputs):
            store(u, k * LANES, load(u, k * LANES) + sigma * load(values, k * LANES))
    if io.inp_negative != 1:
        _damp_negative(u, inputs * LANES, io.inp_negative)


@compiled
def norms(u, inputs, outputs, variances):
    """``||u||^2`` for every output: the variance of read noise of the kind ``additive_constant``."""
    total = splat(np.float32(0.0))
    for k in range(inputs):
        value = load(u, k * LANES)
        total = total + value * value
    for o in range(outputs):
        store(variances, o * LANES, total)


@compiled
def add_read_noise(io, keys, read, rows, z, outputs, variances, words, values):
    """``z + w_noise sqrt(variance) xi``."""
    size = -(-outputs // 4) * LANES
    draw_words(keys[READ_NOISE], read, rows[:size], words[: 4 * size])
    draw_normals(words[: 4 * size], values)
    strength = splat(io.w_noise)
    for o in range(outputs):
        sigma = strength * square_root(load(variances, o * LANES))
        store(z, o * LANES, load(z, o * LANES) + sigma * load(values, o * LANES))


@compiled
def convert_outputs(io, keys, read, rows, z, outputs, sigmas, words, values, largest, highest):
    """Asymmetry, output noise and ADC of sixteen rows in place; the clip follows in :func:`scatter`.

    ``largest`` gets the largest magnitude of each row, ``highest`` the largest value or 0.
    """
    size = -(-outputs // 4) * LANES
    if io.out_negative != 1:
        _damp_negative(z, outputs * LANES, io.out_negative)
    if io.out_noise:
        draw_words(keys[OUTPUT_NOISE], read, rows[:size], words[: 4 * size])
        draw_normals(words[: 4 * size], values)
        for o in range(outputs):
            store(z, o * LANES, load(z, o * LANES) + load(values, o * LANES) * splat(sigmas[o]))
    if io.out_sto_round and io.out_step > 0:
        draw_words(keys[OUTPUT_ROUNDING], read, rows[:size], words[: 4 * size])
        draw_centred(words[: 4 * size], values)
    step = splat(io.out_step)
    top, high = splat(np.float32(0.0)), splat(np.float32(0.0))
    for o in range(outputs):
        value = load(z, o * LANES)
        if io.out_step > 0:
            value = value / step
            if io.out_sto_round:
                value = value + load(values, o * LANES)
            value = rounded(value) * step
            store(z, o * LANES, value)
        top, high = larger(top, magnitude(value)), larger(high, value)
    store(largest, 0, top)
    store(highest, 0, high)


@compiled
def scatter(io, z, outputs, on, factor, y, starts, lines, size, adds):
    """Clip, scale and write outputs of sixteen rows to ``y[starts[l] + lines[o]]``, or add them there; 0 where off."""
    half = LANES // 2
    keep, factors, bound = load(on, 0), load(factor, 0), splat(io.out_bound)
    runs = size == LANES and _are_two_runs(starts)
    for o in range(outputs):
        value = load(z, o * LANES)
        if io.out_bound > 0:
            value = clipped_to(value, bound)
        value = where_positive(keep, value * factors)
        if runs:
            a, b = starts[0] + lines[o], starts[half] + lines[o]
            store_halves(y, a, b, load_halves(y, a, b) + value if adds else value)
        else:
            store(z, o * LANES, value)
    if not runs:
        for o in range(outputs):
            for lane in range(size):
                value = z[o * LANES + lane]
                place = starts[lane] + lines[o]
                y[place] = y[place] + value if adds else value


@compiled
def multiply(
    x, x_image, x_places, x_lines,
    weight, out_step, in_step, driven,
    y, y_image, y_places, y_lines, adds,
    io, keys, sigmas, alphas, first_row, first, stop, clipped,
):  # fmt: skip
    """Product of rows ``first`` to ``stop`` of a batch.

    Row r is position ``r % positions`` of image ``r // positions``. Its line k is at ``image * x_image +
    x_places[position] + x_lines[k]`` of x, and likewise in y.

    Args:
        x: float32, flat.
        x_image: elements of an image.
        x_places: int64 ``[positions]``.
        x_lines: int64 ``[inputs]``.
        weight: float32, flat.
        out_step: from the weight of an output to that of the next one.
        in_step: from the weight of an input to that of the next one.
        driven: int64 ``[rows]``, the one input that each row drives, by what x has for it; empty where rows drive all.
        y: float32, flat, written in place.
        y_image: elements of an image.
        y_places: int64 ``[positions]``.
        y_lines: int64 ``[outputs]``.
        adds: whether outputs are added to what y holds, in the order of ``torch.nn.functional.fold``.
        io: a :data:`CONVERTERS`.
        keys: uint64 ``[5]``, by purpose.
        sigmas: float32 ``[outputs]``, standard deviation of the output noise.
        alphas: float32 ``[rows]``, alpha of each row where it is given.
        first_row: running number of row 0.
        first: first row.
        stop: the row after the last one.
        clipped: bool, flat as y and False everywhere; becomes True where the ADC clipped a value that was kept. Empty
            if nobody asks.

    Returns:
        Whether the ADC clipped any.
    """
    inputs, outputs, positions = x_lines.size, y_lines.size, x_places.size
    blocks = -(-max(inputs, outputs) // 4)
    u, z = np.empty(inputs * LANES, np.float32), np.empty(outputs * LANES, np.float32)
    words, values = np.empty(4 * blocks * LANES, np.uint32), np.empty(4 * blocks * LANES, np.float32)
    numbers = np.empty(blocks * LANES, np.uint64)
    spread = np.empty(z.size if io.w_noise > 0 else 0, np.float32)
    magnitudes = np.abs(weight) if io.is_pcm else weight
    sources, targets = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    peaks, largest, highest = np.empty(LANES, np.float32), np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    on, scale, factor = np.empty(LANES, np.float32), np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    zero, one = np.float32(0.0), np.float32(1.0)

    waiting, count = np.arange(first, stop), stop - first
    rho, read, any_clipped = 1.0, np.uint64(0), False
    while count > 0:
        repeats = io.repeats != 0 and np.floor(rho) <= io.max_bm_factor and rho <= io.largest_rho
        groups, again = -(-count // LANES), 0
        for group in range(groups):
            # `fold` adds to a pixel from the last position to the first.
            start = (groups - 1 - group if adds else group) * LANES
            size = min(LANES, count - start)
            for lane in range(LANES):
                row = waiting[start + min(lane, size - 1)]  # empty lanes repeat the last row
                image, position = row // positions, row % positions
                sources[lane] = image * x_image + x_places[position]
                targets[lane] = image * y_image + y_places[position]
                numbers[lane] = np.uint64(first_row + row)
            gather(x, sources, x_lines, u, peaks)
            busy = False
            for lane in range(LANES):
                alpha = io.alpha
                if io.management == LARGEST:
                    alpha = io.largest_alpha if peaks[lane] > io.largest_alpha else peaks[lane]
                elif io.management == GIVEN:
                    alpha = alphas[waiting[start + min(lane, size - 1)]]
                # An alpha of NaN is not off, so that a row with a NaN gives NaN.
                is_on = (not alpha <= 0 or io.inp_noise > 0) and not (io.zeros_are_off and peaks[lane] == 0)
                busy |= is_on
                on[lane] = one if is_on else zero
                alpha = one if alpha <= 0 else alpha
                scale[lane] = alpha * np.float32(rho)
                factor[lane] = np.float32(io.out_scale * rho) * alpha
            if busy:
                for i in range(LANES, numbers.size):
                    numbers[i] = numbers[i - LANES]
                convert_inputs(io, keys, read, numbers, u, inputs, scale, words, values)
                if driven.size:
                    for lane in range(LANES):
                        sources[lane] = driven[waiting[start + min(lane, size - 1)]] * in_step
                array_product(u, inputs, weight, out_step, in_step, driven.size > 0, sources, z, outputs)
                if io.w_noise > 0:
                    if io.is_pcm:
                        for i in range(u.size):
                            u[i] *= u[i]
                        array_product(
                            u, inputs, magnitudes, out_step, in_step, driven.size > 0, sources, spread, outputs
                        )
                    else:
                        norms(u, inputs, outputs, spread)
                    add_read_noise(io, keys, read, numbers, z, outputs, spread, words, values)
                convert_outputs(io, keys, read, numbers, z, outputs, sigmas, words, values, largest, highest)
            elif not adds:
                z[:] = 0.0
            if busy or not adds:
                if busy and io.out_bound > 0:
                    for lane in range(size):
                        if not (on[lane] > 0 and largest[lane] > io.out_bound):
                            continue
                        if repeats and (io.both_bounds or highest[lane] > io.out_bound):
                            waiting[again] = waiting[start + lane]
                            again += 1
                            continue
                        any_clipped = True
                        for o in range(outputs if clipped.size else 0):
                            clipped[targets[lane] + y_lines[o]] = abs(z[o * LANES + lane]) > io.out_bound
                scatter(io, z, outputs, on, factor, y, targets, y_lines, size, adds)
        count, rho, read = again, 2 * rho, read + np.uint64(2)
    return any_clipped
