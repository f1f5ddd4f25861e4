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

#: Events of one program, of which the first of every crosspoint works.
BLOCK = 64
#: Arguments that say where the fields of a key are.
BITS = ("sample_bits", "slot_bits", "number_bits")
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
    """A response compiled by Triton; None for one that is more than the arithmetic which every backend knows.

    Triton reads the source of a function, and takes annotations for code: they are left out of the source it gets.
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
    """A constant of devices, float32, from a pair: an array, and how far apart devices are in it, 0 for one for all."""
    return tl.load(constant[0] + crosspoint * constant[1], mask=mask).to(tl.float32)


@triton.jit(do_not_specialize=["events", "noise_key", "write_key", "update", "blocks", "columns", *BITS])
def apply(
    keys, events, stored, visible, pulses_up, pulses_down, w_min, w_max, reference, constants, scalars,
    noise_key, write_key, update, write_noise, blocks, columns, sample_bits, slot_bits, number_bits,
    RESPONSE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Apply pulses in order, each at the current weight with its own noise and clip.

    The first pulse of a crosspoint takes all that follow at this crosspoint; the others rest.

    Args:
        keys: int64 ``[events]``, keys of the pulses, ascending: by crosspoint, then by time.
        events: how many.
        stored: stored weight, flat float32, changed in place.
        visible: visible weight, likewise; None for devices without write noise.
        pulses_up: count of pulses up, flat int32, changed in place.
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
        blocks: counters of the noise of one row.
        columns: columns of the array.
        sample_bits: bits of the sample in a key.
        slot_bits: bits of the slot in a key.
        number_bits: bits of the number of a pulse in its row.
        RESPONSE: the response.
        BLOCK: events of one program.
    """
    time_bits = sample_bits + slot_bits + number_bits + 1
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    key = tl.load(keys + at, mask=at < events, other=-1)
    before = tl.load(keys + at - 1, mask=(at > 0) & (at < events), other=-1)
    crosspoint = key >> time_bits
    mine = (at < events) & (before >> time_bits != crosspoint)

    low, high = of(w_min, crosspoint, mine), of(w_max, crosspoint, mine)
    up_constants = [of(constant, crosspoint, mine) for constant in constants[0]]
    down_constants = [of(constant, crosspoint, mine) for constant in constants[1]]
    w = tl.load(stored + crosspoint, mask=mine)
    origin = tl.zeros_like(w)
    if reference is not None:
        origin = of(reference, crosspoint, mine)
    eta = tl.zeros_like(w)
    ups, downs = tl.zeros_like(at), tl.zeros_like(at)
    live = mine
    while tl.max(live.to(tl.int32)) > 0:
        number = ((key >> 1) & ((1 << number_bits) - 1)).to(tl.int32)
        slot = ((key >> (number_bits + 1)) & ((1 << slot_bits) - 1)).to(tl.int32)
        sample = ((key >> (number_bits + slot_bits + 1)) & ((1 << sample_bits) - 1)).to(tl.int32)
        block = (crosspoint // columns * blocks).to(tl.int32) + number // 4
        xi = normal(noise_key, block, slot, sample, update, number % 4)
        if visible is not None:
            eta = tl.where(live, normal(write_key, block, slot, sample, update, number % 4), eta)
        up = (key & 1) == 1
        v = w + origin
        rise = RESPONSE(v, 1.0, *up_constants, *scalars[0], xi)
        fall = RESPONSE(v, -1.0, *down_constants, *scalars[1], xi)
        after = tl.minimum(tl.maximum(v + tl.where(up, rise, fall), low), high) - origin
        w = tl.where(live, after, w)
        ups += (live & up).to(tl.int32)
        downs += (live & ~up).to(tl.int32)
        at += 1
        key = tl.load(keys + at, mask=live & (at < events), other=-1)
        live = live & (key >> time_bits == crosspoint)

    tl.store(stored + crosspoint, w, mask=mine)
    if visible is not None:
        tl.store(visible + crosspoint, w + write_noise * eta, mask=mine)
    tl.store(pulses_up + crosspoint, tl.load(pulses_up + crosspoint, mask=mine) + ups, mask=mine)
    tl.store(pulses_down + crosspoint, tl.load(pulses_down + crosspoint, mask=mine) + downs, mask=mine)


@triton.jit(do_not_specialize=["count"])
def compose(composite, weights, gammas, crosspoints, count, BLOCK: tl.constexpr):
    """``composite[c] = sum_k gamma_k W_k[c]``, fast tile first, at the given crosspoints (at all of them for None)."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    crosspoint = at if crosspoints is None else tl.load(crosspoints + at, mask=at < count)
    total = tl.zeros((BLOCK,), tl.float32)
    for k in tl.static_range(len(weights)):
        total += gammas[k] * tl.load(weights[k] + crosspoint, mask=at < count)
    tl.store(composite + crosspoint, total, mask=at < count)
