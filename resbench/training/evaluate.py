"""`resbench validate`, `test` and `predict`: what a trained network does, from its checkpoint."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import torch

from resbench.errors import UserError
from resbench.leaderboard.files import write_text_atomically
from resbench.training.checkpoint import checked_checkpoint
from resbench.training.checks import read_data
from resbench.training.cli import RunCLI

PREDICTIONS = "predictions.csv"


def evaluate(command: str, argv: Sequence[str]) -> int:
    """Run ``validate``, ``test`` or ``predict`` and return 0.

    Metrics are printed; predictions go to ``predictions.csv`` beside the checkpoint, one line a sample: its index, the
    most probable class and the probability of each class.

    Raises:
        UserError: without a checkpoint, or with one of another config.
    """
    cli = RunCLI(argv, f"resbench {command}", training=False)
    if cli.config.ckpt_path is None:
        raise UserError(
            f"ckpt_path: missing; write resbench {command} --config RUN/config.yaml --ckpt_path RUN/last.ckpt"
        )
    checkpoint = checked_checkpoint(cli.config.ckpt_path, cli.resolved, cli.model, evaluate=True)
    read_data(cli, command)
    arguments = {"datamodule": cli.datamodule, "ckpt_path": checkpoint, "weights_only": True}
    if command == "predict":
        batches = [torch.as_tensor(batch) for batch in cli.trainer.predict(cli.model, **arguments) or []]
        path = checkpoint.with_name(PREDICTIONS)
        write_text_atomically(path, _table(torch.cat(batches)))
        print(f"predictions: {path}")
        return 0
    run = cli.trainer.validate if command == "validate" else cli.trainer.test
    (metrics,) = run(cli.model, verbose=False, **arguments)
    for name, value in metrics.items():
        print(f"{name} {value:.4f}")
    return 0


def _table(probabilities: torch.Tensor) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sample", "class", *(f"p{k}" for k in range(probabilities.shape[1]))])
    for sample, row in enumerate(probabilities.tolist()):
        writer.writerow([sample, row.index(max(row)), *row])
    return text.getvalue()
