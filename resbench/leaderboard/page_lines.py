"""The large table of the page: its columns, and one line for each algorithm and precision."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from resbench.leaderboard.page_charts import analog, precision_key, style, worn
from resbench.leaderboard.page_view import Heading, Line, Shown, Strip, Style
from resbench.leaderboard.statistics import LARGEST
from resbench.leaderboard.tables import Cell, Metric, Row, Table
from resbench.leaderboard.wording import interval, number, paper, steps

#: How the runs of a row and precision ended that did not complete: "2 diverged, 1 failed".
Ended = dict[tuple[str, float | None], str]


class Place(NamedTuple):
    """What a line shows: a row at one precision. ``cell`` is null where no run completed."""

    row: Row
    states: float | None
    cell: Cell | None
    metric: Metric


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key, heading (empty for the title of the metric), meaning, where it is shown, and its values."""

    key: str
    heading: str
    meaning: str
    screens: Literal["always", "wide", "huge", "no"]
    show: Callable[[Place], Shown]
    less_first: bool = True
    kind: Literal["row", "plot", "value"] = "value"


def _shown(text: str, value: float | str | None, small: str = "", tip: str = "") -> Shown:
    """A value that sorts by a number or a text; what is missing or not a number sorts last."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Shown(text, "", small, tip)
    sort = value if isinstance(value, str) else f"{value:.12g}".replace("inf", "1e999")
    return Shown(text, sort, small, tip)


def _of_cell(show: Callable[[Cell, Metric], Shown]) -> Callable[[Place], Shown]:
    return lambda place: show(place.cell, place.metric) if place.cell else Shown()


def _cost(name: str, scale: int = 1, form: str = ",.4g") -> Callable[[Place], Shown]:
    """A field of the cost, in the unit of the column."""

    def show(cell: Cell, _: Metric) -> Shown:
        return (
            _shown(format(getattr(cell.cost, name) / scale, form), getattr(cell.cost, name)) if cell.cost else Shown()
        )

    return _of_cell(show)


def _states(place: Place) -> Shown:
    if place.states is None:
        return _shown("-", math.inf)
    return _shown(precision_key(place.states), place.states)


def _mean(cell: Cell, metric: Metric) -> Shown:
    return _shown(number(cell.mean, metric), cell.mean, interval(cell.low, cell.high, metric))


def _gap(cell: Cell, metric: Metric) -> Shown:
    if cell.gap is None:
        return Shown()
    return _shown(number(cell.gap, metric, "+"), cell.gap, interval(cell.gap_low, cell.gap_high, metric, "+"))


def _paper(cell: Cell, metric: Metric) -> Shown:
    printed = cell.paper
    if not printed:
        return Shown()
    return _shown(paper(printed, metric), printed.mean, tip=f"{printed.place}, {printed.budget}")


def _rank(cell: Cell, metric: Metric) -> Shown:
    return _shown("" if cell.rank is None else str(cell.rank), cell.rank)


def _seeds(cell: Cell, metric: Metric) -> Shown:
    return _shown(str(len(cell.seeds)), len(cell.seeds))


def _steps(cell: Cell, metric: Metric) -> Shown:
    return _shown(steps(cell), cell.steps_to_target) if cell.reached is not None else Shown()


def _speed(cell: Cell, metric: Metric) -> Shown:
    return _shown(f"{cell.steps_per_s:,.3g}", cell.steps_per_s)


def _writes(cell: Cell, metric: Metric) -> Shown:
    return _shown(f"{cell.wear.max_writes:,}", cell.wear.max_writes, tip=worn(cell.wear)) if cell.wear else Shown()


COLUMNS = (
    Column(
        "rank",
        "rank",
        "1 + rows that are better at level 0.05; empty where seeds are too few",
        "always",
        _of_cell(_rank),
    ),
    Column(
        "row", "algorithm", "", "always", lambda place: _shown(place.row.label, place.row.label.lower()), kind="row"
    ),
    Column("states", "states", "conductance states of a device; inf for no granularity", "always", _states),
    Column("mean", "", "mean over seeds, with the 95 % interval", "always", _of_cell(_mean)),
    Column(
        "plot",
        "interval",
        "mean and 95 % interval; the line is the digital reference",
        "huge",
        lambda _: Shown(),
        kind="plot",
    ),
    Column("n", "n", "seeds", "wide", _of_cell(_seeds), less_first=False),
    Column(
        "gap",
        "gap",
        "mean minus that of the digital reference, with the 95 % interval",
        "always",
        _of_cell(_gap),
        less_first=False,
    ),
    Column(
        "paper",
        "paper",
        "published result for the same cell, perhaps at another budget",
        "wide",
        _of_cell(_paper),
        less_first=False,
    ),
    Column(
        "steps",
        "steps to target",
        "median optimiser steps to the target, and runs that reach it",
        "wide",
        _of_cell(_steps),
    ),
    Column(
        "tiles", "tiles", "device arrays a weight", "no", lambda place: _shown(str(place.row.tiles), place.row.tiles)
    ),
    Column("latency", "latency, ns", "per vector pair, by the published formulas", "no", _cost("latency_ns")),
    Column(
        "time",
        "time, µs",
        "per sample, with the transfers and pulse trains that the run counted",
        "wide",
        _cost("image_ns", 1000),
    ),
    Column("energy", "energy, nJ", "per vector pair, by the published formulas", "wide", _cost("energy_nj")),
    Column("area", "area, mm²", "devices in all planes, without periphery", "wide", _cost("area_mm2", form=".4g")),
    Column("storage", "storage, kB", "digital storage", "no", _cost("storage_bytes", 1000)),
    Column("writes", "writes", "pulses of the most written device", "wide", _of_cell(_writes)),
    Column("speed", "steps/s", "of the simulation, on whatever it ran", "no", _of_cell(_speed), less_first=False),
)


def headings(metric: Metric, table_lines: list[Line]) -> list[Heading]:
    """The columns of one track; one in which no line has a value is hidden at first."""
    return [
        Heading(
            key=column.key,
            kind=column.kind,
            text=column.heading or metric.title,
            meaning=column.meaning,
            screens=column.screens,
            checked=column.screens != "no"
            and (column.kind == "plot" or any(line.values[place].text for line in table_lines)),
            ascending=column.less_first if column.heading else not metric.higher_is_better,
        )
        for place, column in enumerate(COLUMNS)
    ]


def lines(table: Table) -> list[Line]:
    """The digital reference first, then the precisions in ascending order, and in each the best row first."""
    return list(_lines(table))


def _lines(table: Table) -> Iterator[Line]:
    shown = [cell for row in table.rows for cell in row.cells if cell]
    ends = [value for cell in shown for value in (cell.mean, cell.low, cell.high) if value is not None]
    finite = [value for value in ends if abs(value) < LARGEST]
    scale = (min(finite), max(finite)) if finite else (0.0, 1.0)
    reference = next((row.cells[0].mean for row in table.rows if row.digital and row.cells[0]), None)
    styles = {row.label: style(index) for index, row in enumerate(analog(table))}
    failed = ended(table)

    def line(row: Row, states: float | None, cell: Cell | None, own: Style) -> Line:
        place = Place(row, states, cell, table.metric)
        return Line(
            key=precision_key(states),
            label=row.label,
            style=own,
            digital=row.digital,
            rank=min(cell.rank, 4) if cell and cell.rank else 0,
            status=failed.get((row.label, states), ""),
            has_runs=cell is not None,
            strip=_strip(cell, scale, reference) if cell else None,
            values=[column.show(place) for column in COLUMNS],
        )

    for row in table.rows:
        if row.digital:
            yield line(row, None, row.cells[0], style(0))
    for index, states in enumerate(table.columns):
        for row in _by_result(table, index):
            if row.cells[index] or (row.label, states) in failed:
                yield line(row, states, row.cells[index], styles[row.label])


def ended(table: Table) -> Ended:
    """How runs that did not complete ended, by row and precision."""
    counts = Counter((run.label, run.states, run.status) for run in table.unfinished)
    found: Ended = {}
    for (label, states, status), count in sorted(counts.items(), key=str):
        found[label, states] = ", ".join([*filter(None, [found.get((label, states))]), f"{count} {status}"])
    return found


def _by_result(table: Table, index: int) -> list[Row]:
    """Analog rows, the best of a column first."""

    def behind(row: Row) -> float:
        cell = row.cells[index]
        return math.inf if cell is None or cell.behind is None or math.isnan(cell.behind) else cell.behind

    return sorted(analog(table), key=behind)


def _strip(cell: Cell, scale: tuple[float, float], reference: float | None) -> Strip | None:
    low, high = scale

    def place(value: float | None) -> float | None:
        if value is None or not abs(value) < LARGEST:
            return None
        return round(4 + 92 * ((value - low) / (high - low) if high > low else 0.5), 2)

    mean, ends = place(cell.mean), (place(cell.low), place(cell.high))
    if mean is None:
        return None
    return Strip(mean, *(ends if None not in ends else (None, None)), place(reference))
