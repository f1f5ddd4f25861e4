"""A compiled leaderboard as Markdown, CSV and JSON; the same records give the same bytes."""

import csv
import io
import math
from pathlib import Path

from resbench.leaderboard.files import write_text_atomically
from resbench.leaderboard.records import Track
from resbench.leaderboard.tables import Cell, Leaderboard, Metric, Table, Unfinished

TRACK_COLUMNS = (
    "track",
    "task",
    "network",
    "dataset",
    "analog_layers",
    "epochs",
    "max_steps",
    "train_size",
    "batch_size",
)
CELL_COLUMNS = ("digital", "states", "bits", "metric", "n", "mean", "low", "high", "gap", "seeds", "row_unfinished")
CSV_COLUMNS = (*TRACK_COLUMNS, "row", *CELL_COLUMNS)


def write_leaderboard(leaderboard: Leaderboard, out: Path | str) -> list[Path]:
    """Write ``leaderboard.md``, ``.csv`` and ``.json`` into a folder, each atomically, and return their paths.

    Raises:
        OSError: where the folder cannot be written.
    """
    texts = {"md": to_markdown(leaderboard), "csv": to_csv(leaderboard), "json": to_json(leaderboard)}
    paths = [Path(out, f"leaderboard.{suffix}") for suffix in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_text_atomically(path, text)
    return paths


def to_json(leaderboard: Leaderboard) -> str:
    """The whole leaderboard as strict JSON; infinity is the string ``"inf"``."""
    return leaderboard.model_dump_json(indent=1) + "\n"


def to_csv(leaderboard: Leaderboard) -> str:
    """One line a cell, in the metric's own unit (accuracy as a fraction); a digital row has one line and no states."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for table in leaderboard.tables:
        for row in table.rows:
            line = _csv_track(table.track) | {"row": row.label, "digital": row.digital, "metric": table.metric.key}
            line |= {"n": 0, "row_unfinished": row.unfinished}
            for states, cell in [(None, row.cells[0])] if row.digital else zip(table.columns, row.cells, strict=True):
                precision = {} if states is None else {"states": f"{states:.17g}", "bits": math.log2(states)}
                writer.writerow(line | precision | (_csv_numbers(cell) if cell else {}))
    return text.getvalue()


def _csv_track(track: Track) -> dict[str, object]:
    facts = track.model_dump(exclude={"name", "budget"}) | track.budget.model_dump()
    return facts | {"track": track.name, "analog_layers": " ".join(track.analog_layers)}


def _csv_numbers(cell: Cell) -> dict[str, object]:
    return cell.model_dump() | {"n": len(cell.seeds), "seeds": " ".join(map(str, cell.seeds))}


def to_markdown(leaderboard: Leaderboard) -> str:
    """One section a track, then the files that were not used."""
    parts = ["# Leaderboard", *map(_section, leaderboard.tables)]
    if leaderboard.rejected:
        lines = [f"- `{_escape(entry.file)}`: {_escape(entry.reason)}" for entry in leaderboard.rejected]
        parts.append("\n".join([f"## Not used: {len(lines)}", "", *lines]))
    return "\n\n".join(parts) + "\n"


def _section(table: Table) -> str:
    track, metric = table.track, table.metric
    limits = [
        f"{value} {unit}"
        for value, unit in ((track.budget.epochs, "epochs"), (track.budget.max_steps, "steps"))
        if value
    ]
    facts = (
        _escape(f"{track.task}, {track.network}, {track.dataset} ({track.train_size} training examples)"),
        "analog layers " + (", ".join(f"`{_escape(pattern)}`" for pattern in track.analog_layers) or "none"),
        f"budget {' or '.join(limits)}" if limits else "no budget",
        f"batch {track.batch_size}",
    )
    header = ["algorithm", *(_precision(states) for states in table.columns), "not finished"]
    lines = [
        f"## {_escape(track.name)}",
        "",
        "; ".join(facts) + ".",
        f"Final {metric.title}: mean [95 % interval over seeds] n, and the gap to the digital reference.",
        "",
        _line(header),
        _line(["---", *["---:"] * (len(header) - 1)]),
    ]
    for row in table.rows:
        cells = [_cell(cell, metric) for cell in row.cells]
        lines.append(_line([row.label, *cells, str(row.unfinished or "")]))
    if table.unfinished:
        lines += ["", "Not finished:", "", *map(_unfinished, table.unfinished)]
    return "\n".join(lines)


def _precision(states: float | None) -> str:
    """A column's heading: "4 states (2 bits)"."""
    if states is None:
        return "digital"
    return "inf states" if math.isinf(states) else f"{states:g} states ({math.log2(states):.2g} bits)"


def _cell(cell: Cell | None, metric: Metric) -> str:
    if cell is None:
        return "-"
    text = _number(cell.mean, metric)
    if cell.low is not None and cell.high is not None:
        text += f" [{_number(cell.low, metric)}, {_number(cell.high, metric)}]"
    text += f" n={len(cell.seeds)}"
    return text if cell.gap is None else f"{text}, gap {_number(cell.gap, metric, sign='+')}"


def _number(value: float, metric: Metric, sign: str = "") -> str:
    rounded = round(value * metric.factor, metric.decimals) + 0.0  # no -0.00
    return f"{rounded:{sign}.{metric.decimals}f}"


def _unfinished(run: Unfinished) -> str:
    precision = "" if run.states is None else f", {_precision(run.states)}"
    error = f": {run.error.strip().splitlines()[-1]}" if run.error and run.error.strip() else ""
    return f"- {_escape(run.label)}{precision}, seed {run.seed}: {run.status}{_escape(error)} (`{_escape(run.file)}`)"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(map(_escape, cells)) + " |"


def _escape(text: str) -> str:
    """Text of a record inside Markdown: one line, and no character that would end a cell, a code span or start HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
