"""What the state of a tile says about its devices, so that a tile of other devices does not take it in silence.

A state holds the constants of every device, but not the parameters that all of them share. With those of other devices
the same pulses would be other steps, and every message about the number of states wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resbench.crossbar.devices import Device, PulsedDevice
from resbench.crossbar.devices.unit_cells import UnitCell
from resbench.errors import BadValue

#: Under which names states say what they belong to: that of a tile its devices, that of an algorithm its shares. States
#: of earlier versions have neither.
NOTES = DEVICE, GAMMAS = "device", "gammas"


def traits_of(device: Device) -> dict[str, Any]:
    """What updates take from a device itself and not from the constants in a state, by name, as plain types.

    Drift is not among it, so that a trained network can be evaluated with another one.
    """
    traits: dict[str, Any] = {"model": type(device).__name__, "states": float(device.state_count)}
    traits["granularity"] = float(device.granularity)
    if isinstance(device, PulsedDevice):
        # The response and not the class: a preset of the same model has the same devices.
        traits["model"] = getattr(device.response, "__name__", traits["model"])
        traits["pulses"] = tuple(device.pulse_scalars(up) for up in (True, False))
        traits["write_noise"] = float(device.write_noise)
    elif isinstance(device, UnitCell):
        traits["shares"] = tuple(device.shares)
    return traits


def refuse_other_device(device: Device, counters: tuple[str, ...], state: Mapping[str, Any]) -> None:
    """Refuse the counters of a tile of other devices.

    Args:
        device: the device of the tile that loads.
        counters: names of the counters that it has.
        state: the counters that are loaded, with :func:`traits_of` the devices that they belong to; a state of an
            earlier version lacks these.

    Raises:
        BadValue: if the devices differ, or if a counter is missing.
    """
    name, own = type(device).__name__, traits_of(device)
    found = state.get(DEVICE, own)
    build = "; build the model with the devices that were saved, or load the weights alone, rb.digital_state(model)"
    for trait in own:
        if (saved := found.get(trait)) == own[trait]:
            continue
        if trait == "states":
            value = f"{own[trait]:g}, but the state is of devices with {saved:g} states"
            raise BadValue("states", value, build)
        raise BadValue("device", f"{name} has {trait} {own[trait]}, that of the state {saved}", build)
    if missing := [counter for counter in counters if counter not in state]:
        raise BadValue("device", f"a {name} counts {', '.join(missing)}, which the state lacks", build)
