"""Checks of a training before any work begins and any file is written."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    GradientAccumulationScheduler,
    LearningRateFinder,
    ModelCheckpoint,
    ModelPruning,
    StochasticWeightAveraging,
    Timer,
    WeightAveraging,
)
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from resbench.callbacks import PassTime, TimeBeforeTest
from resbench.callbacks.pass_time import is_without_drift
from resbench.config.messages import refused, shortened
from resbench.data.base import InMemoryData
from resbench.errors import BadValue, UserError
from resbench.nn import AnalogOptimizer, analog_layers, drifts
from resbench.tasks import Regression
from resbench.training.checkpoint import checked_checkpoint
from resbench.training.cli import MADE, RunCLI
from resbench.training.distributed import check_processes
from resbench.training.intervals import check_intervals, schedulers
from resbench.training.parser import built

#: Callbacks that change a value of the config, and the key to write instead.
CHANGING = {
    BatchSizeFinder: "data.init_args.batch_size",
    LearningRateFinder: "optimizer.init_args.lr",
    GradientAccumulationScheduler: "trainer.accumulate_grad_batches",
}
#: Arguments of networks for the number of outputs.
OUTPUTS = ("classes", "vocabulary", "out_features")
#: Precisions that would store tiles in half precision.
HALF = ("16-true", "bf16-true")
#: Callbacks of Lightning that write to parameters. Other such callbacks are found in the training, when they write.
WRITERS = (WeightAveraging, StochasticWeightAveraging, ModelPruning)


def check_training(cli: RunCLI) -> Path | None:
    """Refuse a training that cannot work, and read its data.

    Returns:
        The checkpoint to continue from, if the config names a file.

    Raises:
        UserError: with what to write instead.
    """
    trainer = cli.config.trainer
    if (trainer.max_epochs or 0) < 1 and trainer.max_steps < 1:
        epochs = "null" if trainer.max_epochs is None else trainer.max_epochs
        raise UserError(f"trainer.max_epochs: {epochs} sets no budget; write a number of epochs, 1 or more")
    _check_callbacks(cli)
    has_analog = any(True for _ in analog_layers(cli.model))
    if has_analog and not isinstance(_optimizer(cli), AnalogOptimizer):
        name = type(_optimizer(cli)).__name__
        raise UserError(
            f"optimizer: {name} does not train analog layers; write resbench.nn.AnalogOptimizer, and {name} as its "
            "digital optimiser"
        )
    if has_analog and str(trainer.precision) in HALF:
        raise UserError(
            f"trainer.precision: {trainer.precision} would lose the steps of the devices; write 32-true, or "
            f"{str(trainer.precision).replace('true', 'mixed')} for products in half precision"
        )
    if has_analog and trainer.gradient_clip_val and str(trainer.precision) == "16-mixed":
        raise UserError(
            "trainer.gradient_clip_val: not with precision 16-mixed, where the optimiser itself takes the scale of the "
            "loss off the gradients; leave it out, or write precision: bf16-mixed"
        )
    if str(trainer.precision).startswith("16") and str(cli.trainer.precision).startswith("bf16"):
        raise UserError(
            f"trainer.precision: {trainer.precision} is for GPUs; on the CPU Lightning computes with bf16-mixed in its "
            "place; write that"
        )
    for callback in cli.trainer.callbacks:  # type: ignore[attr-defined]
        name = type(callback).__name__
        if has_analog and isinstance(callback, WRITERS):
            raise UserError(
                f"trainer.callbacks: {name} writes to weights of analog layers, which only pulses change; leave it out"
            )
        idle = isinstance(callback, PassTime) and not drifts(cli.model)
        if idle or (isinstance(callback, TimeBeforeTest) and is_without_drift(cli.model)):
            raise UserError(
                f"trainer.callbacks: {name} has no effect, because no device of this model drifts; leave it out, or "
                "give the device a drift, such as --model.device.drift.nu=0.05"
            )
        if isinstance(callback, Timer):
            raise UserError(f"trainer.callbacks: {name} lets the clock decide the result; write trainer.max_time")
    if not isinstance(trainer.val_check_interval, int | float | None):
        raise UserError(
            f"trainer.val_check_interval: {trainer.val_check_interval} lets the clock decide when to validate; write a "
            "number of mini-batches, or a fraction of an epoch"
        )
    check_processes(cli.model, cli.datamodule, trainer, cli.trainer.world_size)
    read_data(cli, "fit")
    check_limits(cli, "train", "val", "test")
    _check_network(cli)
    _check_monitors(cli)
    check_intervals(cli)
    if cli.config.ckpt_path is None:
        return None
    return checked_checkpoint(cli.config.ckpt_path, cli.resolved, cli.model)


def _check_callbacks(cli: RunCLI) -> None:
    """Refuse callbacks that change values during the run, so that they differ from the config and the record."""
    for callback in cli.trainer.callbacks:  # type: ignore[attr-defined]
        for kind, key in CHANGING.items():
            if isinstance(callback, kind):
                raise UserError(
                    f"trainer.callbacks: {type(callback).__name__} would change what the config says, and the record "
                    f"would not describe what was trained; take it out and write {key}"
                )


def _check_monitors(cli: RunCLI) -> None:
    """Refuse monitors of a metric that is never logged. Tasks of one's own are not checked: they may log any metric."""
    if not type(cli.model).__module__.startswith("resbench."):
        return
    validates = cli.config.trainer.limit_val_batches != 0
    if isinstance(cli.datamodule, InMemoryData):
        validates &= len(cli.datamodule.split("val")) > 0
    splits = ("train", "val") if validates else ("train",)
    logged = [f"{split}/{name}" for split in splits for name in cli.model.metrics]
    monitored = [
        ("trainer.callbacks", callback, getattr(callback, "monitor", None), getattr(callback, "strict", True))
        for callback in cli.trainer.callbacks  # type: ignore[attr-defined]
    ]
    monitored += [("lr_scheduler", entry.scheduler, entry.monitor, True) for entry in schedulers(cli)]
    for key, what, monitor, strict in monitored:
        name = type(what).__name__
        if isinstance(what, ReduceLROnPlateau) and monitor is None:
            raise UserError(
                f"{key}: {name} of torch does not say what it follows; write "
                "lightning.pytorch.cli.ReduceLROnPlateau with init_args {monitor: val/loss}"
            )
        known = [*logged, "epoch", "step"] if isinstance(what, ModelCheckpoint) else logged
        if isinstance(monitor, str) and strict and monitor not in known:
            why = "" if validates else "; there is no validation, see data.init_args.val_size"
            raise UserError(
                f"{key}.init_args.monitor: {name} waits for {monitor}, which is never logged; write one of "
                f"{', '.join(logged)}{why}"
            )


