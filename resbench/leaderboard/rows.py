"""Which runs share a row: those that differ in nothing but seed and precision."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from resbench.leaderboard.hashing import hash_of, result_config, without
from resbench.leaderboard.records import Record

_SEED_KEYS = ("seed", "seed_everything")
_PRECISION_KEYS = ("states",)
#: Settings that a label names at most, and characters of their values.
_NAMED, _LONGEST = 3, 24


def row_labels(records: Iterable[Record]) -> dict[str, str]:
    """The label of the row of each record of one track, by ``config_hash``.

    A row is an algorithm's name and its number of tiles, and where the track has several device models the device's
    name. Runs are averaged only where their configs differ in nothing but the seed, so where one cell of that row would
    hold several configs, the row is split and each part names what sets it apart, for example "Analog SGD (lr=0.05)".
    """
    records = list(records)
    several_devices = len({record.device.name for record in records if record.device}) > 1
    by_name: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        tiles = f", {record.tiles} tiles" if record.tiles > 1 else ""
        device = f" on {record.device.name}" if record.device and several_devices else ""
        by_name[record.algorithm.name + tiles + device].append(record)
    labels: dict[str, str] = {}
    for name, group in by_name.items():
        configs = {record.config_hash: result_config(record.config) for record in group}
        cells = {(record.states, hash_of(_drop(configs[record.config_hash], _SEED_KEYS))) for record in group}
        if len(cells) == len({states for states, _ in cells}):
            labels |= dict.fromkeys(configs, name)
            continue
        settings = {key: _drop(config, _SEED_KEYS + _PRECISION_KEYS) for key, config in configs.items()}
        identities = {key: hash_of(config) for key, config in settings.items()}
        differing = _differing(list(settings.values()))
        apart = {identities[key]: _apart(config, differing) for key, config in settings.items()}
        clear = len(differing) <= _NAMED and len(set(apart.values())) == len(apart)
        for key, identity in identities.items():
            parts = [apart[identity]] if clear else [*filter(None, [apart[identity]]), identity[:6]]
            labels[key] = f"{name} ({', '.join(parts)})"
    return labels


def _drop(config: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return without(config, lambda path: path.rpartition(".")[2] in keys)


def _differing(configs: list[Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths at which the configs part, in ascending order; below a path that only some of them have, none is named."""
    if all(isinstance(config, dict) for config in configs):
        keys = sorted(set().union(*configs))
        return [found for key in keys for found in _differing([config.get(key) for config in configs], (*path, key))]
    return [path] if len({hash_of(config) for config in configs}) > 1 else []


def _at(config: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        config = config.get(key)
    return config


def _apart(config: dict[str, Any], differing: list[tuple[str, ...]]) -> str:
    """What sets a config apart from the others of its row: "lr=0.05, fast_lr=null"."""
    named = [f"{path[-1]}={_short(_at(config, path))}" for path in differing[:_NAMED]]
    return ", ".join([*named, f"{len(differing) - _NAMED} more"] if len(differing) > _NAMED else named)


def _short(value: Any) -> str:
    """A setting in a label: the class of a component, else the beginning of its value."""
    if isinstance(value, dict):
        return str(value["class_path"]).rpartition(".")[2] if "class_path" in value else "set"
    text = "null" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
