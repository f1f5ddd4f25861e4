# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg"
"""Eight uint64 side by side, a type for :mod:`numba` that LLVM keeps in vector registers.

:func:`resbench.crossbar.kernels.philox.philox` computes with them as with numbers.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

EIGHT = 8

_I64, _I8 = ir.IntType(64), ir.IntType(8)
_WORDS, _BYTES = ir.VectorType(_I64, EIGHT), ir.VectorType(_I8, EIGHT)
_FIRST = ir.Constant(ir.VectorType(ir.IntType(32), EIGHT), [0] * EIGHT)
_COUNT = ir.Constant(_WORDS, list(range(EIGHT)))


class Words(types.Type):
    """The type of eight uint64."""

    def __init__(self) -> None:
        super().__init__(name="Words")


words = Words()


@register_model(Words)
class _WordsModel(models.PrimitiveModel):
    def __init__(self, manager, kind) -> None:
        super().__init__(manager, kind, _WORDS)


@intrinsic
def eightfold(context, value):
    """One uint64 in all places."""

    def code(context, builder, signature, arguments):
        none = ir.Constant(_WORDS, ir.Undefined)
        first = builder.insert_element(none, arguments[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, none, _FIRST)

    return words(types.uint64), code


@intrinsic
def counting(context, value):
    """A uint64 and the seven that follow it."""

    def code(context, builder, signature, arguments):
        return builder.add(arguments[0], _COUNT)

    return words(words), code


def _arithmetic(name: str):
    @intrinsic
    def operation(context, a, b):
        def code(context, builder, signature, arguments):
            return getattr(builder, name)(*arguments)

        return words(words, words), code

    return operation


def _define(symbol, name: str) -> None:
    operation = _arithmetic(name)

    @overload(symbol)
    def _(a, b):
        if a is words and b is words:
            return lambda a, b: operation(a, b)
        return (lambda a, b: operation(a, eightfold(b))) if a is words and b is types.uint64 else None


for _symbol, _name in (
    (operator.mul, "mul"),
    (operator.and_, "and_"),
    (operator.xor, "xor"),
    (operator.rshift, "lshr"),
):
    _define(_symbol, _name)


def _below(context, builder, kinds, given, bounds, first, step):
    """Which words are below their bounds, four masks, and the place of the bounds of the next ones."""
    held = context.make_array(kinds)(context, builder, bounds).data
    masks = []
    for value in given:
        place = builder.bitcast(builder.gep(held, [first]), _WORDS.as_pointer())
        masks.append(builder.icmp_unsigned("<", value, builder.load(place, align=8)))
        first = builder.add(first, step)
    return masks


@intrinsic
def store_codes(context, codes, index, w0, w1, w2, w3, bounds, first, step):
    """Write eight bytes; bit k of byte j says whether word j of ``wk`` is below its bound.

    The codes are a flat uint8 array and are written from ``index`` on. The bounds are a flat uint64 array; those of w0
    begin at ``first``, and those of the others follow at a distance of ``step``.
    """

    def code(context, builder, signature, arguments):
        codes, index, *given, bounds, first, step = arguments
        total = ir.Constant(_BYTES, [0] * EIGHT)
        for bit, below in enumerate(_below(context, builder, signature.args[6], given, bounds, first, step)):
            ones = ir.Constant(_BYTES, [1 << bit] * EIGHT)
            total = builder.or_(total, builder.select(below, ones, ir.Constant(_BYTES, [0] * EIGHT)))
        data = context.make_array(signature.args[0])(context, builder, codes).data
        builder.store(total, builder.bitcast(builder.gep(data, [index]), _BYTES.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.none(codes, types.uint64, words, words, words, words, bounds, types.uint64, types.uint64), code


@intrinsic
def store_marks(context, marks, index, signs, place, step, w0, w1, w2, w3, bounds, first):
    """Write 32 marks, byte 4 j + k for word j of ``wk``: its sign if below its bound, else 0. Returns how many are.

    The marks are a flat int8 array and are written from ``index`` on. The signs, a flat int8 array without zeros, begin
    at ``place``, and the bounds, a flat uint64 array, at ``first``: both lane by lane, at a distance of ``step``.
    """

    def code(context, builder, signature, arguments):
        marks, index, signs, place, step, *given, bounds, first = arguments
        kinds = signature.args
        data, of_signs = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in ((kinds[0], marks), (kinds[2], signs))
        )
        parts = []
        for mask in _below(context, builder, kinds[9], given, bounds, first, step):
            chosen = builder.load(builder.bitcast(builder.gep(of_signs, [place]), _BYTES.as_pointer()), align=1)
            parts.append(builder.select(mask, chosen, ir.Constant(_BYTES, [0] * EIGHT)))
            place = builder.add(place, step)
        for size in (2 * EIGHT, 4 * EIGHT):
            # Bytes of one and of the other by turns.
            order = [k // 2 + k % 2 * size // 2 for k in range(size)]
            order = ir.Constant(ir.VectorType(ir.IntType(32), size), order)
            half = len(parts) // 2
            parts = [builder.shuffle_vector(a, b, order) for a, b in zip(parts[:half], parts[half:], strict=True)]
        kind = ir.VectorType(_I8, 4 * EIGHT)
        builder.store(parts[0], builder.bitcast(builder.gep(data, [index]), kind.as_pointer()), align=1)
        is_below = builder.icmp_unsigned("!=", parts[0], ir.Constant(kind, [0] * 4 * EIGHT))
        return builder.zext(builder.ctpop(builder.bitcast(is_below, ir.IntType(4 * EIGHT))), _I64)

    u, w = types.uint64, words
    return u(marks, u, signs, u, u, w, w, w, w, bounds, u), code