def read_data(cli: RunCLI, stage: str) -> None:
    """Read the data set, so that its problems are found first.

    Raises:
        UserError: if it is not there or does not fit the config.
    """
    if not callable(getattr(cli.datamodule, "describe", None)):
        raise UserError(
            f"data: {type(cli.datamodule).__name__} does not say what it read; derive it from "
            "resbench.data.base.InMemoryData, or give it a method describe()"
        )
    cli.datamodule.trainer = cli.trainer  # the number of processes that share a mini-batch is there
    try:
        cli.datamodule.prepare_data()
        cli.datamodule.setup(stage)
    except (ValueError, OSError) as error:
        raise refused(error, cli.resolved, MADE) from error


def check_limits(cli: RunCLI, *splits: str) -> None:
    """Refuse a share of mini-batches that is less than one mini-batch.

    Args:
        cli: the run, with its data read.
        splits: ``train``, ``val``, ``test`` or ``predict``.

    Raises:
        UserError: with the key.
    """
    for split in splits:
        key = f"limit_{split}_batches"
        share = cli.config.trainer[key]
        if isinstance(share, float) and 0 < share < 1:
            batches = len(getattr(cli.datamodule, f"{split}_dataloader")())
            if batches and int(batches * share) == 0:
                raise UserError(
                    f"trainer.{key}: {share:g} of {batches} mini-batches is less than one; write a whole number of them"
                )


def _check_network(cli: RunCLI) -> None:
    """Refuse a network that does not fit the inputs of the data, or has fewer outputs than they have classes.

    Two samples pass through a digital network with the same arguments, in evaluation mode. It is built for this check,
    because the layers of the trained network count the samples. Only tasks of resbench with data modules of its
    contract are checked, because the right sizes are not known for others.

    Raises:
        UserError: with the network, the key and the sizes.
    """
    data, config, device = cli.datamodule, cli.config.model.init_args.network, cli.trainer.strategy.root_device
    if not (type(cli.model).__module__.startswith("resbench.tasks.") and isinstance(data, InMemoryData)):
        return
    inputs, targets = (part[:2].to(device) for part in next(iter(data.test_dataloader())))
    key, name, kind = "model.init_args.network", config.class_path.rpartition(".")[2], type(data).__name__
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        network = built(nn.Module, config)
        try:
            given = list(network.to(device).eval()(inputs).shape[1:])
        except BadValue as error:
            raise refused(error, cli.resolved, MADE) from error
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            what = f"{name} does not take the inputs {list(inputs.shape[1:])} of {kind}: {error}"
            raise UserError(shortened(f"{key}: {what}"), key) from error
    counts_classes = not isinstance(cli.model, Regression)
    wanted = [*targets.shape[1:], data.num_classes] if counts_classes else list(targets.shape[1:])
    if given == wanted or (counts_classes and given[:-1] == wanted[:-1] and given > wanted):
        return
    sizes = [size for size in OUTPUTS if given and config.init_args.get(size) == given[-1]]
    key = ".".join([key, "init_args", *sizes] if len(sizes) == 1 else [key])
    raise UserError(f"{key}: {name} gives {given} for a sample of {kind}; write a network that gives {wanted}", key)


def _optimizer(cli: RunCLI) -> Optimizer | None:
    configured = cli.model.configure_optimizers()
    if isinstance(configured, dict):
        configured = configured["optimizer"]
    while isinstance(configured, list | tuple):
        configured = configured[0]
    return configured if isinstance(configured, Optimizer) else None
