"""`resbench validate`, `test` and `predict`: evaluate a trained network from its checkpoint."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from resbench.errors import UserError
from resbench.records.files import replacing
from resbench.records.names import PREDICTIONS
from resbench.tasks.base import Task
from resbench.training.checkpoint import checked_checkpoint
from resbench.training.checks import check_limits, read_data
from resbench.training.cli import RunCLI


def evaluate(command: str, argv: Sequence[str]) -> int:
    """Run ``validate``, ``test`` or ``predict`` and return 0.

    Metrics are printed. Predictions are written to ``predictions.csv`` in the folder of the checkpoint, with the
    columns of the task.

    Raises:
        UserError: without a checkpoint, with one of another config, or if there is nothing to predict.
    """
    cli = RunCLI(argv, f"resbench {command}", training=False)
    if cli.config.ckpt_path is None:
        raise UserError(
            f"ckpt_path: missing; write resbench {command} --config RUN/config.yaml --ckpt_path RUN/last.ckpt"
        )
    checkpoint = checked_checkpoint(cli.config.ckpt_path, cli.resolved, cli.model, evaluate=True)
    read_data(cli, command)
    check_limits(cli, "val" if command == "validate" else command)
    arguments = {"datamodule": cli.datamodule, "ckpt_path": checkpoint, "weights_only": True}
    if command == "predict":
        predictions = _joined(cli.trainer.predict(cli.model, **arguments) or [], cli.model)
        path = checkpoint.with_name(PREDICTIONS)
        try:
            _write(path, *cli.model.table(predictions))
        except OSError as error:
            raise UserError(
                f"ckpt_path: {path} cannot be written ({error.strerror}); copy the checkpoint elsewhere"
            ) from None
        print(f"predictions: {path}")
        return 0
    run = cli.trainer.validate if command == "validate" else cli.trainer.test
    (metrics,) = run(cli.model, verbose=False, **arguments)
    for name, value in metrics.items():
        print(f"{name} {value:.4f}")
    return 0


def _joined(batches: Sequence[object], model: Task) -> Tensor:
    """Predictions of all batches, one after the other."""
    if not batches:
        raise UserError("trainer.limit_predict_batches: nothing is predicted; write 1 or more, or null for all")
    tensors = [batch for batch in batches if isinstance(batch, Tensor)]
    if len(tensors) < len(batches):
        raise UserError(
            f"model: predict_step of {type(model).__name__} gives a {type(batches[0]).__name__}; "
            "let it return a tensor with a line for each sample"
        )
    return torch.cat(tensors)


def _write(path: Path, columns: Sequence[str], lines: Iterable[Sequence[float]]) -> None:
    """Write a table as CSV, atomically. It is written line by line, because a text has very many predictions."""
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(lines)
        text.detach()  # this flushes the text; `replacing` closes the file
