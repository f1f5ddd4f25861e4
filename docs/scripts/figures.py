"""Draws the figures of docs/concepts.md: every curve is computed by resbench itself.

``python -m docs.scripts.figures`` writes them to docs/images. The same versions give the same bytes, and
tests/docs/test_figures.py draws them again and compares.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from resbench import set_arithmetic
from resbench.algorithms import Algorithm, AnalogSGD, ResidualLearning, TikiTaka
from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.tile import Tile

IMAGES = Path(__file__).resolve().parents[1] / "images"
BLUE, RED, GREEN, PURPLE, GREY = "#0072b2", "#e8321f", "#2a7d4f", "#852bf4", "#8a8a86"
RC: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ececea",
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text
    "font.sans-serif": ["DejaVu Sans"],
    "svg.hashsalt": "resbench",  # the same figure has the same bytes
}


def device() -> Figure:
    """Left: four devices of one array under pulses up, then down. Right: one device with 4, 16 and 80 states."""
    figure, (left, right) = _axes(2)
    pulses = 30
    array = Tile(SoftBounds(states=16), (1, 4), Stream.from_seed(3))
    history = _pulsed(array, pulses)
    for k, colour in enumerate((BLUE, RED, GREEN, PURPLE)):
        left.plot(history[:, k], color=colour, lw=1.2, drawstyle="steps-post")
    left.axvline(pulses, color=GREY, lw=0.8, ls=":")
    left.set(title="Four devices of one array", xlabel=f"pulses: {pulses} up, then {pulses} down", ylabel="weight")
    more = 100
    for states, colour in ((4, RED), (16, BLUE), (80, GREEN)):
        one = _pulsed(Tile(_alike(states), (1, 1), Stream.from_seed(0)), more)
        right.plot(one[:, 0], color=colour, lw=1.2, drawstyle="steps-post", label=f"{states} states")
    right.axvline(more, color=GREY, lw=0.8, ls=":")
    right.set(title="The number of states", xlabel=f"pulses: {more} up, then {more} down")
    _legend_below(right, columns=3)
    return figure


def pulse_train() -> Figure:
    """Left: a train of two lines and where they meet. Right: the change by a train beside the product."""
    figure, (left, right) = _axes(2)
    stream, slots = Stream.from_seed(1), 31
    chances = {"x = 0.6": 0.6, "d = 0.4": 0.4}
    fired = [stream.child(name).uniform((slots,)).numpy() < chance for name, chance in chances.items()]
    rows = [*fired, fired[0] & fired[1]]
    for place, (hits, colour) in enumerate(zip(rows, (BLUE, GREEN, RED), strict=True)):
        left.vlines(np.flatnonzero(hits), 2 - place, 2.7 - place, color=colour, lw=2.4)
        left.axhline(2 - place, color=GREY, lw=0.6)
    left.set_yticks([2.3, 1.3, 0.3], [*chances, "both:\na pulse"])
    left.set(title="One pulse train", xlabel="slot", xlim=(-1, slots), ylim=(-0.1, 2.9))
    left.grid(visible=False)

    x, d = (2 * stream.child(name).uniform((1, 14)) - 1 for name in ("x", "d"))
    tile = Tile(_alike(2000), (14, 14), stream.child("tile"))
    tile.update(x, d, 0.02)
    right.scatter((-0.02 * d.T @ x).flatten(), tile.weight.flatten(), s=8, color=BLUE, lw=0)
    right.plot([-0.02, 0.02], [-0.02, 0.02], color=GREY, lw=1)
    right.set(title="What an update does", xlabel="exact change, −lr · d · x", ylabel="change by pulses")
    return figure


def tile() -> Figure:
    """A tile after a training: its weights, their histogram, and the pulses of each device."""
    figure, axes = _axes(3)
    trained = _trained(AnalogSGD(), states=16, steps=200, shape=(24, 24))[1].tiles[0]
    image = axes[0].imshow(trained.weight, cmap="RdBu", vmin=-1, vmax=1)
    figure.colorbar(image, ax=axes[0], shrink=0.8)
    axes[0].set(title="Weights [out, in]", xlabel="column, an input", ylabel="row, an output")
    axes[0].grid(visible=False)
    axes[1].hist(trained.weight.flatten().numpy(), bins=24, color=BLUE)
    axes[1].set(title="Histogram", xlabel="weight", ylabel="devices")
    image = axes[2].imshow(trained.pulses_up + trained.pulses_down, cmap="viridis")
    figure.colorbar(image, ax=axes[2], shrink=0.8)
    axes[2].set(title="Pulses of each device", xlabel="column", ylabel="row")
    axes[2].grid(visible=False)
    return figure


def transfer() -> Figure:
    """Tiki-Taka: one weight on the fast and on the slow tile while the array learns a matrix from noisy data."""
    figure, (left, right) = _axes(2)
    fast, slow = [], []

    def watch(algorithm: Algorithm) -> None:
        first, last = algorithm.tiles
        fast.append(first.weight[2, 2].item())
        slow.append(last.weight[2, 2].item())

    noisy = partial(_trained, states=20, lr=0.05, noise=1.0, steps=1500)
    target, _, errors = noisy(TikiTaka(fast_lr=0.1, transfer_lr=1.0), watch)
    left.plot(fast, color=RED, lw=0.9, label="fast tile: gathers gradients")
    left.plot(slow, color=BLUE, lw=1.4, label="slow tile: receives transfers")
    left.axhline(target[2, 2].item(), color=GREY, lw=1, ls="--", label="the right weight")
    left.set(title="Tiki-Taka, one weight", xlabel="step", ylabel="weight")
    _legend_below(left)
    right.plot(*_smooth(noisy(AnalogSGD())[2]), color=RED, lw=1.4, label="Analog SGD: one tile")
    right.plot(*_smooth(errors), color=BLUE, lw=1.4, label="Tiki-Taka: two tiles")
    right.set(title="Error of all weights", xlabel="step", ylabel="root mean square", ylim=(0, None))
    _legend_below(right)
    return figure


def residual() -> Figure:
    """Residual learning: the error by the number of tiles, and how the tiles add up to one weight."""
    figure, (left, right) = _axes(2)
    for tiles, colour in ((1, RED), (2, PURPLE), (3, GREEN), (4, BLUE)):
        chain = ResidualLearning(tiles=tiles, gamma=0.3, fast_lr=1.0, transfer_lr=0.3) if tiles > 1 else AnalogSGD()
        target, built, errors = _trained(chain, steps=3000)
        left.plot(*_smooth(errors), color=colour, lw=1.4, label=f"{tiles} tile{'s' if tiles > 1 else ''}")
    left.set(title="Error of all weights", xlabel="step", ylabel="root mean square", ylim=(0, None))
    _legend_below(left, columns=4)
    place = divmod(int(target.abs().argmax()), target.shape[1])
    sums = np.cumsum([gamma * tile.weight[place].item() for _, gamma, tile in reversed(list(built.named_tiles()))])
    right.bar(range(len(sums)), sums, color=BLUE, width=0.6, label="the sum up to this tile")
    right.axhline(target[place].item(), color=GREY, lw=1, ls="--", label="the right weight")
    right.set_xticks(range(len(sums)), ["slowest", *("+ faster" for _ in sums[2:]), "+ fastest"])
    right.set(title="One weight on four tiles", ylabel="weight")
    _legend_below(right)
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {
    name: draw
    for name, draw in (
        ("concept_device", device),
        ("concept_pulse_train", pulse_train),
        ("concept_tile", tile),
        ("concept_transfer", transfer),
        ("concept_residual", residual),
    )
}


def svg(name: str) -> str:
    """The text of one figure."""
    with matplotlib.rc_context(RC):
        text = io.StringIO()
        figure = FIGURES[name]()
        figure.savefig(text, format="svg", metadata={"Date": None, "Title": name})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _axes(columns: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(8.0, 3.2 if columns == 2 else 2.5), layout="constrained")
    return figure, list(figure.subplots(1, columns))


def _pulsed(tile: Tile, pulses: int) -> Tensor:
    """Weights ``[2 pulses + 1, in]`` of the first row under single pulses up, then down."""
    one = PulseTrain(desired_bl=1, update_management=False, update_bl_management=False)
    columns = torch.arange(tile.shape[1])
    values = torch.ones(len(columns), 1)  # so large that the one slot always has a pulse
    tile.program(torch.full(tile.shape, -1.0))
    history = [tile.weight[0].clone()]
    for direction in (1.0, -1.0):
        for _ in range(pulses):
            tile.write(columns, values, direction, one)
            history.append(tile.weight[0].clone())
    return torch.stack(history)


def _alike(states: int) -> SoftBounds:
    """Devices without any spread or noise."""
    return SoftBounds(states=states, dw_min_dtod=0, dw_min_std=0, w_max_dtod=0, w_min_dtod=0, up_down_dtod=0)


def _trained(
    algorithm: Algorithm,
    watch: Callable[[Algorithm], None] = lambda _: None,
    states: int = 10,
    steps: int = 1000,
    shape: tuple[int, int] = (8, 8),
    lr: float = 0.2,
    noise: float = 0.0,
) -> tuple[Tensor, Algorithm, list[float]]:
    """Learn a random matrix by least squares, from mini-batches of 8 with noise on the right outputs.

    Returns:
        The matrix, the trained algorithm, and the root mean square error of the weights after each step.
    """
    stream = Stream.from_seed(7)
    target = 0.8 * stream.child("target").uniform(shape) - 0.4
    built = algorithm.build(shape, SoftBounds(states=states), stream.child("layer"))
    built.program(torch.zeros(shape))
    errors = []
    for step in range(steps):
        x = 2 * stream.child("x", step).uniform((8, shape[1])) - 1
        wrong = noise * (2 * stream.child("noise", step).uniform((8, shape[0])) - 1)
        built.step([(x, (x @ (built.weight - target).T + wrong) / len(x))], lr)
        errors.append((built.weight - target).square().mean().sqrt().item())
        watch(built)
    return target, built, errors


def _smooth(values: list[float], block: int = 50) -> tuple[list[int], list[float]]:
    """Means of blocks of steps, and the steps at their ends."""
    ends = list(range(block, len(values) + 1, block))
    return ends, [float(np.mean(values[end - block : end])) for end in ends]


def _legend_below(axes: Axes, columns: int = 1) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=8, ncols=columns)


def main() -> None:
    """Write all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES)
    out = parser.parse_args().out
    set_arithmetic()
    for name in FIGURES:
        (out / f"{name}.svg").write_text(svg(name), encoding="utf-8")


if __name__ == "__main__":
    main()
