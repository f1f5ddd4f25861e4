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
from resbench.crossbar.kernels.cuda_scan import load_word, lowest_bit
from resbench.crossbar.kernels.cuda_table import (
    AT_ACTIVE,
    AT_COLUMN_SIGNS,
    AT_COLUMNS,
    AT_COMPOSITE,
    AT_COUNTER,
    AT_COUNTS,
    AT_CROSSPOINTS,
    AT_FALLING,
    AT_LENGTHS,
    AT_LINES,
    AT_LONGEST,
    AT_LOWER_ROUTE,
    AT_MARKS,
    AT_NOISE_KEY,
    AT_NUMBERS,
    AT_PULSES_DOWN,
    AT_PULSES_UP,
    AT_RAISE_ROUTE,
    AT_ROW_SIGNS,
    AT_ROW_WORDS,
    AT_ROWS,
    AT_SIZE,
    AT_STORED,
    AT_SUM_COLUMNS,
    AT_VISIBLE,
    AT_WORDS,
    AT_WRITE_KEY,
    LINES,
    SUM,
    constant,
    late_updates,
    optional,
    which,
)

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


@triton.jit(do_not_specialize=["rows", "all_lines", "starts", "count", "fields"])
def replay(
    table, rows, all_lines, starts, count, fields, constants, scalars, write_noise,
    RESPONSE: tl.constexpr, REFERENCE: tl.constexpr, VISIBLE: tl.constexpr, ROUTED: tl.constexpr, HELD: tl.constexpr,
    COLUMNS: tl.constexpr,
):  # fmt: skip
    """Pulse the devices in order of time, each at the current weight with its own noise and clip.

    A program owns some columns of a row. It goes through the slots in which the row fires, and holds weights and
    constants meanwhile. Programs: rows, blocks of columns. What :mod:`cuda_scan` filled is described in
    :mod:`cuda_table`.

    Args:
        table: the table.
        rows: place of its rows, ``Devices``.
        all_lines: place of the rows ``Lines`` that they count.
        starts: place of the numbers of their first programs.
        count: number of rows.
        fields: numbers in a row.
        constants: which constants the response reads in the up direction, and in the down direction. Constant 0 is
            ``w_min``, 1 ``w_max``, and 2 the reference where there is one.
        scalars: numbers, or tuples of them, that it reads, likewise.
        write_noise: standard deviation of the write noise.
        RESPONSE: the response.
        REFERENCE: whether the devices have a reference.
        VISIBLE: whether they have write noise.
        ROUTED: whether they get only some of the pulses.
        HELD: type of their constants.
        COLUMNS: columns of one program.
    """
    place, program = which(table, starts, count)
    devices = table + rows + place * fields
    lines = table + all_lines + tl.load(devices + AT_LINES).to(tl.int32) * LINES
    height, columns, size = (
        tl.load(lines + AT_ROWS).to(tl.int32),
        tl.load(lines + AT_COLUMNS).to(tl.int32),
        tl.load(lines + AT_SIZE).to(tl.int32),
    )
    row, part = program % height, program // height
    blocks, parts, per_row = (columns + 3) // 4, (columns + COLUMNS - 1) // COLUMNS, (size + 31) // 32
    active = tl.load(lines + AT_ACTIVE).to(tl.pointer_type(tl.int32)) + row.to(tl.int64) * per_row
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
        low, high = constant(devices, 0, crosspoint, here, HELD), constant(devices, 1, crosspoint, here, HELD)
        up_constants = [constant(devices, each, crosspoint, here, HELD) for each in constants[0]]
        down_constants = [constant(devices, each, crosspoint, here, HELD) for each in constants[1]]
        w = tl.load(tl.load(devices + AT_STORED).to(tl.pointer_type(tl.float32)) + crosspoint, mask=here, other=0.0)
        origin = tl.zeros_like(w)
        if REFERENCE:
            origin = constant(devices, 2, crosspoint, here, HELD)
        eta = tl.zeros_like(w)
        ups, downs = tl.zeros((COLUMNS,), tl.int32), tl.zeros((COLUMNS,), tl.int32)

        falling = tl.load(lines + AT_FALLING).to(tl.pointer_type(tl.int32)) + row.to(tl.int64) * per_row
        words, longest = tl.load(lines + AT_WORDS).to(tl.int32), tl.load(lines + AT_LONGEST).to(tl.int32)
        row_words = tl.load(lines + AT_ROW_WORDS).to(tl.pointer_type(tl.int32)) + row.to(tl.int64) * words * size
        counts, mark = (
            tl.load(lines + AT_COUNTS).to(tl.pointer_type(tl.int32)),
            tl.load(lines + AT_MARKS).to(tl.pointer_type(tl.uint8)) + column // 4,
        )
        noise_key = tl.load(devices + AT_NOISE_KEY)
        update = tl.load(devices + AT_COUNTER).to(tl.int32) + late_updates(lines)
        at = 0
        while at < per_row:
            bits = tl.load(active + at + lane, mask=at + lane < per_row, other=0)
            nth = tl.min(tl.where(bits != 0, lane, 32))
            while nth < 32:
                chosen = tl.sum(tl.where(lane == nth, bits, 0)).to(tl.int64) & 0xFFFFFFFF
                bits = tl.where(lane == nth, 0, bits)
                signs = load_word(falling + at + nth)
                while chosen != 0:
                    bit = lowest_bit(chosen)
                    m = 32 * (at + nth) + bit
                    chosen &= chosen - 1
                    falls = ((signs >> bit) & 1).to(tl.int32)
                    sample = tl.load(tl.load(lines + AT_NUMBERS).to(tl.pointer_type(tl.int32)) + m)
                    length = tl.load(tl.load(lines + AT_LENGTHS).to(tl.pointer_type(tl.int32)) + m)
                    word = 0
                    while 32 * word < length:
                        slots = load_word(row_words + word * size + m)
                        while slots != 0:
                            slot = 32 * word + lowest_bit(slots)
                            slots &= slots - 1
                            time = m.to(tl.int64) * longest + slot
                            if tl.load(counts + time * parts + part) > 0:
                                nth_pulse = -1  # in its row and slot
                                other = 0
                                while other < part:
                                    earlier = other + lane
                                    found = tl.load(counts + time * parts + earlier, mask=earlier < part, other=0)
                                    nth_pulse += tl.sum(found)
                                    other += 32
                                code = tl.load(mark + time * blocks, mask=here, other=0).to(tl.int32) >> (column % 4)
                                hit = (code & 1) == 1
                                up = ((code >> 4) & 1) != falls
                                pulse = nth_pulse + tl.cumsum(hit.to(tl.int32))
                                block = row * blocks + pulse // 4
                                xi = normal(noise_key, block, slot, sample, update, pulse % 4)
                                if ROUTED:
                                    raised = tl.load(
                                        tl.load(devices + AT_RAISE_ROUTE).to(tl.pointer_type(tl.uint8)) + sample
                                    )
                                    lowered = tl.load(
                                        tl.load(devices + AT_LOWER_ROUTE).to(tl.pointer_type(tl.uint8)) + sample
                                    )
                                    fate = tl.where(up, raised, lowered)
                                    hit, up = hit & (fate > 0), fate == 2
                                if VISIBLE:
                                    write_key = tl.load(devices + AT_WRITE_KEY)
                                    eta = tl.where(hit, normal(write_key, block, slot, sample, update, pulse % 4), eta)
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
        tl.store(tl.load(devices + AT_STORED).to(tl.pointer_type(tl.float32)) + crosspoint, w, mask=moved)
        if VISIBLE:
            tl.store(
                tl.load(devices + AT_VISIBLE).to(tl.pointer_type(tl.float32)) + crosspoint,
                w + write_noise * eta,
                mask=moved,
            )
        add_counts(tl.load(devices + AT_PULSES_UP).to(tl.pointer_type(tl.int32)) + crosspoint, ups)
        add_counts(tl.load(devices + AT_PULSES_DOWN).to(tl.pointer_type(tl.int32)) + crosspoint, downs)


