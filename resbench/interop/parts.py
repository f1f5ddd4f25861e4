"""Devices, pulse trains, periphery and mapping of aihwkit 1.1.0, as ours."""

from __future__ import annotations

import math
from typing import Any

from resbench.crossbar import devices
from resbench.crossbar.devices import Device, Drift, Ideal, OneSidedCell, PulsedDevice, ReferenceCell, VectorCell
from resbench.crossbar.mapping import MappingParameters
from resbench.crossbar.periphery import IOParameters
from resbench.crossbar.pulses import PulseTrain, PulseType
from resbench.errors import BadValue
from resbench.interop.fields import Fields, snake_case

#: Fields without effect on numbers: seeds, counters, and switches of aihwkit's own programs.
SILENT = ("construction_seed", "count_pulses", "tile_class", "tile_array_class", "runtime", "simulator_tile_class")
PULSE_TYPES: dict[str, PulseType] = {
    "stochastic_compressed": "stochastic",
    "stochastic": "stochastic",
    "mean_count": "mean_count",
    "deterministic_implicit": "deterministic_implicit",
    "none_with_device": "exact",
}
#: aihwkit's soft-bounds device is a linear-step device with these fields fixed.
SOFT_BOUNDS = {
    "gamma_up": 1.0,
    "gamma_down": 1.0,
    "gamma_up_dtod": 0.0,
    "gamma_down_dtod": 0.0,
    "allow_increasing": False,
    "mean_bound_reference": False,
}
#: Arguments of devices that aihwkit does not have.
OURS = {"states", "half_constants", "zero_shift"}
MODELS: dict[str, type[PulsedDevice]] = {
    f"{model.__name__}Device": model
    for model in (
        *(devices.ConstantStep, devices.LinearStep, devices.SoftBounds, devices.SoftBoundsPmax),
        *(devices.SoftBoundsReference, devices.ExpStep, devices.PowStep, devices.PowStepReference),
        devices.PiecewiseStep,
    )
}


# -- periphery, pulses, mapping ----------------------------------------------------------------------------------------


def io_parameters(fields: Fields | None) -> IOParameters:
    """One direction of the periphery."""
    if fields is None:
        return IOParameters()
    if fields.name not in ("", "IOParameters"):
        raise BadValue(fields.path, fields.name, "has no counterpart; write IOParameters")
    fields.ignore("mode")
    found = fields.rest(IOParameters, without=("inp_bits", "out_bits"))
    fields.finish()
    for name in ("mv_type", "noise_management", "bound_management", "w_noise_type"):
        if name in found:
            found[name] = snake_case(str(found[name]))
    default = IOParameters()
    if math.isclose(found.get("ir_drop_g_ratio", 0.0), default.ir_drop_g_ratio):
        del found["ir_drop_g_ratio"]  # the same number, but for its last bit
    for name in ("inp_res", "out_res"):
        if found.get(name, 0) > 1:  # a number of steps there, which here is told from bits only by its size
            found[name] = 1 / found[name]
    if found.pop("is_perfect", False):  # then nothing else matters, there and here
        return IOParameters(is_perfect=True, out_scale=found.get("out_scale", 1.0))
    return IOParameters(**found)


def pulse_train(fields: Fields) -> PulseTrain | None:
    """The pulse trains; None for an update in floating point."""
    kind = snake_case(str(fields.take("pulse_type", "StochasticCompressed")))
    fields.ignore("d_sparsity", "um_reg_scale")
    found = fields.rest(PulseTrain)
    fields.finish()
    if kind == "none":
        return None
    if kind not in PULSE_TYPES:
        raise BadValue(fields.place("pulse_type"), kind, f"has no counterpart; write one of {', '.join(PULSE_TYPES)}")
    for name in ("res", "x_res_implicit", "d_res_implicit"):
        found[name] = max(float(found.get(name, 0.0)), 0.0)  # below 0 there means no rounding
    return PulseTrain(pulse_type=PULSE_TYPES[kind], **found)


