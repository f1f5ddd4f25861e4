"""`resbench validate`, `test` and `predict`: evaluate a trained network from its checkpoint."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from resbench.callbacks import TimeBeforeTest
from resbench.config.times import durations
from resbench.errors import BadValue, UserError
from resbench.nn import drifts, pass_time
from resbench.records.evaluation import Change, Evaluation, Point, write_evaluation
from resbench.records.files import replacing
from resbench.records.identity import hash_of, plain
from resbench.records.names import EVALUATION, EVALUATION_FIGURE, PREDICTIONS
from resbench.records.text import aligned
from resbench.tasks.base import Task
from resbench.training.checkpoint import refuse_other_data
from resbench.training.checks import check_limits, read_data
from resbench.training.cli import RunCLI
from resbench.training.record import CHECKOUT, git_state, hardware, versions
from resbench.training.trained import Trained, load_trained
from resbench.training.weights import starting_weights


def evaluate(command: str, argv: Sequence[str]) -> int:
    """Run ``validate``, ``test`` or ``predict`` and return 0.

    Metrics are printed. With ``--after``, or with converters or a drift that the training did not have, the record of
    the evaluation is written beside the checkpoint, with a figure of the metrics against time. Predictions are
    written to ``predictions.csv`` there, with the columns of the task, or to ``predictions-HASH.csv`` under other
    conditions. Without a checkpoint, ``validate`` and ``test``
    evaluate the network as the ``weights`` of the config program it, before any training, and write nothing.

    Raises:
        UserError: without a checkpoint or weights, with a checkpoint of another config, or if there is nothing to
            predict or to drift.
    """
    cli = RunCLI(argv, f"resbench {command}", training=False)
    weights = starting_weights(cli.resolved) if command != "predict" else None
    if cli.config.ckpt_path is None and weights is None:
        raise UserError(
            f"ckpt_path: missing; write resbench {command} --config RUN/config.yaml --ckpt_path RUN/last.ckpt"
        )
    times = _times(cli, command)
    trained = None
    if cli.config.ckpt_path is not None:
        trained = load_trained(cli.config.ckpt_path, cli.resolved, cli.model)
        for section in trained.sections:
            print(f"with another {section} than in the training")
    elif weights is not None:
        for line in weights.program(cli.model.network):
            print(line)
    read_data(cli, command)
    if trained is not None:
        refuse_other_data(trained.file, trained.data, cli.datamodule.describe().get("sha256"))
    part = "val" if command == "validate" else command
    check_limits(cli, part)
    limit = f"limit_{part}_batches"
    if command != "predict" and getattr(cli.config.trainer, limit) == 0:  # as in a trial of a tuning
        raise UserError(f"trainer.{limit}: 0 leaves nothing to evaluate; write --trainer.{limit}=null for all")
    if command == "predict" and trained is not None:
        _predict(cli, trained)
        return 0
    started = datetime.now(UTC)
    points = [Point(after="0", seconds=0.0, metrics=_metrics(cli, command))]
    for after, seconds in times.items():
        pass_time(cli.model, seconds - points[-1].seconds)
        points.append(Point(after=after, seconds=seconds, metrics=_metrics(cli, command)))
    for line in _lines(points):
        print(line)
    if trained is not None and (times or trained.changes):
        _keep(cli, command, trained, points, started)
    return 0


def _times(cli: RunCLI, command: str) -> Mapping[str, float]:
    """What ``--after`` asks for, by its text.

    Raises:
        UserError: for what is no duration, with ``predict``, where no device drifts, and where the config passes
            time before each test.
    """
    if cli.after is None:
        return {}
    try:
        times = durations(cli.after)
    except BadValue as error:
        raise UserError(str(error)) from None
    if command == "predict":
        raise UserError("after: predict has no metrics that could change with time; write resbench test")
    for callback in cli.trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, TimeBeforeTest):
            raise UserError(
                f"after: the config lets {callback.time} pass before each test already (trainer.callbacks: "
                "TimeBeforeTest); leave --after out"
            )
    if not drifts(cli.model):
        raise UserError(
            "after: no device of this model drifts, so time changes nothing; give the device a drift exponent, such as "
            "--model.device.drift.nu=0.05"
        )
    return times


def _metrics(cli: RunCLI, command: str) -> dict[str, float]:
    run = cli.trainer.validate if command == "validate" else cli.trainer.test
    (metrics,) = run(cli.model, datamodule=cli.datamodule, verbose=False)
    return {name: float(value) for name, value in metrics.items()}


def _lines(points: Sequence[Point]) -> list[str]:
    """A line for each metric, or a table with a line for each time."""
    if len(points) == 1:
        return [f"{name} {value:.4f}" for name, value in points[0].metrics.items()]
    names = list(points[0].metrics)
    rows = [["after", *names], *([point.after, *(f"{point.metrics[name]:.4f}" for name in names)] for point in points)]
    return aligned(rows, right=True)


def _keep(cli: RunCLI, command: str, trained: Trained, points: list[Point], started: datetime) -> None:
    """Write the record of an evaluation, and its figure if time has passed."""
    evaluation = Evaluation(
        command="validate" if command == "validate" else "test",
        config_hash=trained.config_hash,
        checkpoint=trained.file.name,
        steps=trained.steps,
        changes=[Change(key=key, trained=there, evaluated=here) for key, (there, here) in trained.changes.items()],
        points=points,
        versions=versions(),
        git=git_state(CHECKOUT),
        hardware=hardware(cli),
        started=started,
        finished=max(started, datetime.now(UTC)),  # the clock may have been set back
    )
    name = command, evaluation.identity[:8]
    record, figure = (trained.file.with_name(pattern.format(*name)) for pattern in (EVALUATION, EVALUATION_FIGURE))
    try:
        write_evaluation(record, evaluation)
        print(f"record: {record}")
        if len(points) > 1:
            from resbench.training.time_figure import draw  # here, because matplotlib takes time to load

            draw(points, figure)
            print(f"figure: {figure}")
    except OSError as error:
        raise UserError(
            f"ckpt_path: {trained.file.parent} cannot be written ({error.strerror}); copy the checkpoint elsewhere"
        ) from None


def _predict(cli: RunCLI, trained: Trained) -> None:
    predictions = _joined(cli.trainer.predict(cli.model, datamodule=cli.datamodule) or [], cli.model)
    changed = f"-{hash_of(plain(trained.changes))[:8]}" if trained.changes else ""
    path = trained.file.with_name(PREDICTIONS.format(changed))
    try:
        _write(path, *cli.model.table(predictions))
    except OSError as error:
        raise UserError(
            f"ckpt_path: {path} cannot be written ({error.strerror}); copy the checkpoint elsewhere"
        ) from None
    print(f"predictions: {path}")


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
