# mypy: disable-error-code="no-untyped-def,no-untyped-call,attr-defined,override"
"""Arrays and records that compiled functions pass to each other without counting references and without copies.

Numba counts the references to every array that is passed, and passes a tuple by value. A record of fifty arrays has
2.8 kB. To hand it from call to call takes longer than to find the pulses of a vector.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, models, register_model
from numba.np.arrayobj import populate_array


def _without_owner(context, builder, kind, value):
    if isinstance(kind, types.BaseTuple):
        parts = cgutils.unpack_tuple(builder, value)
        parts = [_without_owner(context, builder, *pair) for pair in zip(kind.types, parts, strict=True)]
        return context.make_tuple(builder, kind, parts)
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo, array.parent = (ir.Constant(owner.type, None) for owner in (array.meminfo, array.parent))
        return array._getvalue()
    return value


@intrinsic
def borrowed(context, values):
    """An array, or a tuple with arrays, without the owner of the memory, whom the caller has to keep.

    Numba does not count references to such arrays. Counting takes most of the time of a loop that passes many small
    arrays to functions.
    """

    def code(context, builder, signature, arguments):
        return _without_owner(context, builder, values, arguments[0])

    return values(values), code


@intrinsic
def flat(context, array):
    """All values of a contiguous array in one row, without its owner; ``reshape(-1)`` calls a function of NumPy."""
    row = types.Array(array.dtype, 1, "C")

    def code(context, builder, signature, arguments):
        given = context.make_array(array)(context, builder, arguments[0])
        made = context.make_array(row)(context, builder)
        size, step = (cgutils.pack_array(builder, [value]) for value in (given.nitems, given.itemsize))
        populate_array(made, given.data, size, step, given.itemsize, None)
        return made._getvalue()

    return row(array), code


class Reference(types.Type):
    """The type of the address of a named tuple; its fields are read as those of the tuple."""

    def __init__(self, held) -> None:
        self.held = held
        super().__init__(name=f"Reference({held})")


@register_model(Reference)
class _ReferenceModel(models.PrimitiveModel):
    def __init__(self, manager, kind) -> None:
        super().__init__(manager, kind, manager.lookup(kind.held).get_value_type().as_pointer())


@infer_getattr
class _Fields(AttributeTemplate):
    key = Reference

    def generic_resolve(self, reference, name):
        held = reference.held
        return held.types[held.fields.index(name)] if name in held.fields else None


@lower_getattr_generic(Reference)
def _read(context, builder, reference, address, name):
    place = reference.held.fields.index(name)
    value = builder.load(cgutils.gep_inbounds(builder, address, 0, place))
    return impl_ret_borrowed(context, builder, reference.held.types[place], value)


@intrinsic
def referred(context, values):
    """The address of a named tuple, valid for as long as the call lasts that asks for it.

    The caller has to keep the arrays of the tuple. Its fields cannot be changed.
    """

    def code(context, builder, signature, arguments):
        kept = _without_owner(context, builder, values, arguments[0])
        return cgutils.alloca_once_value(builder, kept)

    return Reference(values)(values), code
