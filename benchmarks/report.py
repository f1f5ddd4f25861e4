"""What the benchmarks share in their reports: medians, tables, exponents, JSON."""

from __future__ import annotations

import json
import math
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile; of a single value three times itself."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in columns; the first one is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Slope of ``log cost`` over ``log size`` by least squares."""
    return statistics.linear_regression([math.log(s) for s in sizes], [math.log(c) for c in costs]).slope


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "cpu": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def write_json(path: Path | None, report: dict[str, Any]) -> None:
    """The report with the machine it is from, if a path is given."""
    if path is not None:
        path.write_text(json.dumps({"machine": machine(), **report}, indent=1) + "\n", encoding="utf-8")
