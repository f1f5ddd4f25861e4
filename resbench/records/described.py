"""What the config of a run decides of its record: algorithm, device, network, batch size, budget and states."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resbench.records.schema import AlgorithmEntry, Budget, DeviceEntry, Record
from resbench.records.text import cut, one_line
from resbench.registry import offers

#: Most characters of a value in a message.
LONGEST_VALUE = 80


def component(config: Mapping[str, Any]) -> dict[str, Any]:
    """Name, class path and settings of a part of a resolved config."""
    path = config["class_path"]
    return {"name": path.rpartition(".")[2], "class_path": path, "settings": config.get("init_args") or {}}


def device_entry(configs: Sequence[Mapping[str, Any]]) -> DeviceEntry:
    """The device of all tiles, or the different ones of the tiles as one entry."""
    parts = [component(config) for config in configs]
    if len(parts) == 1:
        return DeviceEntry(**parts[0])
    names, paths = (" + ".join(part[key] for part in parts) for key in ("name", "class_path"))
    return DeviceEntry(name=names, class_path=paths, settings={"devices": [dict(config) for config in configs]})


def network_text(config: Mapping[str, Any]) -> str:
    """The network with its arguments, in one line."""
    network = component(config)
    arguments = ", ".join(f"{key}={value}" for key, value in network["settings"].items())
    return one_line(f"{network['name']}({arguments})")


def budget(trainer: Mapping[str, Any]) -> Budget:
    """How long a trainer of these arguments may train; a negative limit is none."""
    epochs, steps = trainer.get("max_epochs"), trainer.get("max_steps")
    return Budget(
        epochs=epochs if (epochs or 0) > 0 else None,
        max_steps=steps if (steps or 0) > 0 else None,
    )


def contradictions(record: Record) -> list[str]:
    """Where a record says something else than its own config, a line each: ``states: 2, and 16 by its config``."""
    try:
        return [
            f"{name}: {_short(said)}, and {_short(decided)} by its config"
            for name, said, decided in _facts(record)
            if said != decided
        ]
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"config: it is not that of a run ({type(error).__name__}: {one_line(str(error))})"]


def _facts(record: Record) -> Iterator[tuple[str, Any, Any]]:
    """Name of each field, what the record says, and what its config decides."""
    config: Any = record.config
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    track, algorithm = record.track, AlgorithmEntry(**component(model["algorithm"]))
    unnamed = f"{track.dataset}-{component(model['network'])['name']}"
    yield "track.name", track.name, config["experiment"].get("track") or unnamed
    yield "track.task", track.task, component(config["model"])["name"]
    yield "track.network", track.network, network_text(model["network"])
    yield "track.analog_layers", track.analog_layers, model["layers"]
    yield "track.budget", track.budget, budget(config["trainer"])
    yield "track.batch_size", track.batch_size, data["batch_size"]
    yield "algorithm.class_path", record.algorithm.class_path, algorithm.class_path
    yield "algorithm.settings", record.algorithm.settings, algorithm.settings
    # Titles change between versions, but none may be that of another algorithm.
    ours = {offer.path: offer.said("title") for offer in offers("algorithms")}
    own = ours.pop(algorithm.class_path, None)
    if own is not None and record.algorithm.name in ours.values():
        yield "algorithm.name", record.algorithm.name, own
    yield "tiles", record.tiles, max((len(layer.tiles) for layer in record.layers), default=0)
    if not record.tiles:
        yield "device", record.device, None
        yield "states", record.states, None
        return
    devices = model["device"] if isinstance(model["device"], list) else [model["device"]]
    entry = device_entry(devices)
    yield "device.class_path", record.device and record.device.class_path, entry.class_path
    yield "device.settings", record.device and record.device.settings, entry.settings
    states: list[Any] = [(device.get("init_args") or {}).get("states") for device in devices[: record.tiles]]
    if None not in states:  # else the device follows them from its range and its step
        yield "states", record.states, min(float(count) for count in states)


def _short(value: Any) -> str:
    return cut(one_line(str(value)), LONGEST_VALUE)
