"""Figures of a leaderboard for papers and readmes: each track as one SVG file."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resbench.leaderboard.page_charts import style
from resbench.leaderboard.page_view import Style
from resbench.leaderboard.statistics import LARGEST
from resbench.leaderboard.tables import Cell, Leaderboard, Row, Table
from resbench.leaderboard.wording import titles
from resbench.records.files import write_text_atomically
from resbench.records.text import cut, file_stems

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of the page, then the same with other markers.
COLOURS = ("#0072b2", "#e8321f", "#035225", "#c96897", "#6d9d36", "#852bf4", "#2f35ab", "#5e3e5a")
MARKERS = "osD^vPX*"
#: Largest number of rows that are drawn, the best ones; labels are cut at this number of characters.
MOST_ROWS, LONGEST_LABEL = 40, 80
RC: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#ececea",
    "svg.fonttype": "none",  # text stays text: smaller files, and words that can be searched and copied
    "font.sans-serif": ["DejaVu Sans"],  # which matplotlib brings; elsewhere the next sans-serif font
    "svg.hashsalt": "resbench",  # the same tables give the same bytes
}


def write_figures(leaderboard: Leaderboard, out: Path | str) -> list[Path]:
    """Write ``TRACK.svg`` for each track with analog results: the metric against precision, and against wear.

    A track that was tuned has ``TRACK-tuned.svg`` too. Characters that a file name cannot hold become ``_``. If tracks
    share a name, a number is added to the later ones.

    Returns:
        Their paths.

    Raises:
        OSError: if the folder cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    drawn = [
        (table, title)
        for table, title in zip(leaderboard.tables, titles(leaderboard.tables), strict=True)
        if _drawn(table)
    ]
    paths = [Path(out, f"{stem}.svg") for stem in file_stems(_name(table) for table, _ in drawn)]
    for path, (table, title) in zip(paths, drawn, strict=True):
        with matplotlib.rc_context(RC), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # a character that the font lacks is drawn as a box
            write_text_atomically(path, _svg(figure(table, title)))
    return paths


def figure(table: Table, title: str) -> "Figure":
    """One track: left the metric against the number of states, right against the pulses of the most written device.

    Bars are 95 % intervals over seeds, and the dashed line is the digital reference. On the right, each point is one
    precision, and larger points have more states. There is no right side if no row has counted a pulse. Of more than 40
    rows only the best are drawn.
    """
    from matplotlib.figure import Figure

    rows = _drawn(table)
    left_out = len(rows) - MOST_ROWS
    rows = rows[:MOST_ROWS]
    worn = any(_worn(table, row) for row in rows)
    drawn = Figure(figsize=(8.4, 3.4 + 0.1 * len(rows)), layout="constrained")
    states, *others = drawn.subplots(1, 1 + worn, sharey=True, squeeze=False)[0]
    legend: list[tuple[Artist, str]] = []
    for index, row in enumerate(rows):
        own = style(index)
        line = _against_states(states, table, row, own, aside=0.3 * ((index + 0.5) / len(rows) - 0.5))
        legend.append((line, _short(row.label)))
        for wear in others:
            _against_wear(wear, table, row, own)
    for row in table.rows:
        if row.digital and row.cells[0] and _finite(row.cells[0].mean, table):
            mean = row.cells[0].mean * table.metric.factor
            lines = [axes.axhline(mean, color="#6d6d6d", linestyle="--", linewidth=1) for axes in (states, *others)]
            legend.append((lines[0], _short(row.label)))
    _name_states(states, table)
    states.set_ylabel(table.metric.title)
    for wear in others:
        wear.set_xscale("log")
        larger = " (larger: more states)" if len(table.columns) > 1 else ""
        wear.set_xlabel(f"pulses of the most written device{larger}")
    more = f" (the best {MOST_ROWS} of {MOST_ROWS + left_out} rows)" if left_out > 0 else ""
    drawn.suptitle(_short(title) + more, x=0.01, ha="left", fontweight="bold")
    drawn.legend(*zip(*legend, strict=True), loc="outside lower center", ncols=2, frameon=False)
    return drawn


def _short(text: str) -> str:
    """A label, cut if it is long, with dollars escaped so that they do not start a formula."""
    return cut(text, LONGEST_LABEL).replace("$", r"\$")


def _finite(value: float | None, table: Table) -> bool:
    return value is not None and abs(value * table.metric.factor) < LARGEST


def _drawn(table: Table) -> list[Row]:
    return [row for row in table.rows if not row.digital and any(row.cells)]


def _points(table: Table, row: Row) -> Iterator[tuple[int, Cell]]:
    """Cells that can be drawn, with their column."""
    for index, cell in enumerate(row.cells):
        if cell and _finite(cell.mean, table):
            yield index, cell


def _worn(table: Table, row: Row) -> list[tuple[int, Cell, int]]:
    """Column, cell, and pulses of the most written device, where there were pulses."""
    return [
        (index, cell, cell.wear.max_writes) for index, cell in _points(table, row) if cell.wear and cell.wear.max_writes
    ]


def _against_states(axes: "Axes", table: Table, row: Row, own: Style, aside: float) -> "Artist":
    """Draw a row, shifted by ``aside`` (in columns) so that the intervals of different rows do not overlap."""
    factor = table.metric.factor
    points = [(index + aside, cell) for index, cell in _points(table, row)]
    (line,) = axes.plot(
        [x for x, _ in points],
        [cell.mean * factor for _, cell in points],
        color=COLOURS[own.colour],
        marker=MARKERS[own.marker],
        markersize=4,
        linewidth=1.2,
    )
    intervals = [
        (x, cell.low * factor, cell.high * factor)
        for x, cell in points
        if cell.low is not None and cell.high is not None and _finite(cell.low, table) and _finite(cell.high, table)
    ]
    if intervals:
        axes.vlines(*zip(*intervals, strict=True), color=COLOURS[own.colour], linewidth=1.2)
    return line


def _against_wear(axes: "Axes", table: Table, row: Row, own: Style) -> None:
    worn = _worn(table, row)
    axes.scatter(
        [writes for *_, writes in worn],
        [cell.mean * table.metric.factor for _, cell, _ in worn],
        s=[10 + 8 * index for index, *_ in worn],
        c=COLOURS[own.colour],
        marker=MARKERS[own.marker],
        linewidths=0,
    )


def _name(table: Table) -> str:
    return table.track.name if table.ruleset == "default" else f"{table.track.name}-{table.ruleset}"


def _name_states(axes: "Axes", table: Table) -> None:
    names = [f"{states:g}" for states in table.columns if states is not None]
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xlabel("conductance states")


def _svg(figure: "Figure") -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
