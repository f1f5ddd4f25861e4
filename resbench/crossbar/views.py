"""What compiled kernels take of an array: NumPy views of its buffers.

There are two forms of the same. :class:`Devices` is what compiled functions pass to each other. Python calls compiled
code with a :data:`RECORD`, made once for each array: a single argument, because Numba looks at the type of every
argument of every call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from resbench.crossbar.devices import curves, steps
from resbench.crossbar.devices.pulsed import PulsedDevice, Response

Floats = NDArray[np.float32]
Counts = NDArray[np.int32]
#: Constants of devices: float32, or int16 with the bits of float16, because Numba has no float16. One for each device,
#: or one for all of them.
Held = NDArray[np.float32] | NDArray[np.int16]
FourHeld = tuple[Held, Held, Held, Held]

#: How many numbers a response can read, and how many constants of each device.
SCALARS = 6
CONSTANTS = 4


class Form(NamedTuple):
    """The response of devices, as a type. Kernels are compiled separately for each subclass."""

    half: int = 0


class ConstantForm(Form):
    """Devices of :func:`resbench.crossbar.devices.steps.constant_step`."""


class LinearForm(Form):
    """Devices of :func:`resbench.crossbar.devices.steps.linear_step`."""


class AdditiveForm(Form):
    """Devices of :func:`resbench.crossbar.devices.steps.linear_step_additive`."""


class ExpForm(Form):
    """Devices of :func:`resbench.crossbar.devices.curves.exp_step`."""


class ExpComplexForm(Form):
    """Devices of :func:`resbench.crossbar.devices.curves.exp_step_complex`."""


class PowForm(Form):
    """Devices of :func:`resbench.crossbar.devices.curves.pow_step`."""


class PiecewiseForm(Form):
    """Devices of :func:`resbench.crossbar.devices.curves.piecewise_step`."""


FORMS: dict[Response, type[Form]] = {
    steps.constant_step: ConstantForm,
    steps.linear_step: LinearForm,
    steps.linear_step_additive: AdditiveForm,
    curves.exp_step: ExpForm,
    curves.exp_step_complex: ExpComplexForm,
    curves.pow_step: PowForm,
    curves.piecewise_step: PiecewiseForm,
}


class Devices(NamedTuple):
    """The devices of an array. Arrays are flat; ``up`` and ``down`` are directions of pulses.

    Args:
        form: the response.
        noise_key: key of the cycle-to-cycle noise.
        write_key: key of the write noise.
        up: constants that the response reads upward; unused ones repeat the first.
        down: the same downward.
        scalars: ``[2, 6]``, numbers that the response reads, up and down.
        up_table: table that the response reads upward; empty for none.
        down_table: the same downward.
        w_min: lower bounds.
        w_max: upper bounds.
        reference: weight to which pulses and bounds are relative; empty for devices without one.
        noisy: whether the response has noise.
        write_noise: standard deviation of the write noise, 0 for none.
        stored: weights on which pulses act, changed in place.
        visible: weights with write noise; ``stored`` itself for devices without write noise.
        pulses_up: counts of pulses, changed in place.
        pulses_down: the same downward.
    """

    form: Form
    noise_key: np.uint64
    write_key: np.uint64
    up: FourHeld
    down: FourHeld
    scalars: Floats
    up_table: Floats
    down_table: Floats
    w_min: Held
    w_max: Held
    reference: Held
    noisy: bool
    write_noise: np.float32
    stored: Floats
    visible: Floats
    pulses_up: Counts
    pulses_down: Counts


#: Arrays among the fields of :class:`Devices`, those of ``up`` and ``down`` one by one.
BUFFERS = 18
#: What does not change from one update of an array to the next: address and size of each array of :class:`Devices`, in
#: the order of its fields; its other fields; the keys of the row and column bits; and the shape of the array.
RECORD = np.dtype(
    [
        ("buffers", np.int64, (BUFFERS, 2)),
        *((name, np.uint64) for name in ("noise_key", "write_key", "row_key", "column_key")),
        *(("rows", np.int64), ("columns", np.int64)),
        *(("write_noise", np.float32), ("noisy", np.bool_)),
    ],
    align=True,
)
Record = NDArray[np.void]


def record_of(devices: Devices, row_key: np.uint64, column_key: np.uint64, shape: tuple[int, int]) -> Record:
    """A :data:`RECORD`, ``[1]``. It is valid as long as somebody keeps the arrays of ``devices``."""
    record = np.zeros(1, RECORD)
    arrays = [value for value in (*devices.up, *devices.down, *devices) if isinstance(value, np.ndarray)]
    record["buffers"][0] = [(values.ctypes.data, values.size) for values in arrays]
    record["noise_key"], record["write_key"] = devices.noise_key, devices.write_key
    record["row_key"], record["column_key"] = row_key, column_key
    record["rows"], record["columns"] = shape
    record["write_noise"], record["noisy"] = devices.write_noise, devices.noisy
    return record


@dataclass(eq=False)
class ArrayViews:
    """The buffers of one array.

    Args:
        weight: visible weights, flat.
        row_key: key of the row bits.
        column_key: key of the column bits.
        devices: the devices; None for unit cells and for responses that kernels do not know.
        record: ``devices`` and the keys as Python passes them to compiled code; empty without devices.
        columns: number of columns that fired in the last mini-batch; 0 if that is not known.
    """

    weight: Floats
    row_key: np.uint64
    column_key: np.uint64
    devices: Devices | None
    record: Record
    columns: int = 0

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Views are not copied: a copy of an array makes its own."""
        return type(None), ()


