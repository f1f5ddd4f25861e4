"""The runs of a report: what lies in their folders, and in words what is missing or wrong."""

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resbench import __version__
from resbench.config.files import read_mapping
from resbench.errors import BadValue, UserError
from resbench.records.files import real_path
from resbench.records.identity import plain
from resbench.records.names import ATTEMPT, CHECKPOINT, CONFIG, METRICS, RECORD, TILES
from resbench.records.schema import Record, RecordError, read_record, record_or_refuse
from resbench.records.text import one_line
from resbench.report.tiles import MOST_EPOCHS, LayerHistory, read_tiles
from resbench.training.folder import RunFolder

#: As many runs have colours of their own.
MOST_RUNS = 8
#: Value of a metric after each epoch (counted from 1), by the name of the metric.
Curves = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Run:
    """A run, finished or not.

    Attributes:
        place: its folder, or the file of its record.
        status: that of the record, `running` or `killed` where there is none yet, or `unknown` if it cannot be read.
        record: null where there is none, or none that can be read.
        config: the resolved config; empty where it cannot be read.
        curves: metrics by epoch.
        layers: states of the tiles; empty for a digital run, or where none were written.
        notes: what a reader has to know, in words.
    """

    place: Path
    status: str
    record: Record | None
    config: Mapping[str, Any]
    curves: Curves
    layers: Sequence[LayerHistory]
    notes: Sequence[str]


def find_runs(places: Sequence[Path]) -> list[Path]:
    """Folders of runs and files of records, each once: those that are named, and those below a folder that is named.

    Raises:
        UserError: for a place that does not exist or has no run, and for more than eight runs.
    """
    found: dict[Path, Path] = {}
    for place in places:
        if place.is_file():
            own = [place.parent if place.name == RECORD else place]
        elif place.is_dir():
            own = _below(place)
        else:
            raise UserError(f"{place}: there is no such file or folder; name the folder of a run, as runs/NAME/HASH")
        if not own:
            raise UserError(f"{place}: there is no run in this folder; each run has a {CONFIG} or a {RECORD}")
        found |= {real_path(path): path for path in own}
    if len(found) > MOST_RUNS:
        raise UserError(f"{len(found)} runs are too many for one report; name at most {MOST_RUNS} of them")
    return list(found.values())


def _below(folder: Path) -> list[Path]:
    """Folders of runs in a folder, or the folder itself. Nothing inside the folder of a run is one."""
    runs = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if RECORD in names or CONFIG in names:
            runs.append(Path(place))
            folders.clear()
    return runs


def read_run(place: Path) -> Run:
    """Everything that is known of a run. Files that are missing or damaged become notes.

    Raises:
        UserError: for a file that is not a record.
    """
    if place.is_file():
        record = record_or_refuse(place)
        return Run(place, record.status, record, record.config, _of_record(record), [], _about(record, place))
    found, notes = _record(place)
    layers, of_tiles = read_tiles(place / TILES)
    curves, of_metrics = _of_csv(place / METRICS)
    notes = [*notes, *of_metrics, *of_tiles]
    if not (place / TILES).exists() and not (found and found.states is None):
        notes.append(f"no {TILES}: it is written after each epoch, unless tile_state.every_n_epochs is 0")
    unfinished = found is None and not (place / RECORD).exists()
    status = found.status if found else "running" if _in_progress(place) else "killed" if unfinished else "unknown"
    if unfinished:
        notes.insert(0, _unfinished(place, status))
    config, of_config = _config(place, found)
    return Run(
        place=place,
        status=status,
        record=found,
        config=config,
        curves=curves or (_of_record(found) if found else {}),
        layers=layers,
        notes=[*notes, *of_config],
    )


def _record(folder: Path) -> tuple[Record | None, list[str]]:
    if not (folder / RECORD).exists():
        return None, []
    try:
        record = read_record(folder / RECORD)
    except RecordError as error:
        return None, [f"{RECORD} cannot be used: {one_line(str(error))}"]
    return record, _about(record, folder)


def _about(record: Record, place: Path) -> list[str]:
    """What is unusual about a record."""
    notes = []
    if record.status != "complete":
        ended = {"interrupted": "was stopped from outside", "failed": "failed", "diverged": "diverged"}[record.status]
        notes.append(
            f"it {ended} after {record.steps:,} steps" + (f": {one_line(record.error)}" if record.error else "")
        )
        if record.status != "diverged" and (place / CHECKPOINT).exists():
            notes.append(f"continue it with: resbench resume {place}")
    made = record.versions.get("resbench")
    if made != __version__:
        notes.append(f"made by resbench {made or 'of an unknown version'}; this report is by {__version__}")
    return notes


def _unfinished(folder: Path, status: str) -> str:
    if status == "running":
        return "it is running: this is what it has written so far"
    command = f"; continue it with: resbench resume {folder}" if (folder / CHECKPOINT).exists() else ""
    return f"it has no {RECORD}: it was killed, or it runs on another machine{command}"


def _in_progress(folder: Path) -> bool:
    """Whether a process works in this folder."""
    name = real_path(folder)
    own = RunFolder(name.parent.parent, name.parent.name, name.name.removesuffix(ATTEMPT))
    return name.name.endswith(ATTEMPT) and own.in_progress()


def _config(folder: Path, record: Record | None) -> tuple[Mapping[str, Any], list[str]]:
    """The resolved config: that of the record, which is checked, or else the file."""
    if record is not None:
        return record.config, []
    try:
        return plain(read_mapping(folder / CONFIG)), []
    except (UserError, BadValue) as error:
        why = str(error).removeprefix(f"{folder / CONFIG}, ").removeprefix(f"{folder / CONFIG}: ").partition(";")[0]
        return {}, [one_line(f"{CONFIG} cannot be used: {why}")]


def _of_record(record: Record) -> Curves:
    curves: dict[str, dict[int, float]] = {}
    for entry in record.epochs:
        for name, value in entry.values.items():
            curves.setdefault(name, {})[entry.epoch + 1] = value
    return curves


def _of_csv(path: Path) -> tuple[Curves, list[str]]:
    """Metrics of training and validation and the learning rate, the last value of each epoch."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f"{path.name} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}"]
    curves: dict[str, dict[int, float]] = {}
    skipped = 0
    try:
        rows = list(csv.DictReader(lines))
    except csv.Error as error:
        return {}, [f"{path.name} cannot be read: {error}"]
    names = [
        name for name in (rows[0] if rows else ()) if name and (name == "lr" or name.startswith(("train/", "val/")))
    ]
    for row in rows:
        epoch = _number(row.get("epoch"))
        if epoch is None or not 0 <= epoch < MOST_EPOCHS:
            skipped += any(row.get(name) for name in names)
            continue
        for name in names:
            value = _number(row.get(name))
            if value is not None:
                curves.setdefault(one_line(name), {})[int(epoch) + 1] = value
    return curves, [f"{path.name}: {skipped} lines without an epoch are left out"] if skipped else []


def _number(text: object) -> float | None:
    try:
        return float(text) if isinstance(text, str) else None
    except ValueError:
        return None
