"""Whether a run gives the numbers of its record again; the run itself is made elsewhere."""

import copy
import math
from collections.abc import Mapping
from typing import Any, Literal

from resbench.records.identity import counted_callbacks
from resbench.records.schema import Entry, Hardware, Record, metric_differences

#: Keys that follow from the seed; a config must not name them.
LINKED = ("model", "data")
#: Fields of the hardware that decide the last bits. The processor is none of them: portable arithmetic is the same on
#: all of an architecture, and native arithmetic tells itself by the instructions.
DECIDING = ("device", "architecture", "instructions", "onednn", "mkl", "accelerator")
#: How far metrics may be apart on another machine: fractions absolutely, all else relatively.
TOLERANCE = 0.02


class Verdict(Entry):
    """How two runs compare: equal bit for bit, within the tolerance on another environment, or different."""

    kind: Literal["equal", "close", "different"]
    compared: int
    differences: list[str]


def rerun_config(
    record: Record, root: str, epochs: int | None = None, data_root: str | None = None, weights: str | None = None
) -> dict[str, Any]:
    """The config that runs a record again into the folder ``root``, without loggers and callbacks that only watch.

    Args:
        record: The record.
        root: Where the run writes.
        epochs: Train so many epochs only.
        data_root: Folder of the data, in place of the record's. Data are downloaded into a folder that is named here,
            never into one that a record names. Data that come without files have no folder, and none is set.
        weights: File of the weights that the run starts from, in place of the record's.
    """
    config: dict[str, Any] = copy.deepcopy(record.config)
    config["ckpt_path"] = None
    config.setdefault("arithmetic", "native")  # a record from before there was the key
    if weights is not None:
        config["weights"] = weights
    config["experiment"] = _section(config, "experiment") | {"root": root, "name": "verify"}
    trainer = _section(config, "trainer")
    counted = counted_callbacks(trainer.get("callbacks"))
    config["trainer"] = trainer | {"logger": None, "profiler": None, "default_root_dir": None, "callbacks": counted}
    if epochs is not None:
        config["trainer"]["max_epochs"] = epochs
    for key in LINKED:
        section = _section(config, key)
        section["init_args"] = {name: value for name, value in _section(section, "init_args").items() if name != "seed"}
        config[key] = section
    data = config["data"]["init_args"]
    if data_root is not None and "root" in data:
        data["root"] = data_root
    elif "download" in data:
        data["download"] = False
    return config


def _section(config: dict[str, Any], key: str) -> dict[str, Any]:
    section = config.get(key)
    return section if isinstance(section, dict) else {}


def environment_differences(
    record: Record, versions: Mapping[str, str], commit: str | None, hardware: Hardware | None
) -> list[str]:
    """In what the present environment is not that of a record, one line each: versions, commit, device, arithmetic.

    Args:
        record: The record.
        versions: Versions of packages here.
        commit: Commit of resbench here; null where it is not a checkout.
        hardware: What a run ran on here; null leaves it out.
    """
    facts = [
        (name, record.versions.get(name), versions.get(name)) for name in dict.fromkeys([*record.versions, *versions])
    ]
    facts.append(("commit", record.git.commit if record.git else None, commit))
    if hardware is not None:
        facts += [(name, getattr(record.hardware, name), getattr(hardware, name)) for name in DECIDING]
    return [
        f"{name} {there or 'unknown'} there, {here or 'unknown'} here" for name, there, here in facts if there != here
    ]


