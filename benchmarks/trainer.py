"""What Lightning's loop costs beside the bare loop: the same network in training, LeNet-5, by turns in one run.

``python -m benchmarks.trainer [--batch N] [--rounds N] [--data DIR] [--json FILE]``

The training is that of ``resbench fit`` with everything that it always has: its data module, callbacks and logger. See
``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from benchmarks import report
from benchmarks.cases import STATES, TILES
from benchmarks.images import load_images
from benchmarks.loop import LR, Loop
from resbench.nn import AnalogOptimizer
from resbench.training.cli import RunCLI
from resbench.training.process import use_huge_pages

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
#: Config fragment of the algorithm, by the name of its class.
CASES = {
    "DigitalSGD": "algorithm/digital.yaml",
    "AnalogSGD": "algorithm/analog_sgd.yaml",
    "ResidualLearning": "algorithm/residual.yaml",
}
#: Mini-batches of a turn; the first ones of each are not timed, because caches belong to the other one then.
TURN, WARM = 32, 4


@dataclass
class Turns(Callback):
    """Inside a training, after every turn of Lightning one of the bare loop.

    Args:
        bare: the same network, in training without Lightning.

    Attributes:
        trainer_ms: CPU milliseconds of an iteration in Lightning's loop, one value a turn.
        bare_ms: the same in the bare loop.
    """

    bare: Loop
    trainer_ms: list[float] = field(default_factory=list)
    bare_ms: list[float] = field(default_factory=list)
    start: float = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Read the clock, and let the other one run."""
        place = batch_idx % TURN
        if place == WARM:
            self.start = time.process_time()
        elif place == TURN - 1:
            self.trainer_ms.append(1e3 * (time.process_time() - self.start) / (TURN - 1 - WARM))
            self.bare_ms.append(1e3 * self.bare.run(TURN - WARM).cpu)


def measure(case: str, batch: int, rounds: int, data: str) -> dict[str, Any]:
    """Train by one algorithm; milliseconds of both loops, by turns, and of the end of an epoch."""
    images, targets, source = load_images(data)
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            *(
                f"--config={CONFIGS / name}"
                for name in ("track/mnist_lenet5.yaml", "device/softbounds.yaml", CASES[case])
            ),
            f"--model.device.states={STATES}",
            *([f"--model.algorithm.tiles={TILES}"] if case == "ResidualLearning" else []),
            f"--data.root={data}",
            f"--data.batch_size={batch}",
            f"--optimizer.lr={LR}",
            "--trainer.max_epochs=1",
            f"--trainer.limit_train_batches={TURN * (rounds + 1)}",
            "--trainer.limit_val_batches=0",
            "--trainer.enable_progress_bar=false",
            f"--experiment.root={folder}",
        ]
        twin = RunCLI(arguments, "benchmarks.trainer").model.network
        cli = RunCLI(arguments, "benchmarks.trainer")
        turns = Turns(Loop(twin, AnalogOptimizer(twin.parameters(), lr=LR), images, targets, batch))
        cli.trainer.callbacks.append(turns)  # type: ignore[attr-defined]
        cli.datamodule.setup("fit")
        use_huge_pages(cli.tensors())
        cli.folder.begin()
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    return {"case": case, "batch": batch, "images": source, "trainer": turns.trainer_ms[1:], "bare": turns.bare_ms[1:]}


def overhead(result: dict[str, Any]) -> float:
    """Median over the turns of the ratio inside a turn, less 1."""
    ratios: list[float] = [t / b for t, b in zip(result["trainer"], result["bare"], strict=True)]
    return statistics.median(ratios) - 1


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trainer", description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--data", default="data", help="folder with MNIST/raw")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    results = [measure(case, args.batch, args.rounds, args.data) for case in args.cases]
    rows = [("algorithm", "batch", "trainer ms", "quartiles", "bare ms", "quartiles", "overhead")]
    for result in results:
        cells = [result["case"], str(result["batch"])]
        for side in ("trainer", "bare"):
            low, middle, high = report.quartiles(result[side])
            cells += [f"{middle:.2f}", f"{low:.2f} - {high:.2f}"]
        rows.append((*cells, f"{overhead(result):.1%}"))
    print(report.table(rows))
    ratios = {
        f"{result['case']}, batch {result['batch']}: Trainer / bare": report.ratios(result["trainer"], result["bare"])
        for result in results
    }
    report.write_json(args.json, {"results": results}, ratios)
    return 0


if __name__ == "__main__":
    sys.exit(main())
