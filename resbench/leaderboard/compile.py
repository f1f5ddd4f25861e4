"""From a folder of records to tables: one table a track, one row an algorithm, one column a precision.

``docs/rules.md`` has the rules.
"""

import math
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from resbench.leaderboard.cells import table_rows
from resbench.leaderboard.records import Entry, Record, RecordError, metric_differences, read_record
from resbench.leaderboard.rows import row_labels
from resbench.leaderboard.tables import METRICS, Leaderboard, Metric, Rejected, Row, Table, Unfinished


class _Run(Entry):
    """A record and the file it came from, relative to the folder."""

    file: str
    record: Record


def compile_leaderboard(records_dir: Path | str) -> Leaderboard:
    """Compile every record under a folder; nothing that lies there stops the compilation.

    Files whose names begin with a dot are passed over. A file that is not a valid record, repeats another run,
    contradicts another run of the same config and seed, or reports no test metric is listed as rejected, with the
    reason.

    Raises:
        FileNotFoundError: where the folder does not exist or holds no file.
    """
    files = _files(Path(records_dir))
    if not files:
        raise FileNotFoundError(f"no records in {records_dir}")
    runs, rejected = _read(files)
    runs, repeated = _one_per_config(runs)
    tables, without_metric = [], []
    for track_runs in _by_track(runs):
        table, left_out = _table(track_runs)
        tables.append(table)
        without_metric += left_out
    return Leaderboard(
        tables=tables, rejected=sorted(rejected + repeated + without_metric, key=lambda entry: entry.file)
    )


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Files under a folder and their names relative to it; links to folders are not followed.

    Of the folder of a run, which `resbench fit` gives a config.yaml, only the record counts. Names that begin with a
    dot are passed over.
    """
    found = []
    for parent, folders, names in os.walk(folder):
        names = [name for name in names if not name.startswith(".")]
        if "config.yaml" in names:
            folders.clear()
            names = [name for name in names if name == "record.json"]
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names]
    return sorted((path.relative_to(folder).as_posix(), path) for path in found)


def _read(files: Iterable[tuple[str, Path]]) -> tuple[list[_Run], list[Rejected]]:
    runs, rejected = [], []
    for name, path in files:
        if path.suffix != ".json" or not path.is_file():
            rejected.append(Rejected(file=name, reason="not a .json file"))
            continue
        try:
            runs.append(_Run(file=name, record=read_record(path)))
        except RecordError as error:
            rejected.append(Rejected(file=name, reason=str(error)))
    return runs, rejected


def _one_per_config(runs: list[_Run]) -> tuple[list[_Run], list[Rejected]]:
    """Of complete runs of one config and seed keep the earliest; where their metrics differ, keep none."""
    kept, rejected = [], []
    groups: dict[tuple[str, int], list[_Run]] = defaultdict(list)
    for run in runs:
        if run.record.status == "complete":
            groups[run.record.config_hash, run.record.seed].append(run)
        else:
            kept.append(run)
    for group in groups.values():
        first, *others = sorted(group, key=lambda run: (run.record.finished, run.file))
        differences = [difference for run in others for difference in metric_differences(first.record, run.record)]
        if differences:
            files = ", ".join(run.file for run in group)
            reason = f"conflicting: same config and seed, other metrics ({differences[0]}) in {files}"
            rejected += [Rejected(file=run.file, reason=reason) for run in group]
        else:
            kept.append(first)
            rejected += [Rejected(file=run.file, reason=f"duplicate of {first.file}") for run in others]
    return kept, rejected


def _by_track(runs: list[_Run]) -> list[list[_Run]]:
    """Runs of equal tracks together; a track of the same name with another budget, say, is another track."""
    groups: dict[str, list[_Run]] = defaultdict(list)
    for run in runs:
        groups[run.record.track.model_dump_json()].append(run)
    return [group for _, group in sorted(groups.items())]


def _table(runs: list[_Run]) -> tuple[Table, list[Rejected]]:
    track = runs[0].record.track
    reported = {key for run in runs if run.record.status == "complete" for key in run.record.final}
    metric = next((metric for metric in METRICS if metric.key in reported), METRICS[0])
    rejected, counted = [], []
    for run in runs:
        if run.record.status == "complete" and metric.key not in run.record.final:
            rejected.append(Rejected(file=run.file, reason=f"no final {metric.key}"))
        else:
            counted.append(run)

    labels = row_labels(run.record for run in counted)
    groups: dict[tuple[str, bool], list[Record]] = defaultdict(list)
    for run in counted:
        groups[labels[run.record.config_hash], run.record.states is None].append(run.record)
    levels = {run.record.states for run in counted if run.record.states is not None}
    columns: list[float | None] = [*sorted(levels)] or [None]
    rows, rankings, target = table_rows(groups, columns, metric)
    table = Table(
        track=track,
        metric=metric,
        target=target,
        columns=columns,
        rows=sorted(rows, key=lambda row: _place(row, metric)),
        rankings=rankings,
        unfinished=[
            _unfinished(run, labels[run.record.config_hash]) for run in counted if run.record.status != "complete"
        ],
    )
    return table, rejected


def _place(row: Row, metric: Metric) -> tuple[bool, bool, float, str]:
    """Sort key: digital first, rows without a mean last, the better mean earlier."""
    mean = math.nan if row.mean is None else row.mean
    if math.isnan(mean):
        return not row.digital, True, 0.0, row.label
    return not row.digital, False, -mean if metric.higher_is_better else mean, row.label


def _unfinished(run: _Run, label: str) -> Unfinished:
    record = run.record
    return Unfinished(
        file=run.file, label=label, states=record.states, seed=record.seed, status=record.status, error=record.error
    )
