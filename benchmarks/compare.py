"""Training iterations of this checkout beside those of another commit, in turns.

``python -m benchmarks.compare REV [--cases NAME ...] [--batches 8 64] [--rounds N] [--limit RATIO] [--json FILE]``

The other commit is checked out in a temporary folder. Each side is a process of this interpreter that imports its own
resbench and its own ``benchmarks/cases.py``. They take turns, case by case, and the ratios are those inside a round.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.worker import REPOSITORY, Worker

#: What is compared by default. A name is that of an algorithm, and may say what ``benchmarks.loop.Case`` knows.
CASES = (
    *("DigitalSGD", "AnalogSGD", "TikiTakaV2", "ResidualLearning", "MixedPrecision", "AnalogSGD, noisy"),
    *("perceptron AnalogSGD", "perceptron TikiTakaV2, per vector"),
)
PROGRAM = Path(__file__).with_name("compare_worker.py")


@dataclass
class Pair:
    """Measurements of one case on both sides.

    Args:
        case: name of the case.
        batch: batch size.
        ours: milliseconds of an iteration, one a round: CPU time of one thread, wall time of several.
        other: the same of the other commit.
    """

    case: str
    batch: int
    ours: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Lower quartile, median and upper quartile of ours / other."""
        return report.ratios(self.ours, self.other)


@contextmanager
def checkout(revision: str) -> Iterator[tuple[Path, str]]:
    """A temporary checkout of a commit, and the short name of the commit."""
    with tempfile.TemporaryDirectory(prefix="resbench-compare-") as folder:
        commit = _git("rev-parse", "--short", "--verify", f"{revision}^{{commit}}")
        tree = Path(folder, "tree")
        _git("worktree", "add", "--detach", "--quiet", str(tree), commit)
        try:
            yield tree, commit
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def start(tree: Path, cache: Path | None, threads: int) -> Worker:
    """A process that measures the code of a checkout.

    Args:
        tree: the checkout.
        cache: folder for its compiled kernels; None for the usual one.
        threads: threads of torch.
    """
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": str(threads)}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    # With -P, Python does not look for modules in the folder of the program.
    return Worker([sys.executable, "-P", str(PROGRAM), str(threads)], environment, f"the process of {tree}")


def measure(pairs: Sequence[Pair], ours: Worker, other: Worker, rounds: int, threads: int) -> list[Pair]:
    """All cases in turn, ``rounds`` times after one round to compile; which side comes first changes every round.

    Returns:
        The cases that both sides have.
    """
    clock = "cpu" if threads == 1 else "wall"
    kept = list(pairs)
    for number in range(rounds + 1):
        for pair in list(kept):
            sides = [(ours, pair.ours), (other, pair.other)]
            for worker, values in sides if number % 2 else reversed(sides):
                answer = worker.ask({"case": pair.case, "batch": pair.batch})
                if "missing" in answer:
                    print(f"{pair.case}: left out: {worker.name}: {answer['missing']}", file=sys.stderr)
                    kept.remove(pair)
                    break
                if number > 0:
                    values.append(1e3 * answer[clock])
    return kept


def table(pairs: Sequence[Pair], commit: str) -> str:
    """The results as text."""
    rows: list[Sequence[str]] = [("case", "batch", f"{commit} ms", "now ms", f"now / {commit}", "quartiles")]
    for pair in pairs:
        low, middle, high = pair.ratios
        times = [f"{report.quartiles(values)[1]:.2f}" for values in (pair.other, pair.ours)]
        rows.append((pair.case, str(pair.batch), *times, f"{middle:.3f}", f"{low:.3f} - {high:.3f}"))
    return report.table(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; return 1 if a case is slower than the limit allows, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.splitlines()[0])
    parser.add_argument("revision", metavar="REV", help="the other commit: a hash, a branch or a tag")
    parser.add_argument("--cases", nargs="+", default=list(CASES), metavar="NAME", help=f"default: {'; '.join(CASES)}")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--limit", type=float, metavar="RATIO", help="fail if the lower quartile of a ratio is above")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    wanted = [Pair(case, batch) for batch in args.batches for case in args.cases]
    with checkout(args.revision) as (tree, commit):
        ours, other = start(REPOSITORY, None, args.threads), start(tree, tree.parent / "kernels", args.threads)
        try:
            pairs = measure(wanted, ours, other, args.rounds, args.threads)
        finally:
            ours.close()
            other.close()
    print(table(pairs, commit))
    ratios = {f"{pair.case}, batch {pair.batch}, {report.threads(args.threads)}": pair.ratios for pair in pairs}
    results: list[dict[str, Any]] = [vars(pair) for pair in pairs]
    report.write_json(args.json, {"other": commit, "results": results}, ratios)
    slower = [name for name, (low, _, _) in ratios.items() if args.limit is not None and low > args.limit]
    for name in slower:
        print(f"slower than {args.limit:g} times {commit}: {name}", file=sys.stderr)
    return 1 if slower or not pairs else 0


if __name__ == "__main__":
    sys.exit(main())
