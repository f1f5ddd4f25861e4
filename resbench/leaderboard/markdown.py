"""A compiled leaderboard as Markdown."""

from collections.abc import Sequence

from resbench.leaderboard.markdown_text import code, escape, table_lines
from resbench.leaderboard.markdown_tuning import summary_lines, tuning_lines
from resbench.leaderboard.summary import summaries
from resbench.leaderboard.tables import Cell, Leaderboard, Metric, Row, Table, Unfinished
from resbench.leaderboard.wording import claims, facts, interval, number, paper, precision, seeds, steps, titles

COST_COLUMNS = (
    "cost by the model of docs/costs.md",
    "latency per vector pair",
    "time per sample, as counted",
    "energy per vector pair",
    "digital storage",
    "area",
    "pulses of the most written device",
)


def to_markdown(leaderboard: Leaderboard) -> str:
    """The summary over tracks, one section for each table, then the files that were not used."""
    summary = ["\n".join(summary_lines(summary)) for summary in summaries(leaderboard.tables)]
    parts = ["# Leaderboard", *summary, *map(_section, leaderboard.tables, titles(leaderboard.tables))]
    if leaderboard.rejected:
        lines = [f"- {code(entry.file)}: {escape(entry.reason)}" for entry in leaderboard.rejected]
        parts.append("\n".join([f"## Not used: {len(lines)}", "", *lines]))
    return "\n\n".join(parts) + "\n"


def _section(table: Table, title: str) -> str:
    metric = table.metric
    close = f"within {metric.tolerance * metric.factor:g} {metric.unit} of the best"
    header = ["algorithm", *map(precision, table.columns), close, "not finished"]
    rows = [
        [
            escape(row.label),
            *(_cell(cell, metric) for cell in row.cells),
            _close(row, metric),
            str(row.unfinished or ""),
        ]
        for row in table.rows
    ]
    lines = [
        f"## {escape(title)}",
        "",
        f"Track: {escape('; '.join(facts(table.track)))}.",
        f"Final {metric.title}: mean [95 % interval over seeds] n, the gap to the digital reference, and the rank.",
        *([sentence] if (sentence := claims(table)) else []),
        "",
        *table_lines(header, rows),
    ]
    if table.target is not None:
        goal = f"{metric.val_key} {number(table.target, metric)}"
        header = [f"steps to {goal} (runs that reach it)", *map(precision, table.columns)]
        rows = [[escape(row.label), *(steps(cell) if cell else "-" for cell in row.cells)] for row in table.rows]
        lines += ["", *table_lines(header, rows)]
    if rows := [_cost(row) for row in table.rows if any(cell and cell.cost for cell in row.cells)]:
        lines += ["", *table_lines(COST_COLUMNS, rows)]
    lines += tuning_lines(table)
    if table.unfinished:
        lines += ["", "Not finished:", "", *map(_unfinished, table.unfinished)]
    return "\n".join(lines)


def _cell(cell: Cell | None, metric: Metric) -> str:
    if cell is None:
        return "-"
    text = f"{number(cell.mean, metric)}{interval(cell.low, cell.high, metric)} {seeds(cell, f'n={len(cell.seeds)}')}"
    if cell.gap is not None:
        text += f", gap {number(cell.gap, metric, '+')}{interval(cell.gap_low, cell.gap_high, metric, '+')}"
    text += "" if cell.rank is None else f", rank {cell.rank}"
    return f"{text}, paper {paper(cell.paper, metric)}" if cell.paper else text


def _cost(row: Row) -> list[str]:
    """Cost of a row, and its wear: the range over its precisions, which may have other settings and other counts."""
    costs = [cell.cost for cell in row.cells if cell and cell.cost]
    wears = [cell.wear.max_writes for cell in row.cells if cell and cell.cost and cell.wear]
    return [
        escape(row.label),
        _range([cost.latency_ns for cost in costs], ",.4g", " ns"),
        _range([cost.image_ns / 1000 for cost in costs], ",.4g", " µs"),
        _range([cost.energy_nj for cost in costs], ",.4g", " nJ"),
        _range([cost.storage_bytes / 1000 for cost in costs], ",.4g", " kB"),
        _range([cost.area_mm2 for cost in costs], ".4g", " mm²"),
        _range(wears, ","),
    ]


def _range(values: Sequence[float], form: str, unit: str = "") -> str:
    """The smallest and the largest value, or one if they read the same: "14.57–20.1 µs"."""
    if not values:
        return "-"
    ends = dict.fromkeys(format(value, form) for value in (min(values), max(values)))
    return "–".join(ends) + unit


def _close(row: Row, metric: Metric) -> str:
    return "-" if row.digital else f"{row.close_levels(metric.tolerance)} of {len(row.cells)}"


def _unfinished(run: Unfinished) -> str:
    states = "" if run.states is None else f", {precision(run.states)}"
    error = f": {escape(run.error)}" if run.error else ""
    return f"- {escape(run.label)}{states}, seed {run.seed}: {run.status}{error} ({code(run.file)})"
