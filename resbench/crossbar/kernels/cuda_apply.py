# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Applying pulses to devices on the GPU, in Triton, from the same response functions that torch runs."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import textwrap
from collections.abc import Callable
from types import FunctionType
from typing import Any

import triton
import triton.language as tl

from resbench.crossbar.devices.arithmetic import TINY
from resbench.crossbar.kernels.cuda_functions import cos_of_turns, exp, log, power, sin_of_turns
from resbench.crossbar.kernels.cuda_scan import load_word, lowest_bit, place_of

#: Crosspoints of one program of the composite weight.
COMPOSE_BLOCK = 1024


@triton.jit
def absolute(a):
    """``|a|``."""
    return tl.abs(a)


@triton.jit
def maximum(a, floor):
    """``max(a, floor)``."""
    return tl.maximum(a, floor)


@triton.jit
def interpolate(nodes, position):
    """Piecewise linear function through ``nodes`` equally spaced over [0, 1]: each adds its share of the way."""
    at = tl.minimum(tl.maximum(position, 0.0), 1.0) * (len(nodes) - 1)
    value = nodes[0]
    for k in tl.static_range(len(nodes) - 1):
        value += (nodes[k + 1] - nodes[k]) * tl.minimum(tl.maximum(at - k, 0.0), 1.0)
    return value


ARITHMETIC = {
    "exp": exp,
    "absolute": absolute,
    "maximum": maximum,
    "power": power,
    "interpolate": interpolate,
    "TINY": tl.constexpr(TINY),
}
#: What the source of a response may be made of: sums, products and quotients of numbers and of calls.
SYNTAX = (
    *(ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.Expr, ast.Constant, ast.Name, ast.Call),
    *(ast.BinOp, ast.UnaryOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.USub, ast.Load, ast.Store),
)


@functools.cache
def compiled(response: Callable[..., Any]) -> Any:
    """A response compiled by Triton; None if it is more than the arithmetic that every backend knows.

    Triton reads the source of a function and would read annotations as code, so they are removed first.
    """
    if not isinstance(response, FunctionType) or not ARITHMETIC.keys() >= set(response.__code__.co_names):
        return None
    try:
        module = ast.parse(textwrap.dedent(inspect.getsource(response)))
    except (OSError, SyntaxError):  # typed into a shell, or part of a longer line
        return None
    function = module.body[0]
    if not isinstance(function, ast.FunctionDef):
        return None
    function.returns = None
    for argument in function.args.args:
        argument.annotation = None
    if not all(isinstance(node, SYNTAX) for node in ast.walk(function)):
        return None
    source = ast.unparse(function)
    file = f"<{response.__module__}.{response.__qualname__} for Triton>"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    names = {**ARITHMETIC, "tl": tl, "__name__": response.__module__}
    exec(compile(source, file, "exec"), names)
    return triton.jit(names[function.name])


@triton.jit
def normal(key, block, slot, sample, update, lane):
    """One of the four standard normals of a counter: ``randomness.gaussian_lane``."""
    w0, w1, w2, w3 = tl.philox(key, block, slot, sample, update)
    radius_word, turns_word = tl.where(lane < 2, w0, w2), tl.where(lane < 2, w1, w3)
    u0 = (radius_word.to(tl.int64) + 1).to(tl.float32) * 2.3283064365386963e-10
    u1 = turns_word.to(tl.float32) * 2.3283064365386963e-10
    return tl.sqrt_rn(-2.0 * log(u0)) * tl.where(lane % 2 == 0, cos_of_turns(u1), sin_of_turns(u1))


@triton.jit
def of(constant, crosspoint, mask):
    """A constant of devices as float32, from an array and the step from one device to the next, 0 if all share one."""
    return tl.load(constant[0] + crosspoint * constant[1], mask=mask).to(tl.float32)


