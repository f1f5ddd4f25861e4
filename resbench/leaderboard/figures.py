"""Figures of a leaderboard for papers and readmes: each track as one SVG file."""

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resbench.leaderboard.files import write_text_atomically
from resbench.leaderboard.tables import Cell, Leaderboard, Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of the page, then the same with other markers.
COLOURS = ("#0072b2", "#e8321f", "#035225", "#c96897", "#6d9d36", "#852bf4", "#2f35ab", "#5e3e5a")
MARKERS = "osD^vPX*"
RC: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#ececea",
    "svg.hashsalt": "resbench",  # the same tables give the same bytes
}


class Style(NamedTuple):
    """How a row is drawn."""

    colour: str
    marker: str


def write_figures(leaderboard: Leaderboard, out: Path | str) -> list[Path]:
    """Write ``TRACK.svg`` for each track with analog results: the metric against precision, and against wear.

    Returns:
        Their paths.

    Raises:
        OSError: where the folder cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    paths = []
    for table in leaderboard.tables:
        if _drawn(table):
            path = Path(out, f"{table.track.name}.svg")
            with matplotlib.rc_context(RC):
                write_text_atomically(path, _svg(figure(table)))
            paths.append(path)
    return paths


def figure(table: Table) -> "Figure":
    """One track: left the metric against the number of states, right against the pulses of the most written device.

    Bars are 95 % intervals over seeds; the dashed line is the digital reference. Right, a point is one precision, and
    larger points have more states.
    """
    from matplotlib.figure import Figure

    rows = _drawn(table)
    drawn = Figure(figsize=(8.4, 3.4 + 0.1 * len(rows)), layout="constrained")
    states, wear = drawn.subplots(1, 2, sharey=True)
    for index, row in enumerate(rows):
        style = Style(COLOURS[index % 8], MARKERS[(index + index // 8) % 8])
        _against_states(states, table, row, style, aside=0.3 * ((index + 0.5) / len(rows) - 0.5))
        _against_wear(wear, table, row, style)
    for row in table.rows:
        if row.digital and row.cells[0]:
            for axes in (states, wear):
                mean = row.cells[0].mean * table.metric.factor
                axes.axhline(mean, color="#6d6d6d", linestyle="--", linewidth=1, label=row.label)
    _name_states(states, table)
    states.set_ylabel(table.metric.title)
    wear.set_xscale("log")
    larger = " (larger: more states)" if len(table.columns) > 1 else ""
    wear.set_xlabel(f"pulses of the most written device{larger}")
    drawn.suptitle(table.track.name, x=0.01, ha="left", fontweight="bold")
    drawn.legend(*states.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return drawn


def _drawn(table: Table) -> list[Row]:
    return [row for row in table.rows if not row.digital and any(row.cells)]


def _points(table: Table, row: Row) -> Iterator[tuple[int, Cell]]:
    """Cells that can be drawn, with their column."""
    for index, cell in enumerate(row.cells):
        if cell and math.isfinite(cell.mean):
            yield index, cell


def _against_states(axes: "Axes", table: Table, row: Row, style: Style, aside: float) -> None:
    """Rows stand ``aside`` of each other, in columns, so that intervals do not hide each other."""
    factor = table.metric.factor
    points = [(index + aside, cell) for index, cell in _points(table, row)]
    means = [cell.mean * factor for _, cell in points]
    axes.plot(
        [x for x, _ in points],
        means,
        color=style.colour,
        marker=style.marker,
        label=row.label,
        markersize=4,
        linewidth=1.2,
    )
    for x, cell in points:
        if cell.low is not None and cell.high is not None:
            axes.vlines(x, cell.low * factor, cell.high * factor, color=style.colour, linewidth=1.2)


def _against_wear(axes: "Axes", table: Table, row: Row, style: Style) -> None:
    worn = [(index, cell, cell.wear) for index, cell in _points(table, row) if cell.wear and cell.wear.max_writes]
    axes.scatter(
        [wear.max_writes for *_, wear in worn],
        [cell.mean * table.metric.factor for _, cell, _ in worn],
        s=[10 + 8 * index for index, *_ in worn],
        c=style.colour,
        marker=style.marker,
        linewidths=0,
    )


def _name_states(axes: "Axes", table: Table) -> None:
    names = [f"{states:g}" for states in table.columns if states is not None]
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel("conductance states")


def _svg(figure: "Figure") -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
