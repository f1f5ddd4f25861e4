"""Draw the study of residual learning's settings: ``python leaderboards/studies/plot.py`` writes ``residual.svg``.

It reads the records of ``configs/sweeps/residual_study.yaml`` that lie beside it.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).parent
matplotlib.style.use(HERE / "study.mplstyle")
CURVES = {"mp": "#0072b2", "paper": "#e8321f", "stochastic": "#6d9d36", "tuned": "#035225"}


def records() -> dict[str, Any]:
    """The records of the study by the name of their run, which the run's id begins with."""
    read = (json.loads(path.read_text(encoding="utf-8")) for path in (HERE / "fashion-lenet5-study").glob("*.json"))
    return {record["run_id"].rpartition("-")[0]: record for record in read}


def late_accuracy(record: Any) -> float:
    """Validation accuracy in %, mean of the last three epochs: from one to the next it moves by points."""
    late: list[float] = [epoch["values"]["val/acc"] for epoch in record["epochs"][-3:]]
    return 100 * sum(late) / len(late)


def draw_bars(axes: Axes, runs: dict[str, Any]) -> None:
    """Every setting, the best on top."""
    names = sorted(runs, key=lambda name: late_accuracy(runs[name]))
    axes.barh(names, [late_accuracy(runs[name]) for name in names], color=[CURVES.get(n, "#b9bcc4") for n in names])
    axes.set_title("a  validation accuracy, %", loc="left")
    axes.set_xlim(left=40)


def draw_curves(axes: Axes, runs: dict[str, Any]) -> None:
    """Training loss by epoch of four runs."""
    for name, colour in CURVES.items():
        losses = [epoch["values"]["train/loss"] for epoch in runs[name]["epochs"]]
        axes.plot(range(1, len(losses) + 1), losses, color=colour, marker="o", markersize=3, label=name)
    axes.set_title("b  training loss", loc="left")
    axes.set_xlabel("epoch")
    axes.legend(frameon=False)


def draw_activity(axes: Axes, runs: dict[str, Any]) -> None:
    """Pulses for each device of fc1 by the scale of its tile in the weight; a tile without any is left out."""
    for name in ("paper", "stochastic", "tuned"):
        layer = next(layer for layer in runs[name]["layers"] if layer["name"] == "fc1")
        devices = layer["out_features"] * layer["in_features"]
        pulses = [(tile["pulses_up"] + tile["pulses_down"]) / devices for tile in layer["tiles"]]
        gamma = runs[name]["algorithm"]["settings"]["gamma"]
        scales = [gamma ** (len(pulses) - 1 - k) for k in range(len(pulses))]
        written = [(scale, count) for scale, count in zip(scales, pulses, strict=True) if count]
        axes.loglog(*zip(*written, strict=True), color=CURVES[name], marker="o", markersize=3)
    axes.set_title("c  pulses a device, fc1, by tile", loc="left")
    axes.set_xlabel("scale of the tile in the weight")


if __name__ == "__main__":
    found = records()
    figure = Figure(figsize=(9.2, 3.6), layout="constrained")
    bars, curves, activity = figure.subplots(1, 3, width_ratios=(1.2, 1, 1))
    draw_bars(bars, found)
    draw_curves(curves, found)
    draw_activity(activity, found)
    figure.savefig(HERE / "residual.svg", metadata={"Date": None})
