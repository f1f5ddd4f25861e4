"""Writes logged metrics to ``metrics.csv``, which stays complete if the run is killed."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from resbench.records.files import keep_lines, write_text_atomically
from resbench.records.names import METRICS


class MetricsFile(Logger):
    """Writes the metrics that a run logs to ``metrics.csv``, columns sorted by name.

    Each call adds a row. Lightning's own CSV logger deletes the file when a run resumes, and rewrites it in place for
    each new column. Here, a new column is written to a new file, which then replaces the old one.

    Args:
        folder: the run folder.

    Attributes:
        rows: rows in the file.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / METRICS
        self.rows = 0
        self._columns: list[str] = []

    @property
    def name(self) -> str:
        """Empty. Lightning asks for a name, but the file has a fixed one."""
        return ""

    @property
    def version(self) -> str:
        """Empty. Lightning asks for a version, but a run folder has one file."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.path.parent)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Do nothing, because the resolved config is in the same folder."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row with the metrics and their optimiser step."""
        row = {**metrics, "step": step}
        columns = sorted({*self._columns, *row})
        if columns == self._columns:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(_text(columns, [row]))
        else:
            write_text_atomically(self.path, _text(columns, [*self._read(), row], header=True))
            self._columns = columns
        self.rows += 1

    @rank_zero_only
    def resume(self, rows: int) -> bool:
        """Continue after the first ``rows`` rows of an existing file; False if it has fewer."""
        complete = keep_lines(self.path, rows + 1 if rows else 0)
        earlier = self._read()
        self.rows, self._columns = len(earlier), list(earlier[0]) if earlier else []
        return complete

    def _read(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def _text(columns: list[str], rows: Iterable[Mapping[str, Any]], header: bool = False) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