@dataclass(eq=False, frozen=True)
class CompositeViews:
    """The buffers of a composite weight.

    Args:
        arrays: views of the arrays; if an array has got other views, these here are made anew.
        gammas: shares of the arrays.
        composite: the composite weight, flat.
        weights: visible weights of the arrays whose share is not 0, flat.
        shares: their shares.
    """

    arrays: list[ArrayViews]
    gammas: tuple[float, ...]
    composite: Floats
    weights: tuple[Floats, ...]
    shares: Floats


def views_of_devices(
    device: PulsedDevice,
    constants: dict[str, Tensor],
    keys: tuple[int, int],
    weights: tuple[Tensor, Tensor],
    pulses: tuple[Tensor, Tensor],
) -> Devices | None:
    """The devices of an array; None for a response that kernels do not know.

    Args:
        device: model of the devices.
        constants: constants as they are stored, see :attr:`resbench.crossbar.array.DeviceArray.held_constants`.
        keys: keys of the cycle-to-cycle noise and of the write noise.
        weights: stored and visible weight.
        pulses: counts of pulses up and down.
    """
    form = FORMS.get(device.response)
    if form is None:
        return None
    up, down = (_four([held(values) for values in device.directed(constants, way)]) for way in (True, False))
    scalars, tables = np.zeros((2, SCALARS), np.float32), []
    for row, way in enumerate((True, False)):
        numbers = [value for value in device.pulse_scalars(way) if isinstance(value, (int, float))]
        scalars[row, : len(numbers)] = numbers
        table = next((value for value in device.pulse_scalars(way) if isinstance(value, tuple)), ())
        tables.append(np.asarray(table, np.float32))
    return Devices(
        form=form(),
        noise_key=np.uint64(keys[0]),
        write_key=np.uint64(keys[1]),
        up=up,
        down=down,
        scalars=scalars,
        up_table=tables[0],
        down_table=tables[1],
        w_min=held(constants["w_min"]),
        w_max=held(constants["w_max"]),
        reference=held(constants["reference"]) if "reference" in constants else up[0][:0],
        noisy=device.dw_min_std > 0,
        write_noise=np.float32(device.write_noise),
        stored=flat(weights[0]),
        visible=flat(weights[1]),
        pulses_up=flat(pulses[0]),
        pulses_down=flat(pulses[1]),
    )


def _four(arrays: list[Held]) -> FourHeld:
    first, second, third, fourth = arrays + [arrays[0]] * (CONSTANTS - len(arrays))
    return first, second, third, fourth


def flat(values: Tensor) -> NDArray[Any]:
    """A tensor as a flat array on the same memory."""
    return values.numpy().reshape(-1)


def held(constants: Tensor) -> Held:
    """Constants in the form that compiled functions read."""
    values = flat(constants)
    return values.view(np.int16) if values.dtype == np.float16 else values
