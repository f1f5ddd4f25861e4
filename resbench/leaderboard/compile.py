"""From records to tables: one table for each track, one row for each algorithm, one column for each precision.

``docs/rules.md`` has the rules.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from resbench.leaderboard.cells import table_rows
from resbench.leaderboard.compact import Compactor
from resbench.leaderboard.rows import row_labels
from resbench.leaderboard.runs import Run, data_digest, one_per_config, read_runs, record_files
from resbench.leaderboard.tables import METRICS, Leaderboard, Metric, Rejected, Row, Table, Unfinished
from resbench.records.limits import untested
from resbench.records.schema import LONGEST_REASON, Record, Track


def compile_leaderboard(records_dir: Path | str) -> Leaderboard:
    """Compile every record under a folder; no file in it stops the compilation.

    Files whose names begin with a dot are skipped. A file is listed as rejected, with the reason, if it is not a valid
    record, repeats another run, contradicts another run of the same config and seed, or reports no test metric.

    Raises:
        FileNotFoundError: if the folder does not exist or contains no file.
    """
    return compile_runs(*read_runs(record_files(records_dir), Compactor().compact))


def compile_runs(runs: Iterable[Run], rejected: Iterable[Rejected] = ()) -> Leaderboard:
    """Compile runs from any source; ``rejected`` files are listed in the result."""
    kept, repeated = one_per_config(runs)
    tables, without_result = [], []
    for track, track_runs in _by_track(kept):
        table, left_out = _table(track, track_runs)
        without_result += left_out
        if len(left_out) < len(track_runs):
            tables.append(table)
    return Leaderboard(
        tables=tables, rejected=sorted([*rejected, *repeated, *without_result], key=lambda entry: entry.file)
    )


def _by_track(runs: list[Run]) -> list[tuple[Track, list[Run]]]:
    """Group runs by track; tracks with the same name but another budget, or other data, are different tracks."""
    groups: dict[tuple[str, tuple[str, ...]], dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        track = run.track
        place = track.model_dump_json(exclude={"limits"}), tuple(track.limits)
        groups[place][data_digest(run.record)].append(run)
    found = []
    for _, by_data in sorted(groups.items()):
        for digest, group in sorted(by_data.items()):
            track = group[0].track
            own = [*track.limits, f"data {digest}"] if len(by_data) > 1 else track.limits
            found.append((track.model_copy(update={"limits": own}), group))
    return found


def _table(track: Track, runs: list[Run]) -> tuple[Table, list[Rejected]]:
    reported = {key for run in runs if run.record.status == "complete" for key in run.record.final}
    metric = next((metric for metric in METRICS if metric.key in reported), METRICS[0])
    rejected, counted = [], []
    for run in runs:
        reason = _no_result(run.record, metric) if run.record.status == "complete" else None
        if reason:
            rejected.append(Rejected(file=run.file, reason=reason))
        else:
            counted.append(run)

    labels = row_labels(run.record for run in counted)
    groups: dict[tuple[str, bool], list[Run]] = defaultdict(list)
    for run in counted:
        groups[labels[run.record.config_hash], run.record.states is None].append(run)
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


def _no_result(record: Record, metric: Metric) -> str | None:
    """Why the result of a complete run cannot be compared with others; null if it can."""
    if metric.key not in record.final:
        return f"no final {metric.key}"
    if not record.steps:
        return "steps: complete without a step of training"
    return untested(record.config)


def _place(row: Row, metric: Metric) -> tuple[bool, bool, float, str]:
    """Sort key: digital first, rows without a mean last, the better mean earlier."""
    mean = math.nan if row.mean is None else row.mean
    if math.isnan(mean):
        return not row.digital, True, 0.0, row.label
    return not row.digital, False, -mean if metric.higher_is_better else mean, row.label


def _unfinished(run: Run, label: str) -> Unfinished:
    record = run.record
    lines = (record.error or "").strip().splitlines()
    return Unfinished(
        file=run.file,
        label=label,
        states=record.states,
        seed=record.seed,
        status=record.status,
        error=lines[-1][:LONGEST_REASON] if lines else None,
    )
