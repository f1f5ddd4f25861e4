"""Which runs share a row: those that differ in nothing but seed and precision."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from resbench.leaderboard.hashing import hash_of, result_config, without
from resbench.leaderboard.records import Record

_SEED_KEYS = ("seed", "seed_everything")
_PRECISION_KEYS = ("states",)


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
        settings = {key: _leaves(_drop(config, _SEED_KEYS + _PRECISION_KEYS)) for key, config in configs.items()}
        differing = _differing(settings.values())
        for key, leaves in settings.items():
            apart = ", ".join(f"{path.rpartition('.')[2]}={leaves.get(path, 'absent')}" for path in differing)
            labels[key] = f"{name} ({apart})" if apart else name
    return labels


def _drop(config: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return without(config, lambda path: path.rpartition(".")[2] in keys)


def _leaves(config: dict[str, Any], parent: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        leaves |= _leaves(value, f"{parent}{key}.") if isinstance(value, dict) else {f"{parent}{key}": value}
    return leaves


def _differing(settings: Iterable[dict[str, Any]]) -> list[str]:
    """Paths whose values are not the same in all settings, in ascending order."""
    settings = list(settings)
    paths = sorted(set().union(*settings))
    return [path for path in paths if len({hash_of(leaves.get(path, [])) for leaves in settings}) > 1]
