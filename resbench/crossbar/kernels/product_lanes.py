# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg"
"""Sixteen float32 side by side, a type for :mod:`numba` that LLVM keeps in vector registers.

A compiled function computes with them as with numbers: ``load(u, i) * splat(w) + total``. Every operation is rounded
once and none are contracted, so lanes hold the bits of sixteen scalar computations on every processor.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

#: Numbers side by side: one register of AVX-512, two of AVX2.
LANES = 16
HALF = LANES // 2

_I32, _F32 = ir.IntType(32), ir.FloatType()
_VECTOR, _BITS, _HALF = ir.VectorType(_F32, LANES), ir.VectorType(_I32, LANES), ir.VectorType(_F32, HALF)
_MARKS, _MASK = ir.VectorType(ir.IntType(8), LANES), ir.VectorType(ir.IntType(1), LANES)
_MAGNITUDE = ir.Constant(_BITS, [0x7FFFFFFF] * LANES)


class Lanes(types.Type):
    """The type of sixteen float32."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = Lanes()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, kind) -> None:
        super().__init__(manager, kind, _VECTOR)


def _place(context, builder, kind, array, index, vector):
    """Pointer to the element ``index`` of a flat array, as one to a vector that starts there."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@intrinsic
def load(context, array, index):
    """The lanes of a flat float32 array from ``index`` on."""

    def code(context, builder, signature, arguments):
        return builder.load(_place(context, builder, signature.args[0], *arguments, _VECTOR), align=4)

    return lanes(array, types.intp), code


@intrinsic
def store(context, array, index, value):
    """Write lanes into a flat float32 array from ``index`` on."""

    def code(context, builder, signature, arguments):
        array, index, value = arguments
        builder.store(value, _place(context, builder, signature.args[0], array, index, _VECTOR), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, lanes), code


@intrinsic
def load_halves(context, array, first, second):
    """Eight lanes of a flat float32 array from ``first`` on, and eight from ``second`` on."""

    def code(context, builder, signature, arguments):
        array, *places = arguments
        parts = [
            builder.load(_place(context, builder, signature.args[0], array, place, _HALF), align=4) for place in places
        ]
        return builder.shuffle_vector(*parts, ir.Constant(_BITS, list(range(LANES))))

    return lanes(array, types.intp, types.intp), code


@intrinsic
def store_halves(context, array, first, second, value):
    """Write eight lanes into a flat float32 array from ``first`` on, and the others from ``second`` on."""

    def code(context, builder, signature, arguments):
        array, *places, value = arguments
        none = ir.Constant(_VECTOR, ir.Undefined)
        for start, place in zip((0, HALF), places, strict=True):
            chosen = ir.Constant(ir.VectorType(_I32, HALF), list(range(start, start + HALF)))
            part = builder.shuffle_vector(value, none, chosen)
            builder.store(part, _place(context, builder, signature.args[0], array, place, _HALF), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, types.intp, lanes), code


@intrinsic
def expand(context, source, first, chosen, begin, target, index):
    """Lay out numbers that lie side by side in those of sixteen lanes that are chosen; returns how many these are.

    The numbers begin at ``first`` in the flat float32 array ``source``. A lane is chosen if its byte of the flat int8
    array ``chosen``, from ``begin`` on, is not 0; the others become 0. The lanes are written into the flat float32
    array ``target`` from ``index`` on.
    """

    def code(context, builder, signature, arguments):
        source, first, chosen, begin, target, index = arguments
        kinds = signature.args
        marks = builder.load(_place(context, builder, kinds[2], chosen, begin, _MARKS), align=1)
        mask = builder.icmp_unsigned("!=", marks, ir.Constant(_MARKS, [0] * LANES))
        data = context.make_array(kinds[0])(context, builder, source).data
        kind = ir.FunctionType(_VECTOR, [_F32.as_pointer(), _MASK, _VECTOR])
        load = builder.module.declare_intrinsic(f"llvm.masked.expandload.v{LANES}f32", fnty=kind)
        laid = builder.call(load, [builder.gep(data, [first]), mask, ir.Constant(_VECTOR, [0.0] * LANES)])
        builder.store(laid, _place(context, builder, kinds[4], target, index, _VECTOR), align=4)
        count = builder.ctpop(builder.bitcast(mask, ir.IntType(LANES)))
        return builder.zext(count, ir.IntType(64))

    return types.uint64(source, types.uint64, chosen, types.uint64, target, types.uint64), code


@intrinsic
def splat(context, value):
    """One float32 in all lanes."""

    def code(context, builder, signature, arguments):
        none = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(none, arguments[0], ir.Constant(_I32, 0))
        return builder.shuffle_vector(first, none, ir.Constant(_BITS, [0] * LANES))

    return lanes(types.float32), code


def _arithmetic(name: str):
    @intrinsic
    def operation(context, a, b):
        def code(context, builder, signature, arguments):
            return getattr(builder, name)(*arguments)

        return lanes(lanes, lanes), code

    return operation


_add, _multiply, _divide = (_arithmetic(name) for name in ("fadd", "fmul", "fdiv"))


@overload(operator.add)
def _(a, b):
    return (lambda a, b: _add(a, b)) if a is lanes and b is lanes else None


@overload(operator.mul)
def _(a, b):
    return (lambda a, b: _multiply(a, b)) if a is lanes and b is lanes else None


@overload(operator.truediv)
def _(a, b):
    return (lambda a, b: _divide(a, b)) if a is lanes and b is lanes else None


def _of_llvm(name: str):
    @intrinsic
    def operation(context, value):
        def code(context, builder, signature, arguments):
            kind = ir.FunctionType(_VECTOR, [_VECTOR])
            function = builder.module.declare_intrinsic(f"llvm.{name}.v{LANES}f32", fnty=kind)
            return builder.call(function, arguments)

        return lanes(lanes), code

    return operation


#: ``sqrt`` of each lane, correctly rounded, the nearest whole numbers, a half to the even one, and magnitudes.
square_root, rounded, magnitude = (_of_llvm(name) for name in ("sqrt", "rint", "fabs"))


@intrinsic
def larger(context, a, b):
    """``max(a, b)`` in each lane; a where b is NaN."""

    def code(context, builder, signature, arguments):
        a, b = arguments
        return builder.select(builder.fcmp_ordered(">", b, a), b, a)

    return lanes(lanes, lanes), code


@intrinsic
def larger_magnitude(context, a, b):
    """``max(a, |b|)`` in each lane, for a that is not negative; NaN where one of them is."""

    def code(context, builder, signature, arguments):
        # Magnitudes are in the order of their bits, and NaN is above infinity.
        a, b = (builder.bitcast(value, _BITS) for value in arguments)
        b = builder.and_(b, _MAGNITUDE)
        return builder.bitcast(builder.select(builder.icmp_signed(">", b, a), b, a), _VECTOR)

    return lanes(lanes, lanes), code


@intrinsic
def clipped_to(context, value, bound):
    """Lanes within plus or minus ``bound``; NaN stays."""

    def code(context, builder, signature, arguments):
        value, bound = arguments
        low = builder.fneg(bound)
        value = builder.select(builder.fcmp_ordered(">", value, bound), bound, value)
        return builder.select(builder.fcmp_ordered("<", value, low), low, value)

    return lanes(lanes, lanes), code


@intrinsic
def where_positive(context, condition, value):
    """Lanes of ``value`` where those of ``condition`` are above 0, else 0."""

    def code(context, builder, signature, arguments):
        condition, value = arguments
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered(">", condition, zero), value, zero)

    return lanes(lanes, lanes), code
