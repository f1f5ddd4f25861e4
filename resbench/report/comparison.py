"""Runs side by side: their results and costs with the differences to the first, and where their configs differ."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resbench.costs import CostModel, counts, published
from resbench.costs.counted_report import totals
from resbench.leaderboard.wording import facts, precision
from resbench.records.identity import result_config, without
from resbench.records.samples import trained_samples
from resbench.records.text import counted, cut, duration, one_line
from resbench.report.runs import Run

#: Longest value of a config in a table.
LONGEST = 120
#: Copies of ``seed_everything`` in the config of a record.
SEEDS = ("model.init_args.seed", "data.init_args.seed")
#: What is written where a run has nothing.
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a table, and its difference to that of the first run (empty where there is none)."""

    text: str
    difference: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: its heading, and a value for each run, or a single one that all runs have."""

    name: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Group:
    """Lines of a table that belong together."""

    name: str
    rows: Sequence[Row]


def groups(runs: Sequence[Run]) -> list[Group]:
    """What is known of the runs, in words and numbers. Lines for which no run has a value are left out."""
    found = [
        Group("run", _texts(runs, _identity)),
        Group("results", _metrics(runs)),
        Group("training", _texts(runs, _training)),
        Group("counted, and what it would cost", _texts(runs, _cost)),
        Group("made with", _texts(runs, _environment)),
    ]
    return [group for group in found if group.rows]


def config_differences(runs: Sequence[Run]) -> list[Row]:
    """Keys of the configs with values that differ between the runs, without keys that cannot change a result."""
    flat = [_flat(without(result_config(run.config), lambda path: path in SEEDS)) if run.config else {} for run in runs]
    known = [config for config in flat if config]
    return [
        Row(key, [Value(config.get(key, NOTHING)) for config in flat])
        for key in dict.fromkeys(key for config in known for key in config)
        if len({config.get(key) for config in known}) > 1
    ]


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Values by dotted key, as a command line names them; ``class_path`` stands under the key of the object."""
    if not isinstance(value, Mapping) or not value:
        text = value if isinstance(value, str) else json.dumps(value)
        return {one_line(path): cut(one_line(text), LONGEST)}
    found: dict[str, str] = {}
    for key, item in value.items():
        inner = path if key in ("class_path", "init_args") and path else f"{path}.{key}" if path else key
        if not (key == "init_args" and item == {}):
            found |= _flat(item, inner)
    return found


def _texts(runs: Sequence[Run], describe: Callable[[Run], Mapping[str, str]]) -> list[Row]:
    described = [describe(run) for run in runs]
    names = dict.fromkeys(name for own in described for name in own)
    rows = [Row(name, [Value(own.get(name, NOTHING)) for own in described]) for name in names]
    return [Row(row.name, row.values[:1]) if len({*row.values}) == 1 else row for row in rows]


def _identity(run: Run) -> dict[str, str]:
    found = {"status": run.status, "folder": run.place.as_posix()}
    record = run.record
    if record is None:
        return found | _of_config(run.config)
    device = f"{record.device.name}, {precision(record.states)}" if record.device else "none: every layer is digital"
    return found | {
        "track": record.track.name,
        "task": "; ".join(facts(record.track)),
        "algorithm": record.algorithm.title + (f", {counted(record.tiles, 'tile')}" if record.tiles else ""),
        "device": device,
        "seed": str(record.seed),
        "config hash": record.config_hash[:12],
    }


def _of_config(config: Mapping[str, Any]) -> dict[str, str]:
    """The same of a run without a record, as far as its config says it."""
    flat = _flat(config)
    keys = {"track": "experiment.track", "task": "model", "algorithm": "model.algorithm", "device": "model.device"}
    named = {name: flat[key].rpartition(".")[2] for name, key in keys.items() if key in flat}
    if "device" in named and "model.device.states" in flat:
        named["device"] += f", {flat['model.device.states']} states"
    return named | ({"seed": flat["seed_everything"]} if "seed_everything" in flat else {})


def _metrics(runs: Sequence[Run]) -> list[Row]:
    """Final metrics, then those of the last epoch."""
    values = [{one_line(name): value for name, value in _last(run).items()} for run in runs]
    names = dict.fromkeys(name for own in values for name in own)
    rows = []
    for name in sorted(names, key=lambda name: ("test" not in name, "val" not in name)):
        first = values[0].get(name)
        rows.append(Row(name, [_metric(name, own.get(name), None if own is values[0] else first) for own in values]))
    return rows


def _last(run: Run) -> dict[str, float]:
    last = {name: values[max(values)] for name, values in run.curves.items() if values and name != "lr"}
    return last | (run.record.final if run.record else {})


def _metric(name: str, value: float | None, first: float | None) -> Value:
    if value is None:
        return Value(NOTHING)
    factor, unit = (100, " %") if "acc" in name else (1, "")
    form = ".2f" if unit else ".4f" if abs(value) < 1e4 else ".4g"
    difference = "" if first is None else f"{(value - first) * factor:+{form}}"
    return Value(f"{value * factor:{form}}{unit}", difference)


def _training(run: Run) -> dict[str, str]:
    record = run.record
    if record is None:
        epochs = max((max(values) for values in run.curves.values() if values), default=0)
        return {"epochs": str(epochs)}
    return {
        "epochs": str(len(record.epochs)),
        "optimiser steps": f"{record.steps:,}",
        "wall time": duration(record.wall_time_s),
        "steps per second": f"{record.steps_per_s:,.1f}",
    }


def _cost(run: Run) -> dict[str, str]:
    """What a run counted, and time and energy that follow by the cost model; without a model, the counts alone."""
    record = run.record
    samples = trained_samples(record) if record else 0
    if record is None or not samples or not record.layers or not all(layer.tiles for layer in record.layers):
        return {}
    layers = list(record.layers)
    try:
        algorithm = published(record.algorithm.class_path, record.algorithm.settings)
        return dict(totals(layers, algorithm, CostModel(batch_size=record.track.batch_size), samples))
    except (ValueError, TypeError, KeyError, ArithmeticError):  # settings are whatever a record says
        total = counts(layers, samples)
        return {"pulses": f"{total.pulses:,}", "cost": f"there is no cost model for {record.algorithm.title}"}


def _environment(run: Run) -> dict[str, str]:
    record = run.record
    if record is None:
        return {}
    dirty = ", with uncommitted changes" if record.git and record.git.dirty else ""
    return {
        "resbench": record.made_by.removeprefix("resbench ") + dirty,
        "torch": record.versions.get("torch", NOTHING),
        "python": record.versions.get("python", NOTHING),
        "processor": f"{record.hardware.cpu}, {counted(record.hardware.threads, 'thread')}",
        "device of torch": record.hardware.device,
        "finished": record.finished.strftime("%Y-%m-%d %H:%M %Z"),
    }
