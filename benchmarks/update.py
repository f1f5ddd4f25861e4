"""Updates of one large array, from few pulses for each crosspoint to many, beside aihwkit if it is there.

``python -m benchmarks.update [--peer PYTHON] [--sizes ROWSxCOLUMNSxSAMPLES ...] [--rounds N] [--json FILE]``

All cases take turns in one run; compare the ratios. See ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from benchmarks import report
from benchmarks.large import STATES, UPDATES, Large, timed
from benchmarks.loop import Timing
from benchmarks.peer_process import PeerProcess
from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.randomness import Stream
from resbench.crossbar.tile import Tile
from resbench.training.process import keep_freed_memory, use_huge_pages

#: Those of layers of a ResNet: out, in and positions of a few images.
SIZES = ("256x2304x512", "512x4608x128")
PULSES = (0.01, 0.1, 1.0, 10.0)


@dataclass
class Case:
    """One array and mini-batch, and what its updates took.

    Args:
        large: the array and the mini-batch.
        counted: pulses for each crosspoint that there were.
        ours: CPU milliseconds of an update.
        peer: the same of aihwkit.
    """

    large: Large
    counted: float = 0.0
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)


def updates(large: Large) -> tuple[Tile, Callable[[], None]]:
    """A tile, and its update."""
    tile = Tile(SoftBounds(states=STATES, w_max=1.0, w_min=-1.0), (large.rows, large.columns), Stream.from_seed(0))
    use_huge_pages(tile.buffers())
    x, d = large.sides()
    rate = large.rate()
    return tile, lambda: tile.update(x, d, rate)


def measure(cases: Sequence[Case], rounds: int, peer: PeerProcess | None) -> None:
    """All cases in turn, ``rounds`` times after one to warm up."""
    tiles = [updates(case.large) for case in cases]
    for number in range(rounds + 1):
        for case, (_, update) in zip(cases, tiles, strict=True):
            timings: list[tuple[list[float], Timing]] = [(case.ours, timed(update))]
            if peer is not None:
                timings.append((case.peer, peer.update(asdict(case.large))))
            if number > 0:
                for kept, timing in timings:
                    kept.append(1e3 * timing.cpu)
    for case, (tile, _) in zip(cases, tiles, strict=True):
        case.counted = (
            float(tile.pulses_up.sum() + tile.pulses_down.sum()) / tile.weight.numel() / (rounds + 1) / (UPDATES + 1)
        )


def table(cases: Sequence[Case]) -> str:
    """The cases as text."""
    head = ("out x in", "samples", "pulses / crosspoint", "ms", "ns / pulse", "aihwkit ms", "aihwkit / ours")
    rows: list[Sequence[str]] = [head]
    for case in cases:
        large, ours = case.large, statistics.median(case.ours)
        each = 1e6 * ours / max(case.counted * large.rows * large.columns, 1)
        cells = [
            f"{large.rows} x {large.columns}",
            str(large.samples),
            f"{case.counted:.3g}",
            f"{ours:.1f}",
            f"{each:.3g}",
        ]
        if case.peer:
            ratio = statistics.median(peer / mine for peer, mine in zip(case.peer, case.ours, strict=True))
            rows.append((*cells, f"{statistics.median(case.peer):.1f}", f"{ratio:.1f}"))
        else:
            rows.append((*cells, "", ""))
    return report.table(rows)


def size(text: str) -> tuple[int, int, int]:
    """``256x2304x512`` as numbers."""
    rows, columns, samples = map(int, text.split("x"))
    return rows, columns, samples


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.update", description=__doc__.splitlines()[0])
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter of an environment with aihwkit 1.1.0")
    parser.add_argument("--sizes", type=size, nargs="+", default=list(map(size, SIZES)), metavar="ROWSxCOLUMNSxSAMPLES")
    parser.add_argument("--pulses", type=float, nargs="+", default=list(PULSES), help="wanted for each crosspoint")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    keep_freed_memory()
    torch.set_num_threads(1)
    cases = [
        Case(Large(rows, columns, samples, wanted)) for rows, columns, samples in args.sizes for wanted in args.pulses
    ]
    peer = PeerProcess(args.peer, {"threads": 1, "states": STATES, "cases": []}) if args.peer else None
    try:
        measure(cases, args.rounds, peer)
    finally:
        if peer is not None:
            peer.close()
    print(table(cases))
    ratios = {
        f"{c.large.rows} x {c.large.columns}, {c.large.samples} samples, {c.large.pulses:g} pulses: aihwkit / ours": (
            report.ratios(c.peer, c.ours)
        )
        for c in cases
        if c.peer
    }
    report.write_json(args.json, {"states": STATES, "cases": [asdict(case) for case in cases]}, ratios)
    return 0


if __name__ == "__main__":
    sys.exit(main())
