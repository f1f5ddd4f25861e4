"""Summary over tracks: how often an algorithm is close to the best, and its worst case."""

from collections.abc import Sequence
from math import inf, isfinite
from typing import Literal

from resbench.leaderboard.tables import Metric, Table, is_close
from resbench.leaderboard.wording import distance, titles
from resbench.records.schema import Entry, Number


class WorstCase(Entry):
    """Where a row is furthest behind the best: by how much in the unit of the metric, in which table and column."""

    behind: Number
    metric: Metric
    table: str
    states: Number


class SummaryRow(Entry):
    """One row over all tables of a ruleset.

    ``close`` counts the precisions of all tracks at which its mean is within the tolerance of the best (one point of
    accuracy, or 0.05 of loss), ``results`` those at which it has a result. ``worst`` is null without a finite result.
    """

    label: str
    close: int
    results: int
    worst: WorstCase | None


class Summary(Entry):
    """All rows of a ruleset, the one that is close most often first.

    ``levels`` counts the precisions of all tracks at which rows are compared (:meth:`Table.compared`).
    """

    ruleset: Literal["default", "tuned"]
    tables: int
    levels: int
    rows: list[SummaryRow]


def summaries(tables: Sequence[Table]) -> list[Summary]:
    """A summary for each ruleset that has tables of at least two tracks where analog rows are compared."""
    found = []
    named = list(zip(tables, titles(tables), strict=True))
    rulesets: tuple[Literal["default", "tuned"], ...] = ("default", "tuned")
    for ruleset in rulesets:
        own = [(table, title) for table, title in named if table.ruleset == ruleset and table.compared()]
        if len(own) > 1:
            found.append(_summary(ruleset, own))
    return found


def _summary(ruleset: Literal["default", "tuned"], named: Sequence[tuple[Table, str]]) -> Summary:
    places: dict[str, list[tuple[float, Table, str, float]]] = {}
    levels = 0
    for table, title in named:
        for column, states in table.compared():
            levels += 1
            for row in table.rows:
                if (behind := row.behind(column)) is not None:
                    places.setdefault(row.label, []).append((behind, table, title, states))
    rows = [_row(label, where) for label, where in places.items()]
    rows.sort(key=lambda row: (-row.close, _severity(row.worst), row.label))
    return Summary(ruleset=ruleset, tables=len(named), levels=levels, rows=rows)


def _row(label: str, places: Sequence[tuple[float, Table, str, float]]) -> SummaryRow:
    close = sum(is_close(behind, table.metric.tolerance) for behind, table, _, _ in places)
    finite = [place for place in places if isfinite(place[0])]
    worst = None
    if finite:
        # Points of accuracy and nats are compared by the tolerance of their metric.
        behind, table, title, states = max(finite, key=lambda place: place[0] / place[1].metric.tolerance)
        worst = WorstCase(behind=behind, metric=table.metric, table=title, states=states)
    return SummaryRow(label=label, close=close, results=len(places), worst=worst)


def _severity(worst: WorstCase | None) -> float:
    return inf if worst is None else worst.behind / worst.metric.tolerance


def explained(summary: Summary) -> str:
    """What the numbers of a summary mean, in words."""
    return (
        f"{summary.levels} precisions of {summary.tables} tracks. Close means within one point of accuracy, or 0.05 of "
        "loss, of the best mean at that precision; a precision without a result counts as not close."
    )


def words(worst: WorstCase | None) -> str:
    """A worst case for people: "12.34 points behind: digits-mlp, 4 states"."""
    if worst is None:
        return "-"
    return f"{distance(worst.behind, worst.metric)} behind: {worst.table}, {worst.states:g} states"
