"""The figure of a fit: data and curve, residuals, steps, states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resbench.fitting.look import DOWN, GREY, STYLE, UP, check_ending
from resbench.fitting.pulses import Readings, curve
from resbench.fitting.result import DeviceFit
from resbench.fitting.table import Branch, Floats
from resbench.records.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Most branches that are drawn, and about the most lines for states.
BRANCHES, STATES = 40, 120


def draw(fit: DeviceFit, path: Path) -> None:
    """Draw a fit into a file, whose ending says the format."""
    check_ending(path)
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        figure = pyplot.figure(figsize=(7.2, 4.4), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=(1.5, 1))
        traces = list(_traces(fit))[:BRANCHES]
        _draw_curves(figure.add_subplot(grid[0, 0]), traces)
        _draw_residuals(figure.add_subplot(grid[1, 0]), fit, traces)
        _draw_steps(figure.add_subplot(grid[0, 1]), fit, traces)
        _draw_states(figure.add_subplot(grid[1, 1]), fit)
        states = f"{fit.device.state_count:.4g} states, {fit.device.bits:.1f} bits"
        figure.suptitle(f"{fit.model} fitted to {_text(fit.source)} ({states})", fontsize=9, fontweight="bold")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
        pyplot.close(figure)


def _text(name: str) -> str:
    """A name of others, which is no formula."""
    return one_line(name).replace("$", r"\$")


def _traces(fit: DeviceFit) -> Iterator[tuple[Branch, Floats]]:
    """Each branch with its curve."""
    for branches, one in zip(fit.measurement.devices.values(), fit.candidate.estimates, strict=True):
        weights, starts = one.curve, one.case.readings.starts
        for branch, first, stop in zip(branches, starts[:-1], starts[1:], strict=True):
            yield branch, weights[first:stop]


def _colour(branch: Branch) -> str:
    return UP if branch.sign > 0 else DOWN


def _draw_curves(axes: Axes, traces: list[tuple[Branch, Floats]]) -> None:
    for branch, weights in traces:
        at = branch.pulses - branch.pulses[0]
        axes.plot(at, branch.readings, ".", color=_colour(branch), markersize=1.5, alpha=0.5)
        axes.plot(at, weights, color="black", linewidth=0.8)
    for name, colour in (("up", UP), ("down", DOWN)):
        axes.plot([], [], ".", color=colour, label=f"readings, {name}")
    axes.plot([], [], color="black", linewidth=0.8, label="fit")
    axes.set_ylabel("weight")
    axes.set_xlabel("pulse number")
    axes.set_title("a   readings and fit", loc="left")
    axes.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.55, 1.02))
    axes.margins(y=0.15)


def _draw_residuals(axes: Axes, fit: DeviceFit, traces: list[tuple[Branch, Floats]]) -> None:
    for branch, weights in traces:
        at = branch.pulses - branch.pulses[0]
        axes.plot(at, branch.readings - weights, ".", color=_colour(branch), markersize=1.5, alpha=0.5)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axhspan(-fit.expected, fit.expected, color=GREY, alpha=0.2, linewidth=0)
    axes.set_ylabel("reading - fit")
    axes.set_xlabel("pulse number")
    axes.set_title(f"b   residuals, rms {fit.residual:.2g}; grey: what the noise explains", loc="left")


def _draw_steps(axes: Axes, fit: DeviceFit, traces: list[tuple[Branch, Floats]]) -> None:
    """Step by weight: measured over a twelfth of a branch, and of the fitted curves."""
    for branch, weights in traces:
        stride = max(1, len(weights) // 12)
        pulses = branch.pulses[stride::stride] - branch.pulses[:-stride:stride]
        for values, look in ((branch.readings, {"marker": ".", "linestyle": "none"}), (weights, {"linewidth": 1.0})):
            low, high = values[:-stride:stride], values[stride::stride]
            colour = _colour(branch) if "marker" in look else "black"
            axes.plot((low + high) / 2, branch.sign * (high - low) / pulses, color=colour, markersize=2.5, **look)
    axes.axhline(fit.device.granularity, color=GREY, linewidth=0.8, linestyle="--")
    axes.axhline(0, color="black", linewidth=0.4, linestyle=":")
    axes.set_xlabel("weight")
    axes.set_ylabel("step of a pulse")
    axes.set_title("c   steps; dashed: granularity", loc="left")


def _draw_states(axes: Axes, fit: DeviceFit) -> None:
    """The weights that the first device takes without noise, pulse after pulse from bound to bound."""
    one = fit.candidate.estimates[0]
    constants = one.case.model.constants(one.x, one.case.sketch)
    every = max(1, round(2 * fit.device.state_count / STATES))
    count = max(2, round(2 * fit.device.state_count) // every)
    for height, colour, sign in ((1, UP, 1.0), (0, DOWN, -1.0)):
        pulses = Readings(np.zeros(count + 1), np.full(count + 1, every), np.array([0, count + 1]), np.array([sign]))
        begin = np.array([constants.w_min if sign > 0 else constants.w_max])
        weights = curve(one.case.model.response, pulses, begin, constants)
        axes.vlines(weights, height + 0.1, height + 0.9, color=colour, linewidth=0.5)
    axes.set_yticks([0.5, 1.5], ["down", "up"])
    axes.set_xlabel("weight")
    names = list(fit.measurement.devices)
    whose = "" if len(names) == 1 else f" of device {_text(names[0])}"
    axes.set_title(f"d   states{whose}" + ("" if every == 1 else f", a line for every {every} pulses"), loc="left")
