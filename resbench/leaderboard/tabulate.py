"""The table of one track: from labelled runs to rows, ranks and what did not complete."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from resbench.leaderboard.cells import table_rows
from resbench.leaderboard.runs import Run
from resbench.leaderboard.tables import METRICS, Metric, Row, Table, Unfinished
from resbench.records.limits import untested
from resbench.records.schema import LONGEST_REASON, Record, Track

#: How far the mean of an accuracy may be off by rounding.
ROUNDING = 1e-6

#: A run with the label of its row.
Labelled = tuple[str, Run]


def metric_of(runs: Iterable[Run]) -> Metric:
    """What a table of these runs compares: the metric of most complete runs, of equally many the first of METRICS.

    The metric of a run is the first of METRICS that it reports, so one stray run changes no table.
    """
    complete = [run.record.final for run in runs if run.record.status == "complete"]
    votes = Counter(next((metric.key for metric in METRICS if metric.key in final), "") for final in complete)
    return max(METRICS, key=lambda metric: votes[metric.key])


def make_table(track: Track, metric: Metric, runs: Sequence[Labelled], others: Sequence[Labelled] = ()) -> Table:
    """A table of runs that are complete with a result, or that did not complete.

    Args:
        track: what they share.
        metric: what is compared.
        runs: runs by their row.
        others: further runs that did not complete, which are listed and nothing more.
    """
    groups: dict[tuple[str, bool], list[Run]] = defaultdict(list)
    for label, run in runs:
        groups[label, run.record.states is None].append(run)
    levels = {run.record.states for _, run in runs if run.record.states is not None}
    columns: list[float | None] = [*sorted(levels)] or [None]
    rows, rankings, target = table_rows(groups, columns, metric)
    return Table(
        track=track,
        metric=metric,
        target=target,
        columns=columns,
        rows=sorted(rows, key=lambda row: _place(row, metric)),
        rankings=rankings,
        unfinished=[_unfinished(run, label) for label, run in [*runs, *others] if run.record.status != "complete"],
    )


def no_result(record: Record, metric: Metric) -> str | None:
    """Why the result of a complete run cannot be compared with others; null if it can."""
    if metric.key not in record.final:
        return f"no final {metric.key}"
    if reason := no_fraction(metric.key, record.final[metric.key]):
        return reason
    if not record.steps:
        return "steps: complete without a step of training"
    return untested(record.config)


def no_fraction(key: str, value: float) -> str | None:
    """Why a metric is no accuracy, for one that is named so (``*/acc``); null if it is or NaN."""
    if key.endswith("/acc") and (value < -ROUNDING or value > 1 + ROUNDING):
        return f"{key}: {value:g} is no accuracy; a task reports a fraction from 0 to 1"
    return None


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
