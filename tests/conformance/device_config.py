"""Makes devices and pulse trains from the configs of the test vectors, which are aihwkit's without its class names."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from resbench.crossbar import presets
from resbench.crossbar.devices import Device, PulsedDevice
from resbench.crossbar.pulses import PulseTrain
from resbench.errors import BadValue
from resbench.interop import parts
from resbench.interop.fields import Fields
from tests.conformance.result import CannotInterpret

Config = dict[str, Any]

#: Fields of an ideal device; the vectors also list those of pulsed devices for it.
IDEAL = ("diffusion", "lifetime", "reset_std")
ELEMENT = {field.name for field in dataclasses.fields(PulsedDevice)}
UNIT_CELLS = ("Vector", "Reference", "OneSided")
#: Bin widths of pulses. aihwkit rounds every probability to 0 for those above 1; this project refuses them.
WIDTHS = ("res", "x_res_implicit", "d_res_implicit")


def device(config: Config | str, drift: Config | None = None) -> Device:
    """The device of a vector.

    Args:
        config: name of a preset, or fields with the name of the model under ``model``.
        drift: fields of a drift that is not in the config.
    """
    if isinstance(config, str):
        return preset(config)
    if "preset" in config:
        return _preset_with(config)
    return parts.device_of(Fields(_named(config, drift), "device"))


def preset(name: str) -> Device:
    """A published device by aihwkit's name, with or without ``Preset``, ``Device`` or ``UnitCell`` at its end."""
    found = getattr(presets, re.sub(r"Preset(Device|UnitCell)?$", "", name), None)
    if found is None:
        raise CannotInterpret(f"preset {name!r}")
    made: Device = found()
    return made


def _preset_with(config: Config) -> Device:
    """A published device with other values of some fields."""
    made = preset(config["preset"])
    if not isinstance(made, PulsedDevice):
        raise CannotInterpret(f"preset {config['preset']!r} with other fields")
    fields = {name: value for name, value in config.items() if name not in ("preset", "model", *parts.SILENT)}
    return dataclasses.replace(made, **fields)


def _named(config: Config, drift: Config | None = None) -> Config:
    """The config with the names of classes as :mod:`resbench.interop` reads it."""
    fields = {name: value for name, value in config.items() if name != "model"}
    model = re.sub(r"(UnitCell|Cell|Device)$", "", config["model"])
    if model in ("Ideal", "FloatingPoint", "Simple"):
        return {"class": "IdealDevice"} | {name: value for name, value in fields.items() if name in IDEAL}
    if model in UNIT_CELLS:
        listed = fields.pop("unit_cell_devices", None) or [fields.pop("unit_cell_device")]
        elements = [_named(element) for element in (listed if isinstance(listed, list) else [listed])]
        own = {name: value for name, value in fields.items() if name not in ELEMENT}  # the elements have theirs
        return {"class": f"{model}UnitCell", "unit_cell_devices": elements, **own}
    if drift or fields.get("drift"):
        fields["drift"] = fields.get("drift") or drift
    return {"class": f"{model}Device", **fields}


def pulse_train(config: Config) -> PulseTrain | None:
    """The pulse train of a vector; None for bin widths above 1, which are refused here."""
    if config.get("pulse_type") == "NoneWithDevice":
        config = {name: value for name, value in config.items() if name not in WIDTHS}  # nothing is rounded
    try:
        return parts.pulse_train(Fields(config, "update"))
    except BadValue as refusal:
        if refusal.key in WIDTHS and config[refusal.key] > 1:
            return None
        raise


def is_ideal(config: Config) -> bool:
    """Whether the update of a vector replaces its device by an ideal one."""
    return config.get("update", {}).get("pulse_type") in (None, "None") and "pulse_type" in config.get("update", {})