def mapping_parameters(fields: Fields | None) -> MappingParameters:
    """Scales, bias and largest array, which has 512 lines where nothing is said."""
    if fields is None:
        return MappingParameters(max_input_size=512, max_output_size=512)
    found: dict[str, Any] = {"max_input_size": 512, "max_output_size": 512}
    found |= fields.rest(MappingParameters)
    fields.finish()
    return MappingParameters(**found)


# -- devices -----------------------------------------------------------------------------------------------------------


def device_of(fields: Fields) -> Device:
    """A device or a unit cell without transfers."""
    name = fields.name
    fields.ignore(*SILENT)
    if name == "IdealDevice":
        found = fields.rest(Ideal, names=("diffusion", "lifetime", "reset_std"))
        fields.finish()
        return Ideal(**found)
    if name in ("VectorUnitCell", "ReferenceUnitCell", "OneSidedUnitCell"):
        return _cell(fields)
    if name not in MODELS:
        raise BadValue(fields.path, name or "a device without class", f"has no counterpart; write one of {_known()}")
    return _element(fields, MODELS[name])


def _known() -> str:
    return ", ".join((*MODELS, "VectorUnitCell", "ReferenceUnitCell", "OneSidedUnitCell"))


def _element(fields: Fields, model: type[PulsedDevice]) -> PulsedDevice:
    if model is devices.SoftBounds:
        for name, value in SOFT_BOUNDS.items():
            fields.only(name, value)
    if model is devices.SoftBoundsPmax:
        fields.ignore("dw_min", "w_max", "w_min", "up_down", *SOFT_BOUNDS)  # derived from the others
    fields.only("n_estimation_steps", -1, 0, None)
    drift = fields.child("drift")
    found = fields.rest(model, without=OURS)
    fields.finish()
    if "reset" in found:
        found["reset"] = max(found["reset"], 0.0)  # a negative one counts as 0 there
    for name in ("piecewise_up", "piecewise_down"):
        if name in found:
            found[name] = tuple(found[name]) or (1.0,)
    if drift is not None and drift.left.get("nu", 0.0) > 0:
        drift.ignore("simple_drift")
        of_drift = drift.rest(Drift)
        drift.finish()
        found["drift"] = Drift(**of_drift)
    return model(**found)


def elements_of(fields: Fields) -> tuple[PulsedDevice, ...]:
    """The elements of a unit cell, or the devices of the tiles of a compound."""
    listed = fields.take("unit_cell_devices", [])
    found = [device_of(Fields(one, f"{fields.place('unit_cell_devices')}.{i}")) for i, one in enumerate(listed)]
    pulsed = tuple(one for one in found if isinstance(one, PulsedDevice))
    if not pulsed or len(pulsed) < len(found):
        raise BadValue(fields.place("unit_cell_devices"), f"{len(found)} devices", "are not one or more pulsed devices")
    return pulsed


def _cell(fields: Fields) -> Device:
    elements = elements_of(fields)
    if fields.name == "VectorUnitCell":
        found = fields.rest(VectorCell, names=("first_update_idx",))
        policy: Any = snake_case(str(fields.take("update_policy", "All")))
        shares = tuple(fields.take("gamma_vec", ()) or ())
        fields.finish()
        return VectorCell(devices=elements, update_policy=policy, gamma_vec=shares, **found)
    if fields.name == "ReferenceUnitCell":
        fields.only("update_policy", "SINGLE_FIXED", "SingleFixed")
        fields.only("first_update_idx", 0)
        fields.only("gamma_vec", [1.0, -1.0], [1, -1])
        fields.finish()
        return ReferenceCell(device=elements[0], reference=elements[-1])
    refresh, pulses = fields.child("refresh_forward"), fields.child("refresh_update")
    if refresh is not None:
        io_parameters(refresh)  # our refresh reads exactly, whatever these say
    trains = None if pulses is None else pulse_train(pulses)
    names = ("refresh_every", "units_in_mbatch", "refresh_upper_thres", "refresh_lower_thres", "copy_inverted")
    found = fields.rest(OneSidedCell, names=names)
    fields.finish()
    if any(one != elements[0] for one in elements):
        raise BadValue(
            fields.place("unit_cell_devices"), "two different devices", "have no counterpart; write one twice"
        )
    return OneSidedCell(device=elements[0], refresh_update=trains or PulseTrain(), **found)
