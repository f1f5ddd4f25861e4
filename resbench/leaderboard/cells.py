"""From the records of one track to the rows of its table."""

from collections.abc import Mapping, Sequence, Set
from math import isnan, nan

from resbench.leaderboard.effort import cost, wear
from resbench.leaderboard.paper import printed
from resbench.leaderboard.progress import curve, steps_to_target, target
from resbench.leaderboard.ranking import Scores, profile, rank
from resbench.leaderboard.runs import Run
from resbench.leaderboard.statistics import difference_interval, mean, mean_interval
from resbench.leaderboard.tables import Cell, Metric, Ranking, Row
from resbench.records.schema import Record

#: Label of a row, and whether its runs are digital.
RowKey = tuple[str, bool]


def table_rows(
    groups: Mapping[RowKey, Sequence[Run]], columns: Sequence[float | None], metric: Metric
) -> tuple[list[Row], list[Ranking], float | None]:
    """Rows of one table in the order of ``groups``, the ranking of each column, and the target.

    Args:
        groups: Runs of each row, finished or not.
        columns: Numbers of states; null for the one column of a track without devices.
        metric: What the table compares.
    """
    complete = {
        key: sorted((run for run in group if run.record.status == "complete"), key=lambda run: run.record.seed)
        for key, group in groups.items()
    }
    digital = [group for (_, is_digital), group in complete.items() if is_digital and group]
    reference = [run.record for run in digital[0]] if len(digital) == 1 else []
    goal = target(reference, metric)
    cells: dict[RowKey, list[Cell | None]] = {}
    for (label, is_digital), group in complete.items():
        compared = {} if is_digital else _scores(reference, metric)
        by_column = [[run for run in group if is_digital or run.record.states == states] for states in columns]
        cells[label, is_digital] = [_cell(in_cell, metric, compared, goal) for in_cell in by_column]
    ranked = []
    for index, states in enumerate(columns):
        column = {label: row[index] for (label, is_digital), row in cells.items() if not is_digital}
        diverged = {
            label
            for (label, _), runs in groups.items()
            for run in runs
            if run.record.status == "diverged" and run.record.states == states
        }
        ranked.append(_rank(column, diverged, states, metric))
    rows = []
    for (label, is_digital), runs in groups.items():
        row = cells[label, is_digital] if is_digital else [column.get(label) for _, column in ranked]
        means = [cell.mean for cell in row if cell]
        rows.append(
            Row(
                label=label,
                tiles=max(run.record.tiles for run in runs),
                digital=is_digital,
                cells=row,
                profile=[] if is_digital else profile([cell.behind if cell else None for cell in row]),
                mean=mean(means) if means else None,
                unfinished=len(runs) - len(complete[label, is_digital]),
            )
        )
    return rows, [ranking for ranking, _ in ranked], goal


def _cell(runs: Sequence[Run], metric: Metric, reference: Scores, goal: float | None) -> Cell | None:
    if not runs:
        return None
    records = [run.record for run in runs]
    scores = _scores(records, metric)
    centre, interval = mean_interval(list(scores.values()))
    low, high = interval or (None, None)
    gap, gap_interval = difference_interval(scores, reference) if reference else (None, None)
    gap_low, gap_high = gap_interval or (None, None)
    steps, reached = (None, None) if goal is None else steps_to_target(records, metric, goal)
    return Cell(
        mean=centre,
        low=low,
        high=high,
        gap=gap,
        gap_low=gap_low,
        gap_high=gap_high,
        seeds=list(scores),
        values=list(scores.values()),
        files=[run.file for run in runs],
        steps_per_s=mean(record.steps_per_s for record in records),
        steps_to_target=steps,
        reached=reached,
        curve=curve(records, metric),
        cost=cost(records[0]),
        wear=wear(records),
        paper=printed(records[0], metric),
    )


def _scores(records: Sequence[Record], metric: Metric) -> Scores:
    return {record.seed: record.final[metric.key] for record in records}


def _rank(
    column: Mapping[str, Cell | None], diverged: Set[str], states: float | None, metric: Metric
) -> tuple[Ranking, dict[str, Cell]]:
    """The ranking of a column, and its cells with their ranks and their distance to the best.

    A row that ``diverged`` for one of its seeds is not compared, because only the seeds that went well are left.
    """
    cells = {label: cell for label, cell in column.items() if cell}
    scores = {
        label: dict(zip(cell.seeds, cell.values, strict=True)) for label, cell in cells.items() if label not in diverged
    }
    ranking = rank(scores, states, metric)
    means = [cell.mean for cell in cells.values() if not isnan(cell.mean)]
    best = (max if metric.higher_is_better else min)(means, default=nan)
    return ranking, {
        label: cell.model_copy(
            update={"rank": ranking.ranks.get(label), "behind": 0.0 if cell.mean == best else abs(best - cell.mean)}
        )
        for label, cell in cells.items()
    }
