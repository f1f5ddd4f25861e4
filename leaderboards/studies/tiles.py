"""Draw error against tiles: ``python leaderboards/studies/tiles.py`` writes ``tiles.svg`` and prints the means.

It reads the records of ``configs/sweeps/digits_tiles.yaml`` that lie beside it.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).parent
matplotlib.style.use(HERE / "study.mplstyle")
STYLE = {2: ("#0072b2", "o"), 4: ("#e8321f", "s"), 10: ("#6d9d36", "^"), 16: ("#7d3c98", "D")}
Curves = dict[int, dict[int, list[float]]]


def records() -> list[Any]:
    """The records of the study."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((HERE / "digits-tiles").glob("*.json"))]


def curves(key: str) -> Curves:
    """Values of a metric by states and tiles: of the test in %, or of the last epoch of training."""
    found: Curves = defaultdict(lambda: defaultdict(list))
    for record in records():
        value = 100 * (1 - record["final"][key]) if key == "test/acc" else record["epochs"][-1]["values"][key]
        found[int(record["states"])][record["algorithm"]["settings"]["tiles"]].append(value)
    return found


def draw(axes: Axes, found: Curves, title: str) -> None:
    """A line for each number of states through the means, and a bar from the smallest to the largest value."""
    for states, by_tiles in sorted(found.items()):
        colour, marker = STYLE[states]
        tiles = sorted(by_tiles)
        means = [sum(by_tiles[k]) / len(by_tiles[k]) for k in tiles]
        below = [mean - min(by_tiles[k]) for k, mean in zip(tiles, means, strict=True)]
        above = [max(by_tiles[k]) - mean for k, mean in zip(tiles, means, strict=True)]
        label = f"{states} states"
        axes.errorbar(tiles, means, [below, above], color=colour, marker=marker, markersize=3, lw=1, label=label)
    axes.set_yscale("log")
    axes.set_xlabel("tiles")
    axes.set_title(title, loc="left")


def main() -> None:
    """Print the means, and write the figure."""
    error, loss = curves("test/acc"), curves("train/loss")
    for states, by_tiles in sorted(error.items()):
        means = [f"{sum(by_tiles[k]) / len(by_tiles[k]):.1f}" for k in sorted(by_tiles)]
        print(f"| {states} | {' | '.join(means)} |")
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw(left, error, "a  test error, %")
    draw(right, loss, "b  training loss, last epoch")
    left.legend(frameon=False)
    figure.savefig(HERE / "tiles.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
