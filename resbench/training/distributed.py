"""Several processes that train one network with the same mini-batch, by Lightning's ``ddp``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from resbench.data.base import InMemoryData
from resbench.errors import Diverged, UserError
from resbench.nn import analog_layers, collect_tiles

#: Variable that is set for further processes; its value is the process id of the first one.
HELPER = "RESBENCH_HELPER"
#: Seconds that a process which failed alone waits for the first one to write its record.
GRACE = 30
#: If the first process does not answer because it was killed, it is gone within so many seconds.
MOMENT = 2


class SharedBatchDDP(DDPStrategy):
    """``trainer.strategy: ddp``: each process computes its part of every mini-batch.

    Each process gathers the pairs (x, d) of some analog layers, in the order of the ranks, trains their tiles, and
    sends their weights to the others (:mod:`resbench.nn.shared`). Torch's DistributedDataParallel averages the
    gradients of digital parameters. It adds them in another order than a single process would.

    Attributes:
        arguments: command line of `resbench fit` for the other processes.
    """

    def __init__(self) -> None:
        super().__init__(cluster_environment=LightningEnvironment())
        self.arguments: Sequence[str] = ()

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = _Launcher(self)

    def _setup_model(self, model: nn.Module) -> nn.Module:  # type: ignore[override]
        """Wrap the digital parameters, if there are any. Buffers belong to tiles and are equal in all processes."""
        analog = {id(layer.weight) for _, layer in analog_layers(model)}
        names = [name for name, parameter in model.named_parameters() if id(parameter) in analog]
        buffers = [name for name, _ in model.named_buffers()]
        # Before the test, Lightning sends everything that is not ignored from the first process to the others.
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, [*names, *buffers])
        if all(id(p) in analog for p in model.parameters() if p.requires_grad):
            return model
        wrapped: nn.Module = super()._setup_model(model)
        return wrapped

    def on_exception(self, exception: BaseException) -> None:
        """If the training diverged, which all processes notice at once, collect the tiles for the record."""
        super().on_exception(exception)
        if isinstance(exception, Diverged) and self.lightning_module is not None:
            collect_tiles(self.lightning_module)

    def _register_ddp_hooks(self) -> None:
        if isinstance(self.model, DistributedDataParallel):
            super()._register_ddp_hooks()


class _Launcher(_SubprocessScriptLauncher):
    """Starts `resbench fit` for each further process, also if this process runs another program."""

    def __init__(self, strategy: SharedBatchDDP) -> None:
        assert strategy.cluster_environment is not None
        super().__init__(strategy.cluster_environment, strategy.num_processes, strategy.num_nodes)
        self.strategy = strategy

    def _call_children_scripts(self) -> None:
        self._check_can_spawn_children()
        os.environ |= {
            "MASTER_ADDR": self.cluster_environment.main_address,
            "MASTER_PORT": str(self.cluster_environment.main_port),
            "NODE_RANK": "0",
            "LOCAL_RANK": "0",
            "WORLD_SIZE": str(self.num_processes),
        }
        command = [sys.executable, "-m", "resbench", "fit", *self.strategy.arguments]
        for rank in range(1, self.num_processes):
            self.procs.append(
                subprocess.Popen(command, env={**os.environ, "LOCAL_RANK": str(rank), HELPER: str(os.getpid())})
            )


def check_strategy(trainer: Mapping[str, Any]) -> None:
    """Refuse settings with which several processes would not train like a single one.

    Args:
        trainer: the section of the resolved config.

    Raises:
        UserError: with the reason.
    """
    strategy = trainer["strategy"]
    if strategy not in ("auto", "ddp"):
        name = strategy if isinstance(strategy, str) else (strategy or {}).get("class_path", strategy)
        why = (
            "it shards the weights, and a tile is one array"
            if any(word in str(name).lower() for word in ("fsdp", "deepspeed", "parallel"))
            else "tiles of different processes would not stay the same"
        )
        raise UserError(f"trainer.strategy: {name} does not train analog layers: {why}; write auto or ddp")
    if trainer["num_nodes"] != 1:
        raise UserError(f"trainer.num_nodes: {trainer['num_nodes']}: processes share one machine; write 1")
    if "LOCAL_RANK" in os.environ and HELPER not in os.environ:
        raise UserError("LOCAL_RANK is set: start one process without torchrun, it starts the others by itself")


def check_processes(
    model: LightningModule, data: LightningDataModule, trainer: Mapping[str, Any], processes: int
) -> None:
    """Refuse models and data that give other results if each process only has a part of the mini-batch.

    Raises:
        UserError: with the reason.
    """
    if processes == 1:
        return
    if trainer["strategy"] != "ddp":
        raise UserError(f"trainer.devices: {processes} devices need trainer.strategy: ddp; or write 1")
    if not isinstance(data, InMemoryData):
        raise UserError(
            f"data: {type(data).__name__} does not give each process its part of a mini-batch; derive it from "
            "resbench.data.base.InMemoryData, or write trainer.devices: 1"
        )
    if not trainer["sync_batchnorm"] and any(isinstance(module, _BatchNorm) for module in model.modules()):
        raise UserError(
            "trainer.strategy: batch normalisation would use the part of each process; "
            "write trainer.sync_batchnorm: true (on GPUs), or trainer.devices: 1"
        )
    for name, layer in analog_layers(model):
        products = (
            () if layer.periphery is None else (layer.periphery.forward_product, layer.periphery.backward_product)
        )
        if any(product.io.noise_management == "average_abs_max" for product in products):
            raise UserError(
                f"trainer.strategy: {name} has noise_management average_abs_max, which goes from row to row through "
                "the whole mini-batch; write another, or trainer.devices: 1"
            )


def fail_as_helper() -> None:
    """End a further process after an error. The first process notices this and writes the record."""
    first = int(os.environ[HELPER])
    # If the first process was killed, the error here is only that it does not answer, and needs no traceback. Its
    # connections close a moment before it is gone.
    if not _ends(first, within=MOMENT):
        traceback.print_exc()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    _ends(first, within=GRACE)


def _ends(parent: int, within: float) -> bool:
    """Wait at most so many seconds for the end of the process that started this one. Return whether it has ended."""
    last = time.monotonic() + within
    while os.getppid() == parent and time.monotonic() < last:
        time.sleep(0.1)
    return os.getppid() != parent


def command_line(argv: Sequence[str], checkpoint: Path | None) -> list[str]:
    """Command line of the other processes: the same config, and the checkpoint that the first process has chosen."""
    return [*argv, f"--ckpt_path={'null' if checkpoint is None else checkpoint}"]
