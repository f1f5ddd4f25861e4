# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg,attr-defined"
"""Reading the record of an array, compiled by Numba.

Python passes an array as one :data:`~resbench.crossbar.views.RECORD`. Compiled functions take
:class:`~resbench.crossbar.views.Devices` and :class:`~resbench.crossbar.kernels.scan_records.Train`, which are made
from it here without a copy.
"""

from __future__ import annotations

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.scan_records import Train
from resbench.crossbar.views import SCALARS, Devices

FLOAT, COUNT = np.float32, np.int32
#: Place of the visible weights among the buffers of a record.
VISIBLE = 15


@intrinsic
def pointer(context, address):
    """An address as a pointer."""

    def cast(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), cast


@compiled
def array_at(place, dtype):
    """The array at a place ``(address, size)``: the memory itself, no copy."""
    return carray(pointer(place[0]), place[1], dtype)


@compiled
def visible_of(record):
    """The visible weights of an array, from its record."""
    return array_at(record[0].buffers[VISIBLE], FLOAT)


@compiled
def devices_of(form, constants, record):
    """The devices of an array, from its record; their constants have the type of ``constants``."""
    known, held = record[0], constants.dtype
    at = known.buffers
    return Devices(
        form,
        known.noise_key,
        known.write_key,
        (array_at(at[0], held), array_at(at[1], held), array_at(at[2], held), array_at(at[3], held)),
        (array_at(at[4], held), array_at(at[5], held), array_at(at[6], held), array_at(at[7], held)),
        array_at(at[8], FLOAT).reshape(2, SCALARS),
        array_at(at[9], FLOAT),
        array_at(at[10], FLOAT),
        array_at(at[11], held),
        array_at(at[12], held),
        array_at(at[13], held),
        known.noisy,
        known.write_noise,
        array_at(at[14], FLOAT),
        array_at(at[VISIBLE], FLOAT),
        array_at(at[16], COUNT),
        array_at(at[17], COUNT),
    )


@compiled
def train_of(record, numbers, geometry, update, lr, step):
    """The pulse trains of the next update of an array; ``numbers`` are those of its ``PulseTrain``."""
    known = record[0]
    return Train(
        geometry,
        known.row_key,
        known.column_key,
        update & 0xFFFFFFFF,
        lr < 0,
        abs(lr),
        step,
        numbers[0],
        numbers[1],
        numbers[2] != 0,
        numbers[3] != 0,
        numbers[4] != 0,
    )
