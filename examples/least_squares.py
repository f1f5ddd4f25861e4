"""The least-squares toy of arXiv:2510.02516 (K.3): how precisely can weights of 4 states be held, by number of tiles?

    python least_squares.py --out least_squares.png

One weight against one target, ``(w - b)^2`` with b uniform on 2^16 levels of [-1, 1], many such problems side by side:
each is a column of its own, driven by its own one-hot input, so that pulses and transfers of different problems are
independent. Compared are the settings of appendix K.3 taken literally and settings that keep to the conditions of
Theorem 3; ``docs/least-squares.md`` discusses the result.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from resbench.algorithms import Plateau, ResidualLearning
from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream

#: 4 states between -1 and 1, every device alike and without noise: granularity and asymmetry alone.
DEVICE = SoftBounds(
    states=4, w_max=1.0, w_min=-1.0,
    dw_min_dtod=0.0, dw_min_std=0.0, w_max_dtod=0.0, w_min_dtod=0.0, up_down_dtod=0.0,
)  # fmt: skip
#: The same with the spreads and the cycle noise that aihwkit has by default.
SPREAD = SoftBounds(states=4, w_max=1.0, w_min=-1.0)


@dataclass(frozen=True)
class Literal:
    """Appendix K.3 to the letter: gamma 0.1, periods 2, 4, 8, ..., all rates 0.01, no warm start."""

    def algorithm(self, tiles: int) -> ResidualLearning:
        """The algorithm for a number of tiles."""
        return ResidualLearning(
            tiles,
            gamma=0.1,
            transfer_every=2.0,
            transfer_every_growth=2.0,
            transfer_lr=0.01,
            transfer_lr_growth=1.0,
            fast_lr=0.01,
            n_reads_per_transfer=None,
            pulses=PulseTrain(update_management=False, update_bl_management=False),
        )

    def epochs(self, tiles: int) -> tuple[int, int]:
        """Epochs, and steps of each."""
        return 100, 150


@dataclass(frozen=True)
class Theory:
    """Settings within Theorem 3: ``T_N ~ gamma^-N``, ``beta ~ gamma^2``, slower tiles that wait for the faster ones.

    Args:
        gamma: ratio of scale from a tile to the next.
        settled: leave the fastest tile ``4 gamma^-N`` steps between two transfers, because its share of the composite
            weight is ``gamma^N``; False leaves it 4.
        warm_start: fill the tiles one after the other first, the slowest first.
        patience: transfers that a tile receives between two of its own.
    """

    gamma: float = 0.5
    settled: bool = True
    warm_start: bool = True
    patience: float = 100.0

    def algorithm(self, tiles: int) -> ResidualLearning:
        """The algorithm for a number of tiles."""
        return ResidualLearning(
            tiles,
            gamma=self.gamma,
            transfer_every=[self.period(tiles), *[self.patience] * (tiles - 1)],
            transfer_lr=self.gamma**2,
            transfer_lr_growth=1.0,
            fast_lr=0.3,
            schedule="paper" if self.warm_start else "chain",
            plateau=Plateau(threshold=0.0, eager_switches=tiles),
            count="local",
            n_reads_per_transfer=None,
        )

    def period(self, tiles: int) -> int:
        """Steps between two transfers out of the fastest tile."""
        return round(4 * self.gamma ** (1 - tiles)) if self.settled else 4

    def epochs(self, tiles: int) -> tuple[int, int]:
        """Epochs, and steps of each: the same for all settings of one gamma; the warm start looks after each."""
        return 20 + 6 * tiles, 10 * round(4 * self.gamma ** (1 - tiles))


Run = tuple[Literal | Theory, SoftBounds, Callable[[Tensor], Tensor]]
COMPARED: dict[str, Run] = {
    "K.3 literally: mean": (Literal(), DEVICE, torch.mean),
    "within Theorem 3: mean": (Theory(), DEVICE, torch.mean),
    "the same, spread and noisy devices: median": (Theory(), SPREAD, torch.median),
}
VARIANTS: dict[str, Run] = {
    "patience 20": (Theory(patience=20), DEVICE, torch.mean),
    "patience 5": (Theory(patience=5), DEVICE, torch.mean),
    "gamma 0.35": (Theory(gamma=0.35), DEVICE, torch.mean),
    "T_N = 4 for any number of tiles": (Theory(settled=False), DEVICE, torch.mean),
    "no warm start": (Theory(warm_start=False), DEVICE, torch.mean),
    "spread and noisy devices: mean": (Theory(), SPREAD, torch.mean),
}


def train(run: Run, tiles: int, targets: Tensor) -> list[tuple[int, float]]:
    """(step, squared error over the epoch that ends there), summed up over all problems."""
    setting, device, statistic = run
    algorithm = setting.algorithm(tiles).build((1, len(targets)), device, Stream.from_seed(0))
    algorithm.program(torch.zeros(1, len(targets)))
    inputs, curve = torch.eye(len(targets)), []
    epochs, steps = setting.epochs(tiles)
    for epoch in range(1, epochs + 1):
        total = torch.zeros(len(targets))
        for _ in range(steps):
            error = algorithm.weight[0] - targets
            total += error.square()
            algorithm.step([(inputs, 2 * error[:, None])], lr=0.001)
        algorithm.on_epoch_end(total.mean().item() / steps)
        curve.append((epoch * steps, statistic(total).item() / steps))
    return curve


def plot(curves: dict[str, dict[int, list[tuple[int, float]]]], path: Path) -> None:
    """Loss against steps, one panel for each setting, one line for each number of tiles."""
    figure, panels = plt.subplots(1, len(curves), figsize=(4.6 * len(curves), 3.8), sharey=True, layout="constrained")
    colours = plt.get_cmap("viridis")
    for panel, (title, by_tiles) in zip(panels, curves.items(), strict=True):
        for tiles, curve in by_tiles.items():
            panel.loglog(*zip(*curve, strict=True), color=colours((tiles - 1) / 8), label=str(tiles))
        panel.set(title=title, xlabel="steps")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("squared error")
    panels[0].legend(title="tiles", ncols=2, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train every setting with every number of tiles, print the errors, plot the curves."""
    parser = argparse.ArgumentParser(description="Least squares with weights of 4 states on 1 to 8 tiles")
    parser.add_argument("--tiles", type=int, default=8, help="largest number of tiles (default: %(default)s)")
    parser.add_argument("--problems", type=int, default=128, help="targets side by side (default: %(default)s)")
    parser.add_argument("--variants", action="store_true", help="leave the conditions of the theory out one by one")
    parser.add_argument("--out", type=Path, help="file of the plot; none is made without it")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    levels = torch.randint(2**16, (args.problems,), generator=torch.Generator().manual_seed(0))
    targets = levels / (2**16 - 1) * 2 - 1
    curves: dict[str, dict[int, list[tuple[int, float]]]] = {}
    for title, run in (VARIANTS if args.variants else COMPARED).items():
        curves[title] = {}
        for tiles in range(1, args.tiles + 1):
            curve = curves[title][tiles] = train(run, tiles, targets)
            last = sum(loss for _, loss in curve[-10:]) / len(curve[-10:])
            print(f"{title}, {tiles} tiles: {last:.1e} after {curve[-1][0]} steps", flush=True)
    if args.out is not None:
        plot(curves, args.out)


if __name__ == "__main__":
    main()