def compare(
    record: Record, again: Record, same_environment: bool, epochs: int | None = None, tolerance: float = TOLERANCE
) -> Verdict:
    """Compare all metrics of two runs, or those of the first ``epochs`` only.

    Metrics are equal bit for bit, or where the environments differ within the tolerance: fractions (``*/acc``)
    absolutely, others relatively. Anything else is different, and so are other data, another end of the run, or what
    the record says of the run beside its metrics: names, states, tiles, the sizes of layers, and where all metrics are
    equal the steps and the pulses of every tile.
    """
    if others := _other_facts(record, again):
        return _different(*others)
    data, other = record.data.get("sha256"), again.data.get("sha256")
    if data != other:
        return _different(f"data: the checksums are {data} and {other}, so it is not the same data set")
    wanted = len(record.epochs) if epochs is None else epochs
    if len(again.epochs) < wanted or (epochs is None and record.status != again.status):
        why = f" ({again.error})" if again.error else ""
        return _different(
            f"end of the run: {record.status}, and now {again.status} after {len(again.epochs)} epochs{why}"
        )
    if others := _other_layers(record, again):
        return _different(*others)
    first, second = (_cut(run, wanted, final=epochs is None) for run in (record, again))
    compared = sum(len(entry.values) for entry in first.epochs) + len(first.final)
    differences = metric_differences(first, second)
    if not differences and epochs is None and (others := _other_work(record, again)):
        return _different(*others)
    if not differences:
        return Verdict(kind="equal", compared=compared, differences=[])
    far = differences if same_environment else _beyond(first, second, tolerance)
    return Verdict(kind="different" if far else "close", compared=compared, differences=far or differences)


def _different(*reasons: str) -> Verdict:
    return Verdict(kind="different", compared=0, differences=list(reasons))


def _other_facts(record: Record, again: Record) -> list[str]:
    """What a record says of its run that a run of its config does not say, a line each."""
    there, here = (
        {
            "track": run.track.name,
            "dataset": run.track.dataset,
            "train_size": run.track.train_size,
            "algorithm": run.algorithm.title,
            "device": run.device and run.device.name,
            "states": run.states,
            "tiles": run.tiles,
        }
        for run in (record, again)
    )
    return [f"{key}: {there[key]} and {here[key]}" for key in there if there[key] != here[key]]


def _other_layers(record: Record, again: Record) -> list[str]:
    """Layers and their tiles, sizes and reuse in which two runs of one config differ, a line each."""
    there, here = ([layer.name for layer in run.layers] for run in (record, again))
    if there != here:
        return [f"layers: {', '.join(there) or 'none'} and {', '.join(here) or 'none'}"]
    found = []
    for layer, other in zip(record.layers, again.layers, strict=True):
        said, made = (
            {
                "tiles": ", ".join(tile.name for tile in one.tiles) or "none",
                "out_features": one.out_features,
                "in_features": one.in_features,
                "reuse": one.reuse,
            }
            for one in (layer, other)
        )
        found += [f"{layer.name}, {key}: {said[key]} and {made[key]}" for key in said if said[key] != made[key]]
    return found


def _other_work(record: Record, again: Record) -> list[str]:
    """Steps and counts of tiles in which two runs with the same metrics and layers differ.

    Older records lack some counts of a tile.
    """
    found = [] if record.steps == again.steps else [f"steps: {record.steps} and {again.steps}"]
    tiles = [
        {f"{layer.name}.{tile.name}": tile.model_dump() for layer in run.layers for tile in layer.tiles}
        for run in (record, again)
    ]
    return found + [
        f"{name}, {key}: {said} and {tiles[1][name][key]}"
        for name, counts in tiles[0].items()
        for key, said in counts.items()
        if said is not None and said != tiles[1][name][key]
    ]


def _cut(record: Record, epochs: int, final: bool) -> Record:
    return record.model_copy(update={"epochs": record.epochs[:epochs], "final": record.final if final else {}})


def _beyond(first: Record, second: Record, tolerance: float) -> list[str]:
    """Metrics that are further apart than the tolerance."""
    pairs = [(f"epoch {a.epoch}", a.values, b.values) for a, b in zip(first.epochs, second.epochs, strict=True)]
    return [
        f"{place}, {key}: {left.get(key, 'absent')} and {right.get(key, 'absent')}"
        for place, left, right in [*pairs, ("final", first.final, second.final)]
        for key in dict.fromkeys([*left, *right])
        if key not in left or key not in right or not _close(key, left[key], right[key], tolerance)
    ]


def _close(key: str, left: float, right: float, tolerance: float) -> bool:
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    if key.endswith("/acc"):
        return abs(left - right) <= tolerance
    return left == right or abs(left - right) <= tolerance * max(abs(left), abs(right))
