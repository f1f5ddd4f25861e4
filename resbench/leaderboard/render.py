"""A compiled leaderboard as files; the same records give the same bytes."""

import csv
import io
import math
import os
from pathlib import Path

from resbench.leaderboard.latex import to_latex
from resbench.leaderboard.markdown import to_markdown
from resbench.leaderboard.page import to_html
from resbench.leaderboard.tables import Cell, Cost, Leaderboard, Printed, Wear
from resbench.records.files import real_path, write_text_atomically
from resbench.records.schema import Track

TRACK_COLUMNS = (
    *("track", "task", "network", "dataset", "analog_layers"),
    *("epochs", "max_steps", "train_size", "batch_size", "limits"),
)
CELL_NUMBERS = ("mean", "low", "high", "gap", "gap_low", "gap_high", "behind", "rank", "steps_to_target", "reached")
COST_COLUMNS = tuple(Cost.model_fields)
WEAR_COLUMNS = tuple(Wear.model_fields)
PAPER_COLUMNS = tuple(f"paper_{name}" for name in Printed.model_fields)
CELL_COLUMNS = (
    *("digital", "states", "bits", "metric", "n", *CELL_NUMBERS),
    *("seeds", "values", "row_unfinished", "steps_per_s"),
)
CSV_COLUMNS = (*TRACK_COLUMNS, "ruleset", "row", "tiles", *CELL_COLUMNS, *COST_COLUMNS, *WEAR_COLUMNS, *PAPER_COLUMNS)


def write_leaderboard(leaderboard: Leaderboard, out: Path | str, records: Path | None = None) -> list[Path]:
    """Write ``leaderboard.md``, ``.csv``, ``.json``, ``.tex`` and ``.html`` into a folder, each atomically.

    Args:
        leaderboard: what is written.
        out: the folder.
        records: the folder of the records, to which the page then has links.

    Returns:
        Their paths.

    Raises:
        OSError: if the folder cannot be written.
    """
    texts = {
        "md": to_markdown(leaderboard),
        "csv": to_csv(leaderboard),
        "json": to_json(leaderboard),
        "tex": to_latex(leaderboard),
        "html": to_html(leaderboard, _relative(records, Path(out)) if records else ""),
    }
    paths = [Path(out, f"leaderboard.{suffix}") for suffix in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_text_atomically(path, text)
    return paths


def _relative(records: Path, out: Path) -> str:
    """Where the records are, seen from the page; empty on another drive."""
    try:
        return Path(os.path.relpath(real_path(records), real_path(out))).as_posix()
    except ValueError:
        return ""


def to_json(leaderboard: Leaderboard) -> str:
    """The whole leaderboard as strict JSON; infinity is the string ``"inf"``."""
    return leaderboard.model_dump_json(indent=1) + "\n"


def to_csv(leaderboard: Leaderboard) -> str:
    """One line for each cell, in the metric's own unit (accuracy as a fraction); a digital row has a single line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for table in leaderboard.tables:
        for row in table.rows:
            line = _csv_track(table.track) | {"ruleset": table.ruleset, "metric": table.metric.key, "n": 0}
            line |= {"row": _csv_text(row.label), "digital": row.digital, "tiles": row.tiles}
            line |= {"row_unfinished": row.unfinished}
            for states, cell in [(None, row.cells[0])] if row.digital else zip(table.columns, row.cells, strict=True):
                precision = {} if states is None else {"states": f"{states:.17g}", "bits": math.log2(states)}
                writer.writerow(line | precision | (_csv_numbers(cell) if cell else {}))
    return text.getvalue()


def _csv_track(track: Track) -> dict[str, object]:
    texts = {name: getattr(track, name) for name in ("task", "network", "dataset")}
    texts |= {"track": track.name, "analog_layers": " ".join(track.analog_layers), "limits": ", ".join(track.limits)}
    sizes = {"train_size": track.train_size, "batch_size": track.batch_size}
    return {name: _csv_text(text) for name, text in texts.items()} | track.budget.model_dump() | sizes


def _csv_text(text: str) -> str:
    """Text of a record in a cell, with an apostrophe in front if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def _csv_numbers(cell: Cell) -> dict[str, object]:
    lists = {"seeds": " ".join(map(str, cell.seeds)), "values": " ".join(map(repr, cell.values))}
    facts = {name: getattr(cell, name) for name in (*CELL_NUMBERS, "steps_per_s")} | {"n": len(cell.seeds)}
    for group in (cell.cost, cell.wear):
        facts |= dict(group) if group else {}
    return facts | lists | ({f"paper_{name}": value for name, value in cell.paper} if cell.paper else {})