@triton.jit(
    do_not_specialize=[
        *("d0", "d1", "d2", "d3", "first", "size", "samples", "columns", "positions", "width", "turned"),
        *("noise_key", "write_key", "update", "words", "longest"),
    ]
)
def replay(  # noqa: D417
    row_words, active, marks, counts, lengths, d, d0, d1, d2, d3, routes,
    stored, visible, pulses_up, pulses_down, w_min, w_max, reference, constants, scalars,
    noise_key, write_key, update, write_noise,
    first, size, samples, columns, positions, width, turned, words, longest,
    RESPONSE: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Pulse the devices in order of time, each at the current weight with its own noise and clip.

    A program owns some columns of a row. It goes through the slots in which the row fires, and holds weights and
    constants meanwhile. Grid: rows, blocks of columns. What :mod:`cuda_scan` filled is described there.

    Args:
        row_words: slots in which rows fire.
        active: samples for which rows fire.
        marks: columns that fire.
        counts: how many of a block fire.
        lengths: bit lengths.
        d: float32, errors; d0 to d3 are their strides.
        routes: uint8 ``[2, samples]``, what a falling and a rising coincidence of a sample does to these devices: 0
            nothing, 1 a pulse down, 2 a pulse up; None where they take what comes.
        stored: stored weight, flat float32, changed in place.
        visible: visible weight, likewise; None for devices without write noise.
        pulses_up: count of pulses up, flat int32, changed in place; it stays at its largest value.
        pulses_down: the same downward.
        w_min: flat float32 and its stride, see :func:`of`.
        w_max: likewise.
        reference: likewise, None for devices without one.
        constants: those that the response reads, likewise, of the up and of the down direction.
        scalars: numbers, or tuples of them, that it reads, likewise.
        noise_key: key of the cycle-to-cycle noise.
        write_key: key of the write noise.
        update: update counter of the tile.
        write_noise: standard deviation of the write noise.
        first: first sample.
        size: how many are replayed.
        samples: how many there are.
        columns: columns of the array.
        positions: output positions of an image.
        width: output positions side by side.
        turned: 1 for a negative learning rate, which turns every pulse.
        words: words for the slots of a sample.
        longest: slots that a sample has at most.
        RESPONSE: the response.
        COLUMNS: columns of one program.
    """
    row, part = tl.program_id(0), tl.program_id(1)
    blocks, parts, per_row = (columns + 3) // 4, tl.num_programs(1), (size + 31) // 32
    active += row.to(tl.int64) * per_row
    lane = tl.arange(0, 32)
    busy = tl.zeros((32,), tl.int32)
    at = 0
    while at < per_row:
        busy |= tl.load(active + at + lane, mask=at + lane < per_row, other=0)
        at += 32
    if tl.max((busy != 0).to(tl.int32)) > 0:
        column = part * COLUMNS + tl.arange(0, COLUMNS)
        here = column < columns
        crosspoint = row.to(tl.int64) * columns + column
        low, high = of(w_min, crosspoint, here), of(w_max, crosspoint, here)
        up_constants = [of(constant, crosspoint, here) for constant in constants[0]]
        down_constants = [of(constant, crosspoint, here) for constant in constants[1]]
        w = tl.load(stored + crosspoint, mask=here, other=0.0)
        origin = tl.zeros_like(w)
        if reference is not None:
            origin = of(reference, crosspoint, here)
        eta = tl.zeros_like(w)
        ups, downs = tl.zeros((COLUMNS,), tl.int32), tl.zeros((COLUMNS,), tl.int32)

        mark = marks + column // 4
        at = 0
        while at < per_row:
            bits = tl.load(active + at + lane, mask=at + lane < per_row, other=0)
            nth = tl.min(tl.where(bits != 0, lane, 32))
            while nth < 32:
                chosen = tl.sum(tl.where(lane == nth, bits, 0)).to(tl.int64) & 0xFFFFFFFF
                bits = tl.where(lane == nth, 0, bits)
                while chosen != 0:
                    m = 32 * (at + nth) + lowest_bit(chosen)
                    chosen &= chosen - 1
                    sample = first + m
                    length = tl.load(lengths + sample)
                    error = tl.load(d + place_of(sample, positions, width, d0, d2, d3, 1, 1) + row.to(tl.int64) * d1)
                    falling = (error > 0).to(tl.int32) ^ turned
                    word = 0
                    while 32 * word < length:
                        slots = load_word(row_words + (row.to(tl.int64) * words + word) * size + m)
                        while slots != 0:
                            slot = 32 * word + lowest_bit(slots)
                            slots &= slots - 1
                            time = m.to(tl.int64) * longest + slot
                            count = counts + time * parts
                            if tl.load(count + part) > 0:
                                number = -1  # of the pulse in its row and slot
                                other = 0
                                while other < part:
                                    earlier = other + lane
                                    number += tl.sum(tl.load(count + earlier, mask=earlier < part, other=0))
                                    other += 32
                                code = tl.load(mark + time * blocks, mask=here, other=0).to(tl.int32) >> (column % 4)
                                hit = (code & 1) == 1
                                up = ((code >> 4) & 1) != falling
                                number += tl.cumsum(hit.to(tl.int32))
                                block = row * blocks + number // 4
                                xi = normal(noise_key, block, slot, sample, update, number % 4)
                                if routes is not None:
                                    fate = tl.where(up, tl.load(routes + samples + sample), tl.load(routes + sample))
                                    hit, up = hit & (fate > 0), fate == 2
                                if visible is not None:
                                    eta = tl.where(hit, normal(write_key, block, slot, sample, update, number % 4), eta)
                                v = w + origin
                                rise = RESPONSE(v, 1.0, *up_constants, *scalars[0], xi)
                                fall = RESPONSE(v, -1.0, *down_constants, *scalars[1], xi)
                                after = tl.minimum(tl.maximum(v + tl.where(up, rise, fall), low), high) - origin
                                w = tl.where(hit, after, w)
                                ups += (hit & up).to(tl.int32)
                                downs += (hit & (up == 0)).to(tl.int32)
                        word += 1
                nth = tl.min(tl.where(bits != 0, lane, 32))
            at += 32

        moved = ups + downs > 0
        tl.store(stored + crosspoint, w, mask=moved)
        if visible is not None:
            tl.store(visible + crosspoint, w + write_noise * eta, mask=moved)
        add_counts(pulses_up + crosspoint, ups)
        add_counts(pulses_down + crosspoint, downs)


@triton.jit
def add_counts(counter, pulses):
    """Add pulses to int32 counts, up to the largest number."""
    total = tl.load(counter, mask=pulses > 0, other=0) + pulses
    tl.store(counter, tl.where(total < 0, 2147483647, total), mask=pulses > 0)


@triton.jit(do_not_specialize=["count"])
def compose(composite, weights, gammas, count, BLOCK: tl.constexpr):
    """``composite = sum_k gamma_k W_k``, fast tile first, flat."""
    crosspoint = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for k in tl.static_range(len(weights)):
        total += gammas[k] * tl.load(weights[k] + crosspoint, mask=crosspoint < count)
    tl.store(composite + crosspoint, total, mask=crosspoint < count)
