"""A compiled leaderboard as Markdown."""

from resbench.leaderboard.ranking import close_levels
from resbench.leaderboard.tables import Cell, Leaderboard, Metric, Row, Table, Unfinished
from resbench.leaderboard.wording import claims, facts, interval, number, precision, steps


def to_markdown(leaderboard: Leaderboard) -> str:
    """One section a track, then the files that were not used."""
    parts = ["# Leaderboard", *map(_section, leaderboard.tables)]
    if leaderboard.rejected:
        lines = [f"- `{_escape(entry.file)}`: {_escape(entry.reason)}" for entry in leaderboard.rejected]
        parts.append("\n".join([f"## Not used: {len(lines)}", "", *lines]))
    return "\n\n".join(parts) + "\n"


def _section(table: Table) -> str:
    metric = table.metric
    close = f"within {metric.tolerance * metric.factor:g} {metric.unit} of the best"
    header = ["algorithm", *map(precision, table.columns), close, "not finished"]
    rows = [
        [row.label, *(_cell(cell, metric) for cell in row.cells), _close(row, metric), str(row.unfinished or "")]
        for row in table.rows
    ]
    lines = [
        f"## {_escape(table.track.name)}",
        "",
        _escape("; ".join(facts(table.track))).replace("*", "\\*") + ".",
        f"Final {metric.title}: mean [95 % interval over seeds] n, the gap to the digital reference, and the rank.",
        *([sentence] if (sentence := claims(table)) else []),
        "",
        *_table(header, rows),
    ]
    if table.target is not None:
        goal = f"{metric.val_key} {number(table.target, metric)}"
        header = [f"steps to {goal} (runs that reach it)", *map(precision, table.columns)]
        rows = [[row.label, *(steps(cell) if cell else "-" for cell in row.cells)] for row in table.rows]
        lines += ["", *_table(header, rows)]
    if table.unfinished:
        lines += ["", "Not finished:", "", *map(_unfinished, table.unfinished)]
    return "\n".join(lines)


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [_line(header), _line(["---", *["---:"] * (len(header) - 1)]), *map(_line, rows)]


def _cell(cell: Cell | None, metric: Metric) -> str:
    if cell is None:
        return "-"
    text = f"{number(cell.mean, metric)}{interval(cell.low, cell.high, metric)} n={len(cell.seeds)}"
    if cell.gap is not None:
        text += f", gap {number(cell.gap, metric, '+')}{interval(cell.gap_low, cell.gap_high, metric, '+')}"
    return text if cell.rank is None else f"{text}, rank {cell.rank}"


def _close(row: Row, metric: Metric) -> str:
    return "-" if row.digital else f"{close_levels(row, metric.tolerance)} of {len(row.cells)}"


def _unfinished(run: Unfinished) -> str:
    states = "" if run.states is None else f", {precision(run.states)}"
    error = f": {run.error.strip().splitlines()[-1]}" if run.error and run.error.strip() else ""
    return f"- {_escape(run.label)}{states}, seed {run.seed}: {run.status}{_escape(error)} (`{_escape(run.file)}`)"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(map(_escape, cells)) + " |"


def _escape(text: str) -> str:
    """Text of a record inside Markdown: one line, and no character that would end a cell, a code span or start HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
