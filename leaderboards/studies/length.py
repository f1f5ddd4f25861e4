"""Draw how long trainings lose their accuracy: ``python leaderboards/studies/length.py`` writes ``length.svg``.

It reads the records of ``configs/sweeps/paper_t1.yaml`` and the curves that ``aihwkit_length.py`` has written.
"""

import csv
import json
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure

HERE = Path(__file__).parent
matplotlib.style.use(HERE / "study.mplstyle")
RECORDS = HERE.parent / "records" / "fashion-mnist-lenet5"
#: Name of a row in both sources, its title, its colour, and what the paper prints for it.
ROWS = (
    ("t1_fashion_mnist_4states_residual6", "residual learning, 6 tiles", "#035225", 75.11),
    ("t1_fashion_mnist_4states_residual4", "4 tiles", "#e8321f", 73.35),
    ("t1_fashion_mnist_4states_residual3", "3 tiles", "#e69f00", 68.09),
    ("t1_fashion_mnist_4states_tt2", "TT-v2", "#0072b2", 47.51),
    ("t1_fashion_mnist_4states_tt1", "TT-v1", "#56b4e9", 10.01),
)


def ours(name: str) -> list[float]:
    """Training accuracy in % after each epoch, of the record of an experiment with seed 0."""
    for path in sorted(RECORDS.glob("*-seed0-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["config"]["experiment"]["name"] == name:
            return [100 * epoch["values"]["train/acc"] for epoch in record["epochs"]]
    raise FileNotFoundError(f"{RECORDS}: no record of {name} with seed 0")


def theirs(row: str) -> list[float]:
    """The same in aihwkit; an empty list where it was not run."""
    with (HERE / "aihwkit_length.csv").open(encoding="utf-8") as file:
        return [100 * float(line["train_accuracy"]) for line in csv.DictReader(file) if line["row"] == row]


def main() -> None:
    """Write the figure."""
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    axes = figure.subplots()
    for name, title, colour, printed in ROWS:
        found, other = ours(name), theirs(name.rpartition("_")[2])
        axes.plot(range(1, len(found) + 1), found, color=colour, lw=1, label=title)
        if other:
            axes.plot(range(1, len(other) + 1), other, "o", color=colour, ms=3, mfc="none", label=f"{title}, aihwkit")
        axes.plot([100], [printed], marker="D", color=colour, ms=5, clip_on=False, ls="none", zorder=3)
    axes.plot([], [], marker="D", color="#555555", ms=5, ls="none", label="printed in the paper (test)")
    axes.set(xlabel="epoch", ylabel="training accuracy, %", xscale="log", xlim=(1, 100), ylim=(0, 100))
    axes.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    figure.savefig(HERE / "length.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
