"""Whole training iterations of LeNet-5, every algorithm beside plain digital torch and, if it is there, aihwkit.

``python -m benchmarks.iteration [--peer PYTHON] [--noisy | --per-vector] [--batches 8 64] [--rounds N] [--json FILE]
[--plot FILE]``

All cases take turns inside one run, so that whatever else the machine does meets all of them alike; compare the ratios,
which are taken round by round. See ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from benchmarks import report
from benchmarks.cases import CASES, STATES, make_loop
from benchmarks.images import load_images
from benchmarks.loop import Case, Loop, Timing
from benchmarks.peer_process import PeerProcess
from resbench.training.process import keep_freed_memory

#: Images in one turn of a case, over several iterations: as in training, caches belong to the case, not to the others.
IMAGES = 512
FLOOR = "DigitalSGD"
#: Rows of ``--noisy``: two networks without converters and with them.
NOISY = ("{}", "{}, noisy", "perceptron DigitalSGD", "perceptron {}", "perceptron {}, noisy")
#: Rows of ``--per-vector``: two networks, transfers inside a mini-batch, without converters and with them.
PER_VECTOR = (
    *("perceptron DigitalSGD", "perceptron {}, per vector", "perceptron {}, noisy, per vector"),
    *("{}, per vector", "{}, noisy, per vector"),
)
CHAINS = ["TikiTaka", "TikiTakaV2", "ChoppedTikiTaka", "AGAD", "ResidualLearning"]


@dataclass
class Series:
    """Measurements of one case, one a round.

    Args:
        case: name of the algorithm.
        batch: batch size.
        threads: threads of torch.
        side: ``resbench`` or ``aihwkit``; the digital floor is ``resbench``.
        cpu: CPU milliseconds of an iteration.
        wall: wall milliseconds of an iteration.
        step: CPU milliseconds of ``optimizer.step()`` in it.
    """

    case: str
    batch: int
    threads: int
    side: str
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)

    def add(self, timing: Timing) -> None:
        """Keep one measurement."""
        for name, seconds in asdict(timing).items():
            getattr(self, name).append(1e3 * seconds)

    @property
    def clock(self) -> list[float]:
        """What is compared: CPU time of one thread, wall time of several."""
        return self.cpu if self.threads == 1 else self.wall


def measure(batch: int, threads: int, rounds: int, peer: PeerProcess | None, loops: dict[str, Loop]) -> list[Series]:
    """All cases in turn, ``rounds`` times after one round to warm up."""
    torch.set_num_threads(threads)
    runs: list[tuple[Series, Callable[[int], Timing]]] = [
        (Series(case, batch, threads, "resbench"), loop.run) for case, loop in loops.items()
    ]
    if peer is not None:
        runs += [(Series(case, batch, threads, "aihwkit"), peer.runner(case, batch)) for case in peer.cases]
    for number in range(rounds + 1):
        for series, run in runs:
            timing = run(max(4, IMAGES // batch))
            if number > 0:
                series.add(timing)
    return [series for series, _ in runs]


def ratio(over: Series, under: Series) -> float:
    """Median over the rounds of the ratio inside a round."""
    return statistics.median(a / b for a, b in zip(over.clock, under.clock, strict=True))


def ratios(results: Sequence[Series]) -> dict[str, list[float]]:
    """Quartiles of ours / digital and of aihwkit / ours, for the history."""
    by_key = {(s.case, s.batch, s.threads, s.side): s for s in results}
    found = {}
    for (case, batch, threads, side), series in by_key.items():
        name = f"{case}, batch {batch}, {report.threads(threads)}"
        ours = by_key.get((case, batch, threads, "resbench"))
        floor = by_key.get((Case.of(case).floor, batch, threads, "resbench"))
        if side == "resbench" and floor is not None and floor is not series:
            found[f"{name}: ours / digital"] = report.ratios(series.clock, floor.clock)
        elif side == "aihwkit" and ours is not None:
            found[f"{name}: aihwkit / ours"] = report.ratios(series.clock, ours.clock)
    return found


def table(results: Sequence[Series]) -> str:
    """The results as text, one line for each algorithm, batch size and number of threads."""
    by_key = {(s.case, s.batch, s.threads, s.side): s for s in results}
    head = ("algorithm", "batch", "clock", "ms", "quartiles", "step ms", "/ digital", "aihwkit ms", "aihwkit / ours")
    rows = [head]
    for (case, batch, threads, side), series in by_key.items():
        if side != "resbench":
            continue
        low, middle, high = report.quartiles(series.clock)
        peer = by_key.get((case, batch, threads, "aihwkit"))
        rows.append(
            (
                case,
                str(batch),
                "CPU, 1 thread" if threads == 1 else f"wall, {threads} threads",
                f"{middle:.2f}",
                f"{low:.2f} - {high:.2f}",
                f"{statistics.median(series.step):.2f}",
                f"{ratio(series, by_key[Case.of(case).floor, batch, threads, 'resbench']):.2f}",
                f"{statistics.median(peer.clock):.2f}" if peer else "",
                f"{ratio(peer, series):.1f}" if peer else "",
            )
        )
    return report.table(rows)


def plot(results: Sequence[Series], path: Path) -> None:
    """Bars of milliseconds, one panel for each batch size, CPU time of one thread."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    batches = sorted({series.batch for series in results})
    figure, panels = pyplot.subplots(1, len(batches), figsize=(5.5 * len(batches), 4), squeeze=False)
    for panel, batch in zip(panels[0], batches, strict=True):
        shown = [s for s in results if s.batch == batch and s.threads == 1]
        cases = [s.case for s in shown if s.side == "resbench"]
        for side, offset, colour in (("resbench", 0.2, "tab:blue"), ("aihwkit", -0.2, "tab:orange")):
            mine = [s for s in shown if s.side == side and s.case in cases]
            if mine:
                places = [-cases.index(s.case) + offset for s in mine]
                panel.barh(places, [statistics.median(s.cpu) for s in mine], 0.4, label=side, color=colour)
        floor = statistics.median(next(s.cpu for s in shown if (s.case, s.side) == (FLOOR, "resbench")))
        panel.axvline(floor, color="black", linewidth=1, linestyle="--", label="digital torch")
        panel.set_yticks([-n for n in range(len(cases))], cases)
        panel.set(title=f"batch {batch}", xlabel="CPU ms of an iteration, 1 thread")
    panels[0][-1].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.iteration", description=__doc__.splitlines()[0])
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter of an environment with aihwkit 1.1.0")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=10)
    every = "algorithms; all by default, with --noisy AnalogSGD, with --per-vector the chains of tiles"
    parser.add_argument("--cases", nargs="+", choices=CASES, help=every)
    parser.add_argument("--noisy", action="store_true", help="LeNet-5 and a perceptron, also with noisy converters")
    parser.add_argument("--per-vector", action="store_true", help="two networks, periods of transfers count vectors")
    parser.add_argument("--data", default="data", help="folder with MNIST/raw; random images if there is none")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    keep_freed_memory()

    images, targets, source = load_images(args.data)
    print(f"{source}; {STATES:g} states; torch {torch.__version__}; {args.rounds} rounds", file=sys.stderr)
    if args.per_vector:
        names = [name.format(case) for case in args.cases or CHAINS for name in PER_VECTOR]
    elif args.noisy:
        names = [name.format(case) for case in args.cases or ["AnalogSGD"] for name in NOISY]
    else:
        names = args.cases or list(CASES)
    cases = list(dict.fromkeys([FLOOR, *names]))
    results: list[Series] = []
    with tempfile.TemporaryDirectory() as folder:
        torch.save({"images": images, "targets": targets}, Path(folder, "images.pt"))
        for threads in args.threads:
            setup = {"images": str(Path(folder, "images.pt")), "states": STATES, "threads": threads, "cases": cases}
            peer = PeerProcess(args.peer, setup) if args.peer else None
            try:
                for batch in args.batches:
                    loops = {case: make_loop(case, images, targets, batch) for case in cases}
                    results += measure(batch, threads, args.rounds, peer, loops)
            finally:
                if peer is not None:
                    peer.close()
    print(table(results))
    measured = {"images": source, "states": STATES, "results": [asdict(s) for s in results]}
    report.write_json(args.json, measured, ratios(results))
    if args.plot:
        plot(results, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