@triton.jit
def add_counts(counter, pulses):
    """Add pulses to int32 counts, up to the largest number."""
    total = tl.load(counter, mask=pulses > 0, other=0) + pulses
    tl.store(counter, tl.where(total < 0, 2147483647, total), mask=pulses > 0)


@triton.jit(do_not_specialize=["rows", "starts", "count"])
def compose(table, rows, starts, count, ARRAYS: tl.constexpr, SIGNED: tl.constexpr, BLOCK: tl.constexpr):
    """``composite = sum_k gamma_k W_k``, fast tile first, flat; programs: blocks of crosspoints.

    Signs of rows and columns are factors on all weights but the last, if there are signs.

    Args:
        table: the table.
        rows: place of its rows, ``Sum`` and its arrays.
        starts: place of the numbers of their first programs.
        count: number of rows.
        ARRAYS: arrays of each weight.
        SIGNED: whether there are signs.
        BLOCK: crosspoints of one program.
    """
    nth, block = which(table, starts, count)
    row = table + rows + nth * (SUM + 2 * ARRAYS)
    crosspoint = block.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = crosspoint < tl.load(row + AT_CROSSPOINTS)
    total = tl.zeros((BLOCK,), tl.float32)
    for k in tl.static_range(ARRAYS):
        weight = tl.load(row + SUM + 2 * k).to(tl.pointer_type(tl.float32))
        share = tl.load(row + SUM + 2 * k + 1).to(tl.int32).to(tl.float32, bitcast=True)
        value = tl.load(weight + crosspoint, mask=there, other=0.0)
        if SIGNED and k < ARRAYS - 1:
            columns = tl.load(row + AT_SUM_COLUMNS)
            value *= optional(tl.load(row + AT_ROW_SIGNS), crosspoint // columns, there, 1.0)
            value *= optional(tl.load(row + AT_COLUMN_SIGNS), crosspoint % columns, there, 1.0)
        total += share * value
    tl.store(tl.load(row + AT_COMPOSITE).to(tl.pointer_type(tl.float32)) + crosspoint, total, mask=there)
