"""A compiled leaderboard as one HTML file that needs nothing else: no network, no server."""

import base64
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resbench.leaderboard.page_data import SERIES, analog, chart_data, precision_key, style, worn
from resbench.leaderboard.paper import paper_results
from resbench.leaderboard.tables import Cell, Leaderboard, Metric, Row, Table
from resbench.leaderboard.wording import claims, facts, interval, number, paper, precision, steps, titles

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
#: What one page shows at most, so that it opens quickly: rows of a track (the best), cells of all tracks, files.
MOST_ROWS, MOST_CELLS, MOST_FILES = 50, 2000, 500
#: Metrics beyond this are not drawn: differences of them may leave the floats.
_LARGEST = 1e300

#: Columns of a table: key, heading, what it means, and whether it is shown at first: always, on
#: wide or very wide screens, or not.
COLUMNS = (
    ("rank", "rank", "1 + rows that are better at level 0.05; empty where seeds are too few", "always"),
    ("row", "algorithm", "", "always"),
    ("states", "states", "conductance states of a device; inf for no granularity", "always"),
    ("mean", "", "mean over seeds, with the 95 % interval", "always"),
    ("plot", "interval", "mean and 95 % interval; the line is the digital reference", "huge"),
    ("n", "n", "seeds", "wide"),
    ("gap", "gap", "mean minus that of the digital reference, with the 95 % interval", "always"),
    ("paper", "paper", "published result for the same cell, perhaps at another budget", "wide"),
    ("steps", "steps to target", "median optimiser steps to the target, and runs that reach it", "wide"),
    ("tiles", "tiles", "device arrays a weight", "no"),
    ("latency", "latency, ns", "per vector pair, by the published formulas", "no"),
    ("time", "time, µs", "per sample, with the transfers and pulse trains that the run counted", "wide"),
    ("energy", "energy, nJ", "per vector pair, by the published formulas", "wide"),
    ("area", "area, mm²", "devices in all planes, without periphery", "wide"),
    ("storage", "storage, kB", "digital storage", "no"),
    ("writes", "writes", "pulses of the most written device", "wide"),
    ("speed", "steps/s", "of the simulation, on whatever it ran", "no"),
)


def to_html(leaderboard: Leaderboard) -> str:
    """The page. What records say is text in it, never markup or code, and it may load nothing."""
    environment = _environment()
    script = "\n".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("charts.js", "page.js"))
    digest = base64.b64encode(hashlib.sha256(f"\n{script}\n".encode()).digest()).decode()
    tables, left_out, room = [], [], MOST_CELLS
    for index, (table, title) in enumerate(zip(leaderboard.tables, titles(leaderboard.tables), strict=True)):
        shown = _best_rows(table)
        room -= len(shown.rows) * len(shown.columns)
        if room < 0:
            left_out.append(title)
        else:
            tables.append(_view(shown, f"t{index}", title) | {"left_out": len(table.rows) - len(shown.rows)})
    return environment.get_template("page.html.jinja").render(
        tables=tables,
        columns=COLUMNS,
        series=SERIES,
        left_out=left_out,
        most_files=MOST_FILES,
        rejected=leaderboard.rejected,
        runs=sum(view["runs"] for view in tables),
        source=paper_results()["source"],
        data=[view["data"] for view in tables],
        script=script,
        script_hash=digest,
    )


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["json"] = _json
    return environment


