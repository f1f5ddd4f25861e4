"""The data that the charts and the dialog of the page are drawn from."""

import math
from collections.abc import Callable, Sequence
from itertools import islice

from resbench.leaderboard.page_view import ChartCell, ChartCurve, ChartRow, ChartTrack, CostAxis, SeedRun, Style
from resbench.leaderboard.statistics import LARGEST
from resbench.leaderboard.tables import Cell, Curve, Metric, Row, Table, Wear
from resbench.leaderboard.wording import number, paper

#: Colours and markers that the style sheet and the page define.
SERIES = 8
#: Largest number of runs and of claims that the page lists for a cell: the first seeds, and the surest claims.
MOST_RUNS, MOST_CLAIMS = 200, 12

#: The charts against a cost, and where each takes its numbers from.
_COSTS: Sequence[tuple[CostAxis, Callable[[Row, Cell], float | None]]] = (
    (CostAxis("tiles", "tiles a weight", front=False), lambda row, cell: row.tiles),
    (
        CostAxis("latency", "time per sample, µs, as counted", front=True),
        lambda row, cell: cell.cost.image_ns / 1000 if cell.cost else None,
    ),
    (
        CostAxis("energy", "energy per vector pair, nJ", front=True),
        lambda row, cell: cell.cost.energy_nj if cell.cost else None,
    ),
    (
        CostAxis("area", "area of the devices, mm²", front=True),
        lambda row, cell: cell.cost.area_mm2 if cell.cost else None,
    ),
    (
        CostAxis("writes", "pulses of the most written device", front=True),
        lambda row, cell: cell.wear.max_writes if cell.wear else None,
    ),
)
COST_AXES = tuple(axis for axis, _ in _COSTS)


def analog(table: Table) -> list[Row]:
    """Rows of a table that are not digital."""
    return [row for row in table.rows if not row.digital]


def precision_key(states: float | None) -> str:
    """The key of a precision, which page and script share."""
    return "digital" if states is None else f"{states:g}"


def style(index: int) -> Style:
    """Colour and marker of a row; beyond eight rows the pairs go on without repeating."""
    return Style(index % SERIES, (index + index // SERIES) % SERIES)


def chart_track(table: Table) -> ChartTrack:
    """What the charts of a table draw."""
    metric = table.metric
    digital = next(((row, row.cells[0]) for row in table.rows if row.digital and row.cells[0]), None)
    return ChartTrack(
        title=metric.title,
        unit=metric.unit,
        higher=metric.higher_is_better,
        decimals=metric.decimals,
        percent=metric.factor == 100,
        validation=metric.val_key,
        target=_scaled(table.target, metric),
        levels=[precision_key(states) for states in table.columns],
        digital=_cell(*digital, None, metric, []) if digital else None,
        rows=[
            ChartRow(
                label=row.label,
                style=style(index),
                cells=[
                    _cell(row, cell, states, metric, _claims(table, position, row.label))
                    for position, (states, cell) in enumerate(zip(table.columns, row.cells, strict=True))
                    if cell
                ],
            )
            for index, row in enumerate(analog(table))
        ],
    )


def _cell(row: Row, cell: Cell, states: float | None, metric: Metric, claims: Sequence[str]) -> ChartCell:
    runs = islice(zip(cell.seeds, cell.values, cell.files, strict=True), MOST_RUNS)
    printed = cell.paper
    return ChartCell(
        key=precision_key(states),
        mean=_scaled(cell.mean, metric),
        low=_scaled(cell.low, metric),
        high=_scaled(cell.high, metric),
        n=len(cell.seeds),
        diverged=cell.diverged,
        runs=[SeedRun(seed, _scaled(value, metric), file) for seed, value, file in runs],
        costs=[_finite(cost(row, cell)) for _, cost in _COSTS],
        worn=worn(cell.wear) if cell.wear else "",
        paper=_scaled(printed.mean if printed else None, metric),
        printed=f"published: {paper(printed, metric)} ({printed.place}, {printed.budget})" if printed else "",
        curve=_curve(cell.curve, metric) if cell.curve else None,
        claims=claims,
    )


def _curve(curve: Curve, metric: Metric) -> ChartCurve:
    mean, low, high = ([_scaled(v, metric) for v in values] for values in (curve.mean, curve.low, curve.high))
    return ChartCurve(curve.key, curve.steps, mean, low, high)


def worn(wear: Wear) -> str:
    """How the pulses of training are spread over devices, in words."""
    most = "" if wear.most_writes is None else f", at most {wear.most_writes:,} on 99 % of the devices"
    return f"pulses a device: {wear.mean_writes:,.3g} in the mean{most}, {wear.max_writes:,} on the most written"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def drawn(value: float | None, metric: Metric) -> float | None:
    """A result in the unit in which it is drawn; null if it has no place in a drawing, beside others of its size.

    It is judged in that unit, because a finite number may be infinite there.
    """
    scaled = None if value is None else value * metric.factor
    return scaled if scaled is not None and abs(scaled) <= LARGEST else None


def _scaled(value: float | None, metric: Metric) -> float | None:
    scaled = drawn(value, metric)
    return None if scaled is None else round(scaled, metric.decimals + 1) + 0.0


def _claims(table: Table, position: int, label: str) -> list[str]:
    """The claims about a row in one column, in words; if there are many, the surest ones."""
    words = []
    own = [claim for claim in table.rankings[position].claims if label in (claim.better, claim.worse)]
    for claim in own[:MOST_CLAIMS]:
        by = f"by {number(claim.difference, table.metric)} (p = {claim.p:.2g}, {claim.seeds} seeds)"
        than = f"better than {claim.worse}" if claim.better == label else f"worse than {claim.better}"
        words.append(f"{than} {by}")
    return [*words, f"and {len(own) - MOST_CLAIMS} more claims"] if len(own) > MOST_CLAIMS else words
