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
from functools import partial
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
GAMMA = 0.5


@dataclass(frozen=True)
class Setting:
    """An algorithm and the length of its training for each number of tiles; how errors of all problems are summed."""

    title: str
    algorithm: Callable[[int], ResidualLearning]
    epoch: Callable[[int], int]
    epochs: Callable[[int], int]
    device: SoftBounds = DEVICE
    statistic: Callable[[Tensor], Tensor] = torch.mean


def literal(tiles: int) -> ResidualLearning:
    """Appendix K.3: gamma 0.1, periods 2, 4, 8, ..., all rates 0.01, no warm start."""
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


def by_theory(tiles: int, patience: float) -> ResidualLearning:
    """Theorem 3: ``T_N`` in proportion to ``gamma^-N``, beta to ``gamma^2``, slower tiles stand still meanwhile.

    ``patience`` is the number of transfers that a tile receives between two of its own, once the warm start is over.
    """
    return ResidualLearning(
        tiles,
        gamma=GAMMA,
        transfer_every=[settling(tiles), *[patience] * (tiles - 1)],
        transfer_lr=GAMMA**2,
        transfer_lr_growth=1.0,
        fast_lr=0.3,
        schedule="paper",
        plateau=Plateau(threshold=0.0, eager_switches=tiles),
        count="local",
        n_reads_per_transfer=None,
    )


def settling(tiles: int) -> int:
    """Steps between two transfers out of the fastest tile, ``4 gamma^-N``: its share of the gradient is that small."""
    return round(4 * GAMMA ** (1 - tiles))


def epoch(tiles: int) -> int:
    """Steps of an epoch, ten transfers; the warm start looks at the loss after each."""
    return 10 * settling(tiles)


def epochs(tiles: int) -> int:
    """Enough for the warm start and some tens of epochs after it."""
    return 20 + 6 * tiles


def settings(patience: float) -> tuple[Setting, ...]:
    """What is compared."""
    patient = partial(by_theory, patience=patience)
    return (
        Setting("K.3 literally: mean", literal, lambda tiles: 150, lambda tiles: 100),
        Setting("within Theorem 3: mean", patient, epoch, epochs),
        Setting("the same, spread and noisy devices: median", patient, epoch, epochs, SPREAD, torch.median),
    )


def train(setting: Setting, tiles: int, targets: Tensor, seed: int = 0) -> list[tuple[int, float]]:
    """(step, squared error over the epoch that ends there), summed up over all problems."""
    algorithm = setting.algorithm(tiles).build((1, len(targets)), setting.device, Stream.from_seed(seed))
    algorithm.program(torch.zeros(1, len(targets)))
    inputs, curve = torch.eye(len(targets)), []
    for epoch in range(1, setting.epochs(tiles) + 1):
        total = torch.zeros(len(targets))
        for _ in range(setting.epoch(tiles)):
            error = algorithm.weight[0] - targets
            total += error.square()
            algorithm.step([(inputs, 2 * error[:, None])], lr=0.001)
        losses = total / setting.epoch(tiles)
        algorithm.on_epoch_end(losses.mean().item())
        curve.append((epoch * setting.epoch(tiles), setting.statistic(losses).item()))
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
    parser.add_argument("--patience", type=float, default=100, help="period of the slower tiles (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file of the plot; none is made without it")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    levels = torch.randint(2**16, (args.problems,), generator=torch.Generator().manual_seed(0))
    targets = levels / (2**16 - 1) * 2 - 1
    curves: dict[str, dict[int, list[tuple[int, float]]]] = {}
    for setting in settings(args.patience):
        curves[setting.title] = {}
        for tiles in range(1, args.tiles + 1):
            curve = curves[setting.title][tiles] = train(setting, tiles, targets)
            last = sum(loss for _, loss in curve[-10:]) / len(curve[-10:])
            print(f"{setting.title}, {tiles} tiles: {last:.1e} after {curve[-1][0]} steps", flush=True)
    if args.out is not None:
        plot(curves, args.out)


if __name__ == "__main__":
    main()
