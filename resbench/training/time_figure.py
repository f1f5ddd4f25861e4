"""Draws metrics against the time for which devices have drifted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

from resbench.records.evaluation import Point
from resbench.records.files import replacing

STYLE: Any = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.dpi": 200,
}
LINE, GREY = "#0072B2", "#777777"


def draw(points: Sequence[Point], path: Path) -> None:
    """One panel for each metric, against time on a logarithmic axis; a dashed line is the value before the drift.

    Args:
        points: metrics by time, the first without any time passed.
        path: a .png file, which is replaced.

    Raises:
        OSError: if it cannot be written.
    """
    matplotlib.use("Agg")
    from matplotlib import pyplot

    start, *later = points
    seconds = [point.seconds for point in later]
    with pyplot.rc_context(STYLE):
        names = list(start.metrics)
        figure, axes = pyplot.subplots(
            1, len(names), figsize=(3.2 * len(names), 2.4), layout="constrained", squeeze=False
        )
        for panel, name in zip(axes[0], names, strict=True):
            panel.axhline(start.metrics[name], color=GREY, linewidth=0.8, linestyle="--", label="before any drift")
            panel.plot(seconds, [point.metrics[name] for point in later], color=LINE, marker="o", markersize=3)
            panel.set_xscale("log")
            panel.set_xticks(seconds, [point.after for point in later])
            panel.minorticks_off()
            panel.set_xlim(seconds[0] / 3, seconds[-1] * 3)
            panel.set_xlabel("time after programming")
            panel.set_ylabel(name)
            panel.legend(loc="best")
        with replacing(path) as file:
            figure.savefig(file, format="png")
        pyplot.close(figure)
