"""The first answer of a leaderboard: which algorithm is best at a number of states, by how much, and at which cost."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from resbench.leaderboard.tables import METRICS, Cell, Metric, Row, Table
from resbench.leaderboard.wording import distance, number, titles

#: The precisions that are told in words, if there are results; otherwise the first ones are.
TOLD = (2, 4, 16)
#: Most rows of the chart.
MOST_ROWS = 8


class Place(NamedTuple):
    """A table at one precision, with its title."""

    title: str
    table: Table
    column: int

    @property
    def ranked(self) -> list[tuple[Row, Cell]]:
        """Rows with a finite distance to the best, the best first."""
        found = [(row, row.cells[self.column]) for row in self.table.rows if not row.digital]
        known = [(row, cell) for row, cell in found if cell and cell.behind is not None and isfinite(cell.behind)]
        return sorted(known, key=lambda pair: pair[1].behind or 0.0)


@dataclass(frozen=True)
class Standing:
    """How far one row is behind the best: by number of states, the mean over tracks, and the number of tracks."""

    label: str
    behind: dict[float, tuple[float, int]]


@dataclass(frozen=True)
class Standings:
    """All tables of a ruleset that have one metric, compared at each number of states.

    Args:
        metric: the metric.
        levels: by number of states, the tables that have it.
        others: titles of the tables that have another metric.
    """

    metric: Metric
    levels: dict[float, list[Place]]
    others: list[str]

    @property
    def left_out(self) -> str:
        """Which tracks do not count here, in words; empty if all do."""
        if not self.others:
            return ""
        return f"Only tracks with {self.metric.title.partition(',')[0]} count here, so not {', '.join(self.others)}."

    def answers(self) -> Iterator[tuple[float, str]]:
        """Which row is best at the most asked for numbers of states, in words."""
        told = [states for states in self.levels if states in TOLD] or list(self.levels)[: len(TOLD)]
        for states in told:
            places = [place for place in self.levels[states] if place.ranked]
            if places:
                yield states, _answer(places)

    def rows(self) -> list[Standing]:
        """The rows with the most results, the one that is the least behind first."""
        found: dict[str, dict[float, list[float]]] = {}
        for states, places in self.levels.items():
            for place in places:
                for row, cell in place.ranked:
                    found.setdefault(row.label, {}).setdefault(states, []).append(cell.behind or 0.0)
        most = sorted(found, key=lambda label: (-sum(map(len, found[label].values())), _mean(found[label]), label))
        kept = sorted(most[:MOST_ROWS], key=lambda label: (_mean(found[label]), label))
        return [
            Standing(label, {states: (sum(all_) / len(all_), len(all_)) for states, all_ in found[label].items()})
            for label in kept
        ]


def standings(tables: Sequence[Table], ruleset: str) -> Standings | None:
    """The standings of a ruleset by the metric that most of its tables have; null if no analog rows are compared."""
    own = [
        (title, table)
        for title, table in zip(titles(tables), tables, strict=True)
        if table.ruleset == ruleset and table.compared()
    ]
    if not own:
        return None
    count = Counter(table.metric.key for _, table in own)
    metric = max(METRICS, key=lambda metric: count[metric.key])
    levels: dict[float, list[Place]] = {}
    for title, table in own:
        for column, states in table.compared():
            if table.metric.key == metric.key:
                levels.setdefault(states, []).append(Place(title, table, column))
    others = [title for title, table in own if table.metric.key != metric.key]
    return Standings(metric, dict(sorted(levels.items())), others)


def _mean(behind: dict[float, list[float]]) -> float:
    values = [value for all_ in behind.values() for value in all_]
    return sum(values) / len(values)


def _answer(places: Sequence[Place]) -> str:
    """The row that is best on most tracks, and its result on the track with most rows among those."""
    winners = Counter(place.ranked[0][0].label for place in places)
    winner, tracks = winners.most_common(1)[0]
    others = "".join(f"; {label} on {count}" for label, count in winners.most_common()[1:])
    place = max((place for place in places if place.ranked[0][0].label == winner), key=lambda place: len(place.ranked))
    (_, best), *following = place.ranked
    metric = place.table.metric
    unit = " %" if metric.factor == 100 else ""
    gap = "" if best.gap is None else f", {distance(best.gap, metric)} {_side(best.gap, metric)} digital"
    text = [
        f"{winner} is best on {_part(tracks, len(places))}{others}.",
        f"On {place.title} it reaches {number(best.mean, metric)}{unit}{gap}.",
    ]
    if following:
        (row, second), *_ = following
        text.append(f"Next is {row.label} with {number(second.mean, metric)}{unit}.")
        effort = [*_against(best, second)]
        if effort:
            *front, last = effort
            text.append(f"{winner} takes {' and '.join(filter(None, [', '.join(front), last]))}.")
    return " ".join(text)


def _part(tracks: int, all_: int) -> str:
    if all_ == 1:
        return "the only track"
    return f"all {all_} tracks" if tracks == all_ else f"{tracks} of {all_} tracks"


def _side(gap: float, metric: Metric) -> str:
    return "behind" if (gap < 0) == metric.higher_is_better else "ahead of"


def _against(best: Cell, second: Cell) -> Iterator[str]:
    """Time, digital storage and wear of the best row against those of the second one."""
    if best.cost and second.cost:
        times = (f"{cell.cost.image_ns / 1000:,.3g}" for cell in (best, second) if cell.cost)
        yield f"{' µs for a sample against '.join(times)} µs"
        sizes = (f"{cell.cost.storage_bytes / 1000:,.3g}" for cell in (best, second) if cell.cost)
        yield f"{' kB of digital storage against '.join(sizes)} kB"
    if best.wear and second.wear:
        yield f"{best.wear.max_writes:,} pulses on the most written device against {second.wear.max_writes:,}"
