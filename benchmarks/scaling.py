"""How the cost of an update and an iteration grows with layer, mini-batch, states, tiles and threads.

``python -m benchmarks.scaling [--axes NAME ...] [--rounds N] [--json FILE] [--plot FILE]``

All points take turns in one run. The exponent fitted to the times stands beside that of the work that was asked for:
the curve must grow as the work does, not faster. See ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn

from benchmarks import report
from resbench.algorithms import AnalogSGD, ResidualLearning
from resbench.crossbar.devices import SoftBounds
from resbench.nn import AnalogOptimizer, analog_layers, to_analog
from resbench.training.process import keep_freed_memory

LR = 0.05
#: Mean size of the errors: small, as those of a network in training are.
ERROR = 0.02
#: Values of each axis; the others stay at the setting of :class:`Point`.
AXES: dict[str, tuple[int, ...]] = {
    "size": (128, 256, 512, 1024),
    "batch": (16, 64, 256, 1024),
    "states": (4, 16, 64, 256, 1024),
    "tiles": (2, 4, 8),
    "threads": (1, 2),
}


@dataclass
class Point:
    """One layer in training, and what it took.

    Args:
        axis: which of the following varies.
        size: rows and columns of the layer.
        batch: mini-batch.
        states: states of the devices.
        tiles: tiles of residual learning; 1 is Analog SGD.
        threads: threads of torch.
        iteration: milliseconds of forward, backward and step.
        update: milliseconds of the step in it.
        pulses: pulses of a mini-batch.
        bytes: of the tensors of the layer.
    """

    axis: str
    size: int = 512
    batch: int = 64
    states: int = 10
    tiles: int = 1
    threads: int = 1
    iteration: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)
    pulses: float = 0.0
    bytes: int = 0

    @classmethod
    def at(cls, axis: str, value: int) -> Point:
        """The point of an axis with a value; threads have a mini-batch to share that is worth it."""
        point = cls(axis, batch=1024) if axis == "threads" else cls(axis)
        setattr(point, axis, value)
        return point

    @property
    def value(self) -> int:
        """Where on its axis."""
        place: int = getattr(self, self.axis)
        return place


#: What the time of an iteration, that of its update, and the memory should grow as.
EXPECTED: dict[str, dict[str, Callable[[Point], float]]] = {
    "iteration": {
        "size": lambda p: p.size**2,
        "batch": lambda p: p.batch,
        "states": lambda p: p.pulses,
        "tiles": lambda p: p.tiles,
        "threads": lambda p: 1 / p.threads,
    },
    "update": {
        "size": lambda p: p.pulses,
        "batch": lambda p: p.pulses,
        "states": lambda p: p.pulses,
        "tiles": lambda p: p.tiles,
        "threads": lambda p: 1 / p.threads,
    },
    "bytes": {
        "size": lambda p: p.size**2,
        "batch": lambda p: 1.0,
        "states": lambda p: 1.0,
        "tiles": lambda p: p.tiles,
        "threads": lambda p: 1.0,
    },
}


class Layer:
    """One analog layer with inputs and errors as they come in training: half of the errors are 0."""

    def __init__(self, point: Point) -> None:
        draw = torch.Generator().manual_seed(0)
        algorithm = AnalogSGD() if point.tiles == 1 else ResidualLearning(point.tiles)
        linear = nn.Sequential(nn.Linear(point.size, point.size, bias=False))
        self.point, self.network = point, to_analog(linear, algorithm, SoftBounds(states=point.states))
        self.tiles = [tile for _, layer in analog_layers(self.network) for tile in layer.algorithm.tiles]
        self.optimizer = AnalogOptimizer(self.network.parameters(), lr=LR)
        self.x = torch.rand(point.batch, point.size, generator=draw).requires_grad_()
        self.d = ERROR * torch.randn(point.batch, point.size, generator=draw).clamp_(min=0)
        point.bytes = sum(buffer.numel() * buffer.element_size() for buffer in self.network.buffers())
        self.run(1)

    def pulses(self) -> int:
        """Pulses so far."""
        return sum(int(counts.sum()) for tile in self.tiles for counts in (tile.pulses_up, tile.pulses_down))

    def run(self, iterations: int) -> tuple[float, float]:
        """Milliseconds of an iteration and of its step: CPU time of one thread, wall time of several."""
        torch.set_num_threads(self.point.threads)
        clock = time.process_time if self.point.threads == 1 else time.perf_counter
        step, start = 0.0, clock()
        for _ in range(iterations):
            self.optimizer.zero_grad()
            self.network(self.x).backward(self.d)
            before = clock()
            self.optimizer.step()
            step += clock() - before
        return 1e3 * (clock() - start) / iterations, 1e3 * step / iterations


def measure(points: Sequence[Point], rounds: int, iterations: int) -> None:
    """All points in turn, ``rounds`` times."""
    layers = [Layer(point) for point in points]
    before = [layer.pulses() for layer in layers]
    for _ in range(rounds):
        for layer in layers:
            layer.run(1)
            iteration, update = layer.run(iterations)
            layer.point.iteration.append(iteration)
            layer.point.update.append(update)
    for layer, start in zip(layers, before, strict=True):
        layer.point.pulses = (layer.pulses() - start) / (rounds * (iterations + 1))


def exponents(points: Sequence[Point]) -> dict[str, tuple[float, float]]:
    """Of each quantity the fitted exponent, and that of the work."""
    at = [float(point.value) for point in points]
    costs: dict[str, Callable[[Point], float]] = {
        "iteration": lambda p: report.quartiles(p.iteration)[1],
        "update": lambda p: report.quartiles(p.update)[1],
        "bytes": lambda p: p.bytes,
    }
    return {
        name: (
            report.exponent(at, [cost(point) for point in points]),
            report.exponent(at, [EXPECTED[name][points[0].axis](point) for point in points]),
        )
        for name, cost in costs.items()
    }


def table(points: Sequence[Point]) -> str:
    """One axis as text."""
    head = (points[0].axis, "iteration ms", "quartiles", "update ms", "quartiles", "pulses", "MiB of tensors")
    rows: list[Sequence[str]] = [head]
    for point in points:
        cells = []
        for times in (point.iteration, point.update):
            low, middle, high = report.quartiles(times)
            cells += [f"{middle:.3g}", f"{low:.3g} - {high:.3g}"]
        rows.append((str(point.value), *cells, f"{point.pulses:.4g}", f"{point.bytes / 2**20:.1f}"))
    fits = exponents(points)
    pairs = {name: f"{fitted:.2f} ({expected:.2f})" for name, (fitted, expected) in fits.items()}
    rows.append(("exponent (of the work)", pairs["iteration"], "", pairs["update"], "", "", pairs["bytes"]))
    return report.table(rows)


def plot(by_axis: dict[str, list[Point]], path: Path) -> None:
    """One panel for each axis, both scales logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(by_axis), figsize=(3.2 * len(by_axis), 3), squeeze=False)
    for panel, (axis, points) in zip(panels[0], by_axis.items(), strict=True):
        at = [point.value for point in points]
        for name, colour in (("iteration", "tab:blue"), ("update", "tab:orange")):
            cost = [report.quartiles(getattr(point, name))[1] for point in points]
            work = [EXPECTED[name][axis](point) for point in points]
            panel.loglog(at, cost, "o-", color=colour, label=name)
            panel.loglog(at, [cost[-1] * w / work[-1] for w in work], ":", color=colour, label=f"work of {name}")
        panel.set(xlabel=axis, ylabel="ms" if panel is panels[0][0] else "")
    panels[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="*", choices=AXES, default=list(AXES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--iterations", type=int, default=8, help="of each point in a round")
    parser.add_argument("--largest", type=int, default=2**20, help="leave out larger values of an axis")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    keep_freed_memory()
    values = {axis: [value for value in AXES[axis] if value <= args.largest] for axis in args.axes}
    by_axis = {axis: [Point.at(axis, value) for value in at] for axis, at in values.items()}
    measure([point for points in by_axis.values() for point in points], args.rounds, args.iterations)
    for points in by_axis.values():
        print(table(points) + "\n")
    fits = {axis: exponents(points) for axis, points in by_axis.items()}
    results = {axis: [asdict(point) for point in points] for axis, points in by_axis.items()}
    report.write_json(args.json, {"axes": results, "exponents": fits})
    if args.plot and by_axis:
        plot(by_axis, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
