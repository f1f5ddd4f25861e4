"""Checks of a training's intervals: that there is a validation where one is asked for, and schedulers can step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from lightning.pytorch.cli import instantiate_class
from torch.optim.lr_scheduler import ReduceLROnPlateau

from resbench.data.base import InMemoryData
from resbench.errors import UserError
from resbench.training.cli import RunCLI


class Scheduled(NamedTuple):
    """A scheduler of the learning rate.

    Attributes:
        scheduler: the scheduler.
        monitor: the metric that it follows.
        interval: ``epoch`` or ``step``.
        frequency: number of intervals between two of its steps.
    """

    scheduler: Any
    monitor: str | None = None
    interval: str = "epoch"
    frequency: int = 1


class Length(NamedTuple):
    """How long a training is; infinite where the config sets no limit.

    Attributes:
        batches: mini-batches of an epoch.
        an_epoch: optimiser steps of an epoch.
        epochs: epochs that end.
        steps: optimiser steps.
    """

    batches: int
    an_epoch: int
    epochs: float
    steps: float


def schedulers(cli: RunCLI) -> Iterator[Scheduled]:
    """Each scheduler of the learning rate."""
    configured = cli.model.configure_optimizers()
    found = configured.get("lr_scheduler") if isinstance(configured, dict) else None
    if isinstance(configured, tuple) and len(configured) == 2:
        found = configured[1]
    for entry in found if isinstance(found, list) else [found]:
        if isinstance(entry, dict):
            yield Scheduled(**{name: entry[name] for name in Scheduled._fields if name in entry})
        elif entry is not None:
            yield Scheduled(entry)


def check_intervals(cli: RunCLI) -> None:
    """Refuse intervals that are longer than what they divide. The data are read. Unknown data are not checked.

    Raises:
        UserError: with the key, its value and what to write.
    """
    if not isinstance(cli.datamodule, InMemoryData):
        return
    length = _length(cli)
    if cli.config.trainer.limit_val_batches != 0:
        _check_validation(cli, length)
    _check_step(cli)
    for scheduled in schedulers(cli):
        _check_scheduler(scheduled, length)
        if isinstance(scheduled.scheduler, ReduceLROnPlateau) and str(scheduled.monitor).startswith("val/"):
            _check_followed(cli, scheduled, length)


def _length(cli: RunCLI) -> Length:
    trainer = cli.config.trainer
    batches, limit = len(cli.datamodule.train_dataloader()), trainer.limit_train_batches
    if limit is not None:
        batches = int(batches * limit) if isinstance(limit, float) else min(batches, limit)
    an_epoch = max(math.ceil(batches / trainer.accumulate_grad_batches), 1)
    epochs = trainer.max_epochs if (trainer.max_epochs or 0) > 0 else math.inf
    steps = min(trainer.max_steps if trainer.max_steps > 0 else math.inf, epochs * an_epoch)
    return Length(batches, an_epoch, min(epochs, steps // an_epoch), steps)


def _check_validation(cli: RunCLI, length: Length) -> None:
    """Lightning refuses an interval that is longer than an epoch, in the training."""
    interval = cli.config.trainer.val_check_interval
    if cli.config.trainer.check_val_every_n_epoch is None or not isinstance(interval, int):
        return
    if interval > length.batches:
        raise UserError(
            f"trainer.val_check_interval: {interval} is more than the {length.batches} mini-batches of an epoch; write "
            f"at most {length.batches}, or check_val_every_n_epoch: null to count mini-batches over all epochs"
        )


def _check_scheduler(scheduled: Scheduled, length: Length) -> None:
    name, interval = type(scheduled.scheduler).__name__, scheduled.interval
    every = f"{scheduled.frequency} {interval}s" if scheduled.frequency > 1 else interval
    steps = (length.epochs if interval == "epoch" else length.steps) // scheduled.frequency
    if steps < 1:
        size = f"an epoch has {length.an_epoch} steps of the optimiser" if interval == "epoch" else "there are too few"
        raise UserError(
            f"lr_scheduler: {name} takes a step after each {every}, and none is within the {length.steps:g} steps of "
            f"this training ({size}); write lr_scheduler_interval: step, a longer training, or no lr_scheduler"
        )
    total = getattr(scheduled.scheduler, "total_steps", math.inf)
    if steps > total:
        raise UserError(
            f"lr_scheduler: {name} takes at most {total} steps, and this training {steps:g}, one after each {every}; "
            f"write total_steps: {steps:g}"
        )


def _check_step(cli: RunCLI) -> None:
    """Refuse a scheduler that fails when it steps, such as one with a period of 0. It is another one of the same kind.

    The scheduler of the training may not take a step before the training: it would change the learning rate.
    """
    config = cli.config.get("lr_scheduler")
    if config is None:
        return
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    try:
        scheduler = instantiate_class(optimizer, config)
    except (ValueError, TypeError, KeyError):  # it needs the groups of parameters of the network
        return
    try:
        with warnings.catch_warnings(action="ignore"):  # it steps before the optimiser
            scheduler.step(*([0.0] if isinstance(scheduler, ReduceLROnPlateau) else []))
    except (ArithmeticError, ValueError, TypeError) as error:
        name = type(scheduler).__name__
        raise UserError(f"lr_scheduler: {name} cannot take a step ({error}); change its init_args") from None


def _check_followed(cli: RunCLI, scheduled: Scheduled, length: Length) -> None:
    """A metric has to be there when its scheduler takes its first step."""
    every, key = cli.config.trainer.check_val_every_n_epoch, "check_val_every_n_epoch"
    first = every
    if every is None:
        interval, key = cli.config.trainer.val_check_interval, "val_check_interval"
        every, first = interval, math.ceil((interval or 0) / max(length.batches, 1))
    epochs = scheduled.frequency if scheduled.interval == "epoch" else 0
    if first > epochs:
        name = type(scheduled.scheduler).__name__
        raise UserError(
            f"trainer.{key}: {every} gives no {scheduled.monitor} before the first step of lr_scheduler {name}, which "
            f"follows it; write a smaller number, or let it follow a metric of the training"
        )