def _json(value: Any) -> str:
    """JSON inside a script element: no character that could end it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _best_rows(table: Table) -> Table:
    """The table with its digital rows and the best of the others."""
    kept = [row for row in table.rows if row.digital][:MOST_ROWS] + analog(table)[:MOST_ROWS]
    return table if len(kept) == len(table.rows) else table.model_copy(update={"rows": kept})


def _view(table: Table, key: str, title: str) -> dict[str, Any]:
    """What the template shows of one table, and the data of its charts."""
    metric = table.metric
    shown = [cell for row in table.rows for cell in row.cells if cell]
    ends = [value for cell in shown for value in (cell.mean, cell.low, cell.high) if value is not None]
    finite = [value for value in ends if abs(value) < _LARGEST]
    scale = (min(finite), max(finite)) if finite else (0.0, 1.0)
    lines = list(_lines(table, scale))
    digital = next((row.cells[0] for row in table.rows if row.digital and row.cells[0]), None)
    return {
        "id": key,
        "name": title,
        "facts": facts(table.track),
        "claims": claims(table),
        "target": None if table.target is None else f"{metric.val_key} {number(table.target, metric)}",
        "title": metric.title,
        "at": _most_results(table),
        "empty": {key for key, *_ in COLUMNS if not any(line["shown"].get(key, ("",))[0] for line in lines)} - {"plot"},
        "levels": [
            {"key": precision_key(states), "text": precision(states)} for states in table.columns if states is not None
        ],
        "lines": lines,
        "glance": _glance(table),
        "legend": [{"label": row.label, **style(i)} for i, row in enumerate(analog(table)) if any(row.cells)],
        "unfinished": [
            {"label": run.label, "states": precision(run.states), "seed": run.seed, "status": run.status}
            | {"error": run.error, "file": run.file}
            for run in table.unfinished
        ],
        "runs": len(table.unfinished) + sum(len(cell.seeds) for row in table.rows for cell in _distinct(row)),
        "algorithms": sum(not row.digital for row in table.rows),
        "reference": "-" if digital is None else number(digital.mean, metric),
        "best": _best(table),
        "data": chart_data(table, digital),
    }


def _distinct(row: Row) -> list[Cell]:
    """Cells of a row, that of a digital row once."""
    return [cell for cell in (row.cells[:1] if row.digital else row.cells) if cell]


def _most_results(table: Table) -> str:
    """The precision at which most rows have a result, the lowest of several: where costs are compared at first."""
    counts = [sum(row.cells[index] is not None for row in analog(table)) for index in range(len(table.columns))]
    return precision_key(table.columns[counts.index(max(counts))])


def _best(table: Table) -> list[str]:
    """The best analog row of each precision, in words."""
    found = []
    for index, states in enumerate(table.columns):
        best = [(row, cell) for row in analog(table) if (cell := row.cells[index]) and cell.behind == 0]
        if best and states is not None:
            row, cell = best[0]
            found.append(f"{precision_key(states)}: {row.label} {number(cell.mean, table.metric)}")
    return found


def _glance(table: Table) -> list[dict[str, Any]]:
    """Rows of the small table: one mean for each algorithm and precision."""
    ended = _ended(table)
    styles = {row.label: style(index) for index, row in enumerate(analog(table))}
    return [
        {
            "label": row.label,
            "digital": row.digital,
            **styles.get(row.label, style(0)),
            "cells": [
                {
                    "key": precision_key(states),
                    "status": ended.get((row.label, None if row.digital else states)),
                    **(_glimpse(cell, table.metric) if cell else {"mean": "", "rank": 0, "more": ""}),
                }
                for states, cell in zip(table.columns, row.cells, strict=True)
            ],
        }
        for row in table.rows
    ]


def _glimpse(cell: Cell, metric: Metric) -> dict[str, Any]:
    rank = "" if cell.rank is None else f", rank {cell.rank}"
    more = f"{number(cell.mean, metric)}{interval(cell.low, cell.high, metric)}, n = {len(cell.seeds)}{rank}"
    return {"mean": number(cell.mean, metric), "rank": cell.rank or 0, "more": more}


def _ended(table: Table) -> dict[tuple[str, float | None], str]:
    """How runs that did not complete ended, by row and precision: "2 diverged, 1 failed"."""
    counts = Counter((run.label, run.states, run.status) for run in table.unfinished)
    found: dict[tuple[str, float | None], str] = {}
    for (label, states, status), count in sorted(counts.items(), key=str):
        found[label, states] = ", ".join([*filter(None, [found.get((label, states))]), f"{count} {status}"])
    return found


def _lines(table: Table, scale: tuple[float, float]) -> Iterator[dict[str, Any]]:
    """Lines of the HTML table: one for each algorithm and precision, the digital reference first."""
    styles = {row.label: style(index) for index, row in enumerate(analog(table))}
    failed = _ended(table)
    reference = next((row.cells[0].mean for row in table.rows if row.digital and row.cells[0]), None)
    for row in table.rows:
        if row.digital:
            yield _line(
                row, None, row.cells[0], table.metric, scale, reference, style(0), failed.get((row.label, None))
            )
    order = [(index, row) for index in range(len(table.columns)) for row in _by_result(table, index)]
    for index, row in order:
        states, cell = table.columns[index], row.cells[index]
        status = failed.get((row.label, states))
        if cell or status:
            yield _line(row, states, cell, table.metric, scale, reference, styles[row.label], status)


def _by_result(table: Table, index: int) -> list[Row]:
    """Analog rows, the best of a column first."""

    def behind(row: Row) -> float:
        cell = row.cells[index]
        return math.inf if cell is None or cell.behind is None or math.isnan(cell.behind) else cell.behind

    return sorted(analog(table), key=behind)


def _line(
    row: Row,
    states: float | None,
    cell: Cell | None,
    metric: Metric,
    scale: tuple[float, float],
    reference: float | None,
    style: dict[str, int],
    status: str | None,
) -> dict[str, Any]:
    shown: dict[str, tuple[str, float | str | None]] = {
        "row": (row.label, row.label.lower()),
        "states": ("-" if states is None else precision_key(states), math.inf if states is None else states),
        "tiles": (str(row.tiles), row.tiles),
    }
    if cell:
        shown |= {
            "rank": ("" if cell.rank is None else str(cell.rank), cell.rank),
            "mean": (number(cell.mean, metric), cell.mean),
            "n": (str(len(cell.seeds)), len(cell.seeds)),
            "gap": ("" if cell.gap is None else number(cell.gap, metric, "+"), cell.gap),
            "paper": (paper(cell.paper, metric), cell.paper.mean) if cell.paper else ("", None),
            "steps": ("" if cell.steps_to_target is None else steps(cell), cell.steps_to_target),
            "speed": (f"{cell.steps_per_s:,.3g}", cell.steps_per_s),
        }
    if cell and cell.cost:
        shown |= {
            "latency": (f"{cell.cost.latency_ns:,.4g}", cell.cost.latency_ns),
            "time": (f"{cell.cost.image_ns / 1000:,.4g}", cell.cost.image_ns),
            "energy": (f"{cell.cost.energy_nj:,.4g}", cell.cost.energy_nj),
            "area": (f"{cell.cost.area_mm2:.4g}", cell.cost.area_mm2),
            "storage": (f"{cell.cost.storage_bytes / 1000:,.4g}", cell.cost.storage_bytes),
        }
    if cell and cell.wear:
        shown["writes"] = (f"{cell.wear.max_writes:,}", cell.wear.max_writes)
    return {
        "key": precision_key(states),
        "label": row.label,
        "digital": row.digital,
        "rank": min(cell.rank, 4) if cell and cell.rank else 0,
        "status": status,
        "interval": interval(cell.low, cell.high, metric) if cell else "",
        "gap_interval": interval(cell.gap_low, cell.gap_high, metric, "+") if cell else "",
        "worn": worn(cell.wear) if cell and cell.wear else "",
        "paper_note": f"{cell.paper.place}, {cell.paper.budget}" if cell and cell.paper else "",
        "plot": _plot(cell, scale, reference) if cell else None,
        "shown": {key: (text, _sortable(value)) for key, (text, value) in shown.items()},
        **style,
    }


def _sortable(value: float | str | None) -> str:
    """A value that the page sorts by; empty sorts last."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return value if isinstance(value, str) else f"{value:.12g}".replace("inf", "1e999")


def _plot(cell: Cell, scale: tuple[float, float], reference: float | None) -> dict[str, float] | None:
    """Places of mean, interval and reference in per cent of the width."""
    low, high = scale
    if not abs(cell.mean) < _LARGEST:
        return None

    def place(value: float) -> float:
        return round(4 + 92 * ((value - low) / (high - low) if high > low else 0.5), 2)

    found = {"mean": place(cell.mean)}
    if cell.low is not None and cell.high is not None and max(abs(cell.low), abs(cell.high)) < _LARGEST:
        found |= {"low": place(cell.low), "high": place(cell.high)}
    if reference is not None and abs(reference) < _LARGEST:
        found["reference"] = place(reference)
    return found
