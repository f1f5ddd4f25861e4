"""Makes devices and pulse trains from aihwkit's names, which the test vectors use."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from resbench.crossbar import devices as models
from resbench.crossbar import presets
from resbench.crossbar.devices import Device, Drift, Ideal, OneSidedCell, PulsedDevice, ReferenceCell, VectorCell
from resbench.crossbar.pulses import PulseTrain, PulseType
from tests.conformance.result import CannotInterpret

Config = dict[str, Any]


#: Fields of aihwkit without effect on the physics.
SILENT = {"model", "construction_seed", "count_pulses", "drift", "preset"}
#: A soft-bounds device of aihwkit is a linear-step device with these parameters.
FIXED = {
    "SoftBounds": {
        "gamma_up": 1.0,
        "gamma_down": 1.0,
        "gamma_up_dtod": 0.0,
        "gamma_down_dtod": 0.0,
        "allow_increasing": False,
        "mean_bound_reference": False,
    }
}
#: Parameters that aihwkit derives from others, whatever they are set to.
DERIVED = {"SoftBoundsPmax": {"dw_min", "w_max", "w_min", "up_down"}}

PULSE_TYPES: dict[str, PulseType] = {
    "StochasticCompressed": "stochastic",
    "Stochastic": "stochastic",
    "MeanCount": "mean_count",
    "DeterministicImplicit": "deterministic_implicit",
    "NoneWithDevice": "exact",
}


def device(config: Config | str, drift: Config | None = None) -> Device:
    """The device of a vector.

    Args:
        config: name of a preset, or fields with the name of the model under ``model``.
        drift: fields of a drift that is not in the config.
    """
    if isinstance(config, str):
        return preset(config)
    if "preset" in config:
        return dataclasses.replace(preset(config["preset"]), **_element_fields(config))
    name = re.sub(r"(UnitCell|Cell|Device)$", "", config["model"])
    if name in ("Ideal", "FloatingPoint", "Simple"):
        known = {"diffusion", "lifetime", "reset_std"}
        return Ideal(**{key: value for key, value in config.items() if key in known})
    if name in ("Vector", "Reference", "OneSided"):
        return _cell(name, config)
    model = getattr(models, name, None)
    if model is None or not issubclass(model, PulsedDevice):
        raise CannotInterpret(f"device model {config['model']!r}")
    fields = _element_fields(config)
    for key, value in FIXED.get(name, {}).items():
        if fields.pop(key, value) != value:
            raise CannotInterpret(f"{name} with another {key}")
    for key in DERIVED.get(name, ()):
        fields.pop(key, None)
    drift = config.get("drift") or drift
    if drift:
        fields["drift"] = Drift(**{key: value for key, value in drift.items() if key != "simple_drift"})
    known = {field.name for field in dataclasses.fields(model) if field.init}
    if unknown := fields.keys() - known:
        raise CannotInterpret(f"{name} with {', '.join(sorted(unknown))}")
    made: Device = model(**fields)
    return made


def preset(name: str) -> Device:
    """A published device by aihwkit's name, with or without ``Preset``, ``Device`` or ``UnitCell`` at its end."""
    found = getattr(presets, re.sub(r"Preset(Device|UnitCell)?$", "", name), None)
    if found is None:
        raise CannotInterpret(f"preset {name!r}")
    made: Device = found()
    return made


def _element_fields(config: Config) -> Config:
    fields = {key: value for key, value in config.items() if key not in SILENT}
    if fields.pop("n_estimation_steps", -1) > 0:
        raise CannotInterpret("a symmetric point that is estimated by few pulses")
    if "reset" in fields:
        fields["reset"] = max(fields["reset"], 0.0)  # aihwkit's rule; a device of ours may reset to a negative value
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def _cell(name: str, config: Config) -> Device:
    """A unit cell. Missing fields have aihwkit's defaults."""
    listed = config.get("unit_cell_devices") or [config["unit_cell_device"]]
    elements = [device(element) for element in (listed if isinstance(listed, list) else [listed])]
    pulsed = tuple(element for element in elements if isinstance(element, PulsedDevice))
    if len(pulsed) != len(elements):
        raise CannotInterpret(f"{name} cell of something else than pulsed devices")
    if name == "Reference":
        return ReferenceCell(device=pulsed[0], reference=pulsed[-1])
    if name == "Vector":
        policy = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", config.get("update_policy", "All")).lower()
        return VectorCell(
            devices=pulsed,
            update_policy=policy,  # type: ignore[arg-type]  # checked by the cell
            first_update_idx=config.get("first_update_idx", 0),
            gamma_vec=tuple(config.get("gamma_vec") or ()),
        )
    names = (
        *("refresh_every", "units_in_mbatch", "refresh_upper_thres", "refresh_lower_thres", "copy_inverted"),
        "refresh_update",
    )
    fields = {key: config[key] for key in names if key in config}
    if "refresh_update" in fields:
        fields["refresh_update"] = pulse_train(fields["refresh_update"])
    return OneSidedCell(device=pulsed[0], **fields)


def pulse_train(config: Config) -> PulseTrain | None:
    """The pulse train of a vector.

    Returns:
        None for bin widths above 1. With these, aihwkit rounds every probability to 0; this project refuses them.
    """
    names = {field.name for field in dataclasses.fields(PulseTrain)} - {"pulse_type"}
    fields = {key: value for key, value in config.items() if key in names}
    if unknown := config.keys() - names - {"pulse_type", "d_sparsity", "um_reg_scale"}:
        raise CannotInterpret(f"update with {', '.join(sorted(unknown))}")
    for key in ("res", "x_res_implicit", "d_res_implicit"):
        fields[key] = max(fields.get(key, 0.0), 0.0)
    kind = config.get("pulse_type", "StochasticCompressed")
    if kind not in PULSE_TYPES:
        raise CannotInterpret(f"pulse type {kind!r}")
    read = {
        "deterministic_implicit": ("x_res_implicit", "d_res_implicit"),
        "exact": (),
    }.get(PULSE_TYPES[kind], ("res",))
    for key in ("res", "x_res_implicit", "d_res_implicit"):
        if fields[key] > 1 and key in read:
            _expect_refusal(key, fields[key])
            return None
        if key not in read:
            fields[key] = 0.0
    return PulseTrain(pulse_type=PULSE_TYPES[kind], **fields)


def _expect_refusal(key: str, value: float) -> None:
    try:
        PulseTrain(**{key: value})  # type: ignore[arg-type]
    except ValueError:
        return
    raise CannotInterpret(f"{key} of {value} is accepted")


def is_ideal(config: Config) -> bool:
    """Whether the update of a vector replaces its device by an ideal one."""
    return config.get("update", {}).get("pulse_type") in (None, "None") and "pulse_type" in config.get("update", {})
