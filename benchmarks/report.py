"""What the benchmarks share in their reports: medians, ratios, tables, exponents, JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import resbench
from benchmarks.worker import REPOSITORY
from resbench.training.record import cpu_name, git_state


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


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Lower quartile, median and upper quartile of the ratios inside the rounds."""
    return [round(value, 4) for value in quartiles([a / b for a, b in zip(over, under, strict=True)])]


def threads(count: int) -> str:
    """A number of threads, in words."""
    return "1 thread" if count == 1 else f"{count} threads"


def about() -> dict[str, Any]:
    """What the numbers were measured on, when, and on which commit."""
    state = git_state(REPOSITORY)
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": state.commit if state else None,
        "dirty": state.dirty if state else None,
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"},
        "versions": {
            "resbench": resbench.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "lightning", "numba", "numpy")},
        },
        "arithmetic": os.environ.get("BENCHMARK_ARITHMETIC", "portable"),
    }


def write_json(path: Path | None, measured: Mapping[str, Any], ratios: Mapping[str, Sequence[float]] = {}) -> None:
    """Write a report to a file, if there is one, with the command and what :func:`about` says.

    Args:
        path: the file.
        measured: every measurement.
        ratios: lower quartile, median and upper quartile of each ratio, by its name. ``benchmarks.history`` keeps them.
    """
    if path is not None:
        module = sys.modules["__main__"].__spec__
        command = [module.name if module else sys.argv[0], *sys.argv[1:]]
        content = {**about(), "command": command, "ratios": ratios, **measured}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
