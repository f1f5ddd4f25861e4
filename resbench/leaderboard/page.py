"""A compiled leaderboard as one HTML file that needs nothing else: no network, no server."""

import base64
import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from resbench.leaderboard.page_charts import COST_AXES, SERIES, analog, chart_track, precision_key, style
from resbench.leaderboard.page_lines import ended, headings, lines
from resbench.leaderboard.page_tuning import summary_views, tuning_view
from resbench.leaderboard.page_view import (
    GlanceCell,
    GlanceRow,
    LegendEntry,
    Level,
    Page,
    PageData,
    TrackView,
    UnfinishedRun,
)
from resbench.leaderboard.paper import paper_results
from resbench.leaderboard.tables import Cell, Leaderboard, Metric, Table
from resbench.leaderboard.wording import claims, facts, interval, number, precision, titles
from resbench.tuning.points import STUDIES

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("theme.js", "charts.js", "page.js")
#: Limits of a page, so that it opens quickly: rows of a track (the best), cells of all tracks, files in a list.
MOST_ROWS, MOST_CELLS, MOST_FILES = 50, 2000, 500


def to_html(leaderboard: Leaderboard, records: str = "") -> str:
    """The page. Text from records is never markup or code in it, and it may load nothing.

    Args:
        leaderboard: what it shows.
        records: where the records are, seen from the page; then it has links to them.
    """
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    tracks, charts, left_out, room = [], [], [], MOST_CELLS
    for index, (table, title) in enumerate(zip(leaderboard.tables, titles(leaderboard.tables), strict=True)):
        shown = _best_rows(table)
        cells = len(shown.rows) * len(shown.columns)
        if cells > room:
            left_out.append(title)
        else:
            room -= cells  # only what is shown takes room: after a large track the small ones still find some
            tracks.append(_track(shown, f"t{index}", title, left_out=len(table.rows) - len(shown.rows)))
            charts.append(chart_track(shown))
    summaries = summary_views(leaderboard.tables)
    page = Page(
        tracks=tracks,
        summaries=[view for view, _ in summaries],
        left_out=left_out,
        rejected=leaderboard.rejected,
        names=len({table.track.model_dump_json() for table in leaderboard.tables}),
        runs=sum(track.runs for track in tracks),
        most_files=MOST_FILES,
        source=paper_results()["source"],
        series=SERIES,
        data=_json(PageData(COST_AXES, charts, [chart for _, chart in summaries], quote(records))),
        script=script,
        script_hash=script_hash(script),
    )
    return environment().get_template("page.html.jinja").render(page=page)


def script_hash(script: str) -> str:
    """The hash by which a content security policy allows a script that is on lines of its own."""
    return base64.b64encode(hashlib.sha256(f"\n{script}\n".encode()).digest()).decode()


@cache
def environment(*folders: Path) -> "Environment":
    """The environment of the templates: text is escaped, and a name that the view lacks is an error.

    Args:
        folders: further folders of templates, which are looked at first.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def _json(data: PageData) -> str:
    """JSON for a script element, without characters that could end the element."""
    text = json.dumps(asdict(data), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _best_rows(table: Table) -> Table:
    """The table with its digital rows and the best of the others."""
    kept = [row for row in table.rows if row.digital][:MOST_ROWS] + analog(table)[:MOST_ROWS]
    return table if len(kept) == len(table.rows) else table.model_copy(update={"rows": kept})


def _track(table: Table, key: str, title: str, left_out: int) -> TrackView:
    """What the template shows of one table."""
    metric = table.metric
    table_lines = lines(table)
    digital = next((row.cells[0] for row in table.rows if row.digital and row.cells[0]), None)
    return TrackView(
        id=key,
        name=title,
        facts=facts(table.track),
        claims=claims(table),
        target="" if table.target is None else f"{metric.val_key} {number(table.target, metric)}",
        title=metric.title,
        log_axis="error" if metric.higher_is_better else "loss",
        at=_most_results(table),
        levels=[Level(precision_key(states), precision(states)) for states in table.columns if states is not None],
        headings=headings(metric, table_lines),
        lines=table_lines,
        glance=_glance(table),
        legend=[LegendEntry(row.label, style(i)) for i, row in enumerate(analog(table)) if any(row.cells)],
        unfinished=[
            UnfinishedRun(run.label, precision(run.states), run.seed, run.status, run.error or "", run.file)
            for run in table.unfinished
        ],
        runs=_runs(table),
        algorithms=len(analog(table)),
        reference="-" if digital is None else number(digital.mean, metric),
        best=_best(table),
        tuning=tuning_view(table),
        left_out=left_out,
    )


def _runs(table: Table) -> int:
    """How many runs a table is made of: one for each seed, or all trials and the best point of each study."""
    distinct = [cell for row in table.rows for cell in (row.cells[:1] if row.digital else row.cells) if cell]
    seeds = sum(len(cell.seeds) for cell in distinct)
    if table.ruleset == "tuned":
        seeds = STUDIES * seeds + sum(entry.trials for entry in table.tuned)
    return len(table.unfinished) + seeds


def _most_results(table: Table) -> str:
    """The precision at which costs are compared at first: the lowest of those at which most rows have a result."""
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


def _glance(table: Table) -> list[GlanceRow]:
    """Rows of the small table: one mean for each algorithm and precision."""
    failed = ended(table)
    styles = {row.label: style(index) for index, row in enumerate(analog(table))}
    return [
        GlanceRow(
            label=row.label,
            style=styles.get(row.label, style(0)),
            digital=row.digital,
            cells=[
                _glimpse(cell, states, table.metric, failed.get((row.label, None if row.digital else states), ""))
                for states, cell in zip(table.columns, row.cells, strict=True)
            ],
        )
        for row in table.rows
    ]


def _glimpse(cell: Cell | None, states: float | None, metric: Metric, status: str) -> GlanceCell:
    key = precision_key(states)
    if cell is None:
        return GlanceCell(key, "", 0, "", status)
    rank = "" if cell.rank is None else f", rank {cell.rank}"
    more = f"{number(cell.mean, metric)}{interval(cell.low, cell.high, metric)}, n = {len(cell.seeds)}{rank}"
    return GlanceCell(key, number(cell.mean, metric), min(cell.rank or 0, 4), more, status)
