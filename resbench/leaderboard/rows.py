"""Which runs share a row: those that differ in nothing but seed and precision."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from resbench.records.identity import deciding, hash_of, plain
from resbench.records.schema import Record
from resbench.records.text import one_line

#: Settings that a label names at most, and characters of each key and value.
_NAMED, _LONGEST = 3, 24


def row_labels(records: Iterable[Record]) -> dict[str, str]:
    """The label of the row of each record of one track, by ``config_hash``.

    A row is an algorithm's title, its number of tiles where that is more than two or differs in this track, and the
    name of the device where the track has several. Runs are averaged only where their configs differ in nothing but the
    seed, so where one cell of that row would hold several configs, the row is split and each part names what sets it
    apart, for example "Analog SGD (lr=0.05)".
    """
    records = list(records)
    several_devices = len({record.device.name for record in records if record.device}) > 1
    counts: dict[str, set[int]] = defaultdict(set)
    for record in records:
        counts[record.algorithm.title].add(record.tiles)
    by_name: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        counted = record.tiles > 2 or len(counts[record.algorithm.title]) > 1
        tiles = f", {record.tiles} tile{'' if record.tiles == 1 else 's'}" if counted else ""
        device = f" on {record.device.name}" if record.device and several_devices else ""
        by_name[record.algorithm.title + tiles + device].append(record)
    labels: dict[str, str] = {}
    for name, group in by_name.items():
        parts = _parts(group)
        split = {f"{name} ({part})" if part else name for part in parts.values()}
        unique = split.isdisjoint(labels.values())  # another algorithm may have chosen such a name
        own = name if unique else f"{name} #{hash_of(name)[:6]}"
        labels |= {key: f"{own} ({part})" if part else own for key, part in parts.items()}
    return labels


def _parts(group: list[Record]) -> dict[str, str]:
    """What sets the configs of one name apart, by hash; empty where all of them share a row."""
    configs = {record.config_hash: seedless_config(record) for record in group}
    cells = {(record.states, hash_of(configs[record.config_hash])) for record in group}
    if len(cells) == len({states for states, _ in cells}):
        return dict.fromkeys(configs, "")
    for record in group:
        configs[record.config_hash] = _masked(configs[record.config_hash], ("states",), plain(record.states))
    identities = {key: hash_of(config) for key, config in configs.items()}
    differing = _differing(list(configs.values()))
    apart = {identities[key]: _apart(config, differing) for key, config in configs.items()}
    clear = len(differing) <= _NAMED and len(set(apart.values())) == len(apart)
    return {
        key: apart[identity] if clear else ", ".join([*filter(None, [apart[identity]]), identity[:6]])
        for key, identity in identities.items()
    }


def seedless_config(record: Record) -> dict[str, Any]:
    """What a run computes but for its seed: runs that share it are repeats with other seeds."""
    masked: dict[str, Any] = _masked(deciding(record.config), ("seed", "seed_everything"), record.seed)
    return masked


def _masked(value: Any, keys: tuple[str, ...], masks: Any) -> Any:
    """Plain data without one value of these keys: what follows the seed, or the number of states, of the run."""
    if not isinstance(value, dict):
        return value
    return {key: "*" if key in keys and item == masks else _masked(item, keys, masks) for key, item in value.items()}


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
    named = [f"{_cut(path[-1])}={_short(_at(config, path))}" for path in differing[:_NAMED]]
    return ", ".join([*named, f"{len(differing) - _NAMED} more"] if len(differing) > _NAMED else named)


def _short(value: Any) -> str:
    """A setting in a label: the class of a component, else the beginning of its value."""
    if isinstance(value, dict):
        return _cut(str(value["class_path"]).rpartition(".")[2]) if "class_path" in value else "set"
    return _cut("null" if value is None else str(value))


def _cut(text: str) -> str:
    line = one_line(text[: 2 * _LONGEST])
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
