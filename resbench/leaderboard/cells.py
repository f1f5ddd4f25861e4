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
    diverged = {key: [run.record for run in group if run.record.status == "diverged"] for key, group in groups.items()}
    digital = [key for key, group in complete.items() if key[1] and group]
    # The seeds that are left of a reference would all be those that went well.
    sound = len(digital) == 1 and not diverged[digital[0]]
    reference = [run.record for run in complete[digital[0]]] if sound else []
    goal = target(reference, metric)
    cells: dict[RowKey, list[Cell | None]] = {}
    for (label, is_digital), group in complete.items():
        compared = {} if is_digital else _scores(reference, metric)
        lost = diverged[label, is_digital]
        cells[label, is_digital] = [
            _cell(
                [run for run in group if is_digital or run.record.states == states],
                {record.seed for record in lost if is_digital or record.states == states},
                metric,
                compared,
                goal,
            )
            for states in columns
        ]
    ranked = []
    for index, states in enumerate(columns):
        column = {label: row[index] for (label, is_digital), row in cells.items() if not is_digital}
        ranked.append(_rank(column, states, metric))
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


def _cell(
    runs: Sequence[Run], diverged: Set[int], metric: Metric, reference: Scores, goal: float | None
) -> Cell | None:
    """The cell of complete runs, of which some more seeds have diverged; null without a complete run."""
    if not runs:
        return None
    records = [run.record for run in runs]
    scores = _scores(records, metric)
    centre, interval = mean_interval(list(scores.values()))
    low, high = interval or (None, None)
    gap, gap_interval = difference_interval(scores, reference) if reference else (None, None)
    gap_low, gap_high = gap_interval or (None, None)
    steps, reached = (None, None) if goal is None else steps_to_target(records, metric, goal, len(diverged))
    return Cell(
        mean=centre,
        low=low,
        high=high,
        gap=gap,
        gap_low=gap_low,
        gap_high=gap_high,
        diverged=len(diverged),
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


def _rank(column: Mapping[str, Cell | None], states: float | None, metric: Metric) -> tuple[Ranking, dict[str, Cell]]:
    """The ranking of a column, and its cells with their ranks and their distance to the best.

    A cell with a seed that diverged is neither compared nor the best, because only the seeds that went well are left.
    """
    cells = {label: cell for label, cell in column.items() if cell}
    sound = {label: cell for label, cell in cells.items() if not cell.diverged}
    scores = {label: dict(zip(cell.seeds, cell.values, strict=True)) for label, cell in sound.items()}
    ranking = rank(scores, states, metric)
    means = [cell.mean for cell in sound.values() if not isnan(cell.mean)]
    best = (max if metric.higher_is_better else min)(means, default=nan)
    behind = {label: 0.0 if cell.mean == best else abs(best - cell.mean) for label, cell in sound.items()}
    return ranking, {
        label: cell.model_copy(update={"rank": ranking.ranks.get(label), "behind": behind.get(label)})
        for label, cell in cells.items()
    }
