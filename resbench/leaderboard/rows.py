"""Which runs share a row: those that differ only in seed and precision."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from resbench.records.identity import SEED_KEYS, deciding, hash_of, holders, plain
from resbench.records.schema import Record
from resbench.records.text import counted, cut, one_line

#: Largest number of settings in a label, and of characters in each of their keys and values.
_NAMED, _LONGEST = 3, 24


def row_labels(records: Iterable[Record]) -> dict[str, str]:
    """The label of the row of each record of one track, by ``config_hash``.

    A label is the algorithm's title. The number of tiles is added if there are more than two, or if it differs within
    the track; the name of the device is added if the track has several. Runs are averaged only if their configs differ
    in nothing but the seed. So if one cell of a row would contain several configs, the row is split, and each part
    names the difference, for example "Analog SGD (lr=0.05)".
    """
    records = list(records)
    names = row_names(records)
    by_name: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_name[names[record.config_hash]].append(record)
    labels: dict[str, str] = {}
    for name, group in by_name.items():
        parts = _parts(group)
        split = {f"{name} ({part})" if part else name for part in parts.values()}
        unique = split.isdisjoint(labels.values())  # another algorithm may have chosen such a name
        own = name if unique else f"{name} #{hash_of(name)[:6]}"
        labels |= {key: f"{own} ({part})" if part else own for key, part in parts.items()}
    return labels


def row_names(records: Sequence[Record]) -> dict[str, str]:
    """Algorithm, number of tiles and device of each record of one track, by ``config_hash``."""
    several_devices = len({record.device.name for record in records if record.device}) > 1
    counts: dict[str, set[int]] = defaultdict(set)
    for record in records:
        counts[record.algorithm.title].add(record.tiles)
    names = {}
    for record in records:
        is_counted = record.tiles > 2 or len(counts[record.algorithm.title]) > 1
        tiles = f", {counted(record.tiles, 'tile')}" if is_counted else ""
        device = f" on {record.device.name}" if record.device and several_devices else ""
        names[record.config_hash] = record.algorithm.title + tiles + device
    return names


def _parts(group: list[Record]) -> dict[str, str]:
    """How the configs of one name differ, by hash; empty strings if all of them share a row."""
    configs = {record.config_hash: seedless_config(record) for record in group}
    cells = {(record.states, hash_of(configs[record.config_hash])) for record in group}
    if len(cells) == len({states for states, _ in cells}):
        return dict.fromkeys(configs, "")
    for record in group:
        configs[record.config_hash] = _stateless(configs[record.config_hash], plain(record.states))
    identities = {key: hash_of(config) for key, config in configs.items()}
    differing = _differing(list(configs.values()))
    apart = {identities[key]: _apart(config, differing) for key, config in configs.items()}
    clear = len(differing) <= _NAMED and len(set(apart.values())) == len(apart)
    return {
        key: apart[identity] if clear else ", ".join([*filter(None, [apart[identity]]), identity[:6]])
        for key, identity in identities.items()
    }


def seedless_config(record: Record) -> dict[str, Any]:
    """The config of a run without its seed: runs that share it are repeats with other seeds.

    Only the seed of the run is left out. An argument of a class that is called so too is a setting like any other.
    """
    config = deciding(record.config)
    for _, section, last in holders(config, SEED_KEYS):
        section[last] = "*"
    return config


def _stateless(value: Any, states: Any) -> Any:
    """Plain data in which values of a key ``states`` that are the states of the run become ``*``."""
    if not isinstance(value, dict):
        return value
    return {key: "*" if key == "states" and item == states else _stateless(item, states) for key, item in value.items()}


def _differing(configs: list[Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths at which the configs differ, ascending; if only some configs have a path, nothing below it is listed."""
    if all(isinstance(config, dict) for config in configs):
        keys = sorted(set().union(*configs))
        return [found for key in keys for found in _differing([config.get(key) for config in configs], (*path, key))]
    return [path] if len({hash_of(config) for config in configs}) > 1 else []


def _at(config: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        config = config.get(key)
    return config


def _apart(config: dict[str, Any], differing: list[tuple[str, ...]]) -> str:
    """How a config differs from the others of its row: "lr=0.05, fast_lr=null"."""
    named = [f"{_cut(path[-1])}={_short(_at(config, path))}" for path in differing[:_NAMED]]
    return ", ".join([*named, f"{len(differing) - _NAMED} more"] if len(differing) > _NAMED else named)


def _short(value: Any) -> str:
    """A setting in a label: the class of a component, or else the beginning of its value."""
    if isinstance(value, dict):
        return _cut(str(value["class_path"]).rpartition(".")[2]) if "class_path" in value else "set"
    return _cut("null" if value is None else str(value))


def _cut(text: str) -> str:
    return cut(one_line(text[: 2 * _LONGEST]), _LONGEST)
