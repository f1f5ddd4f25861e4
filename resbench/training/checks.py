"""What is checked before any work begins and any file is touched."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.callbacks import ModelPruning, StochasticWeightAveraging, Timer, WeightAveraging
from torch.optim import Optimizer

from resbench.errors import UserError
from resbench.nn import AnalogSGD, analog_layers
from resbench.training.checkpoint import checked_checkpoint
from resbench.training.cli import RunCLI
from resbench.training.distributed import check_processes
from resbench.training.messages import explain_value

#: Callbacks of Lightning that write to parameters. Others that do are found in the training, by what they do.
WRITERS = (WeightAveraging, StochasticWeightAveraging, ModelPruning)


def check_training(cli: RunCLI) -> Path | None:
    """Refuse a training that cannot work; read its data.

    Returns:
        The checkpoint to continue from, if the config names a file.

    Raises:
        UserError: with what to write instead.
    """
    trainer = cli.config.trainer
    if (trainer.max_epochs or 0) < 1 and trainer.max_steps < 1:
        raise UserError(f"trainer.max_epochs: {trainer.max_epochs} sets no budget; write a number of epochs, 1 or more")
    has_analog = any(True for _ in analog_layers(cli.model))
    if has_analog and not isinstance(_optimizer(cli), AnalogSGD):
        name = type(_optimizer(cli)).__name__
        raise UserError(f"optimizer: {name} does not train analog layers; write resbench.nn.AnalogSGD")
    for callback in cli.trainer.callbacks:  # type: ignore[attr-defined]
        name = type(callback).__name__
        if has_analog and isinstance(callback, WRITERS):
            raise UserError(
                f"trainer.callbacks: {name} writes to weights of analog layers, which only pulses change; leave it out"
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
    if cli.config.ckpt_path is None:
        return None
    return checked_checkpoint(cli.config.ckpt_path, cli.resolved, cli.model, evaluate=False)


def read_data(cli: RunCLI, stage: str) -> None:
    """Read the data set, so that what is wrong with it is said first.

    Raises:
        UserError: where it is not there or does not fit the config.
    """
    if not callable(getattr(cli.datamodule, "describe", None)):
        raise UserError(
            f"data: {type(cli.datamodule).__name__} does not say what it read; derive it from "
            "resbench.data.base.InMemoryData, or give it a method describe()"
        )
    cli.datamodule.trainer = cli.trainer  # it looks there for how many processes share a mini-batch
    try:
        cli.datamodule.prepare_data()
        cli.datamodule.setup(stage)
    except (ValueError, OSError) as error:
        raise UserError(explain_value(str(error), {"data": cli.resolved["data"]})) from error


def _optimizer(cli: RunCLI) -> Optimizer | None:
    configured = cli.model.configure_optimizers()
    if isinstance(configured, dict):
        configured = configured["optimizer"]
    while isinstance(configured, list | tuple):
        configured = configured[0]
    return configured if isinstance(configured, Optimizer) else None
