"""The checkpoint of a run, which knows its config: it is never loaded into another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from resbench.errors import UserError
from resbench.leaderboard.hashing import result_config
from resbench.training.folder import CHECKPOINT, CONFIG

#: Where the checkpoint keeps the config.
KEY = "resbench_config"
#: What a trained network depends on that an evaluation needs to repeat.
EVALUATED = ("model", "data", "seed_everything")


class RunCheckpoint(ModelCheckpoint):
    """Keeps the state after the latest epoch as ``last.ckpt``, with the config that led there.

    Args:
        folder: where to write.
        config: the resolved config.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(
            dirpath=folder,
            filename=Path(CHECKPOINT).stem,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self.config = result_config(config)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the config."""
        checkpoint[KEY] = self.config


def checked_checkpoint(path: str, config: Mapping[str, Any], evaluate: bool) -> Path:
    """The checkpoint file, if a run of this config wrote it.

    Args:
        path: what the user named.
        config: the resolved config of this command.
        evaluate: compare task, network, devices and data only, not how long and with what it was trained.

    Raises:
        UserError: for a file that is missing, is no checkpoint of resbench, or was written by another config.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"ckpt_path: there is no file {file}; a run keeps its checkpoint in its folder as {CHECKPOINT}")
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"ckpt_path: {file} cannot be read as a checkpoint ({reason})") from None
    if not isinstance(checkpoint, dict) or KEY not in checkpoint:
        raise UserError(f"ckpt_path: {file} was not written by 'resbench fit'; name the {CHECKPOINT} of a run folder")
    here, there = dict(_leaves(result_config(config))), dict(_leaves(checkpoint[KEY]))
    differing = [
        key
        for key in dict.fromkeys([*there, *here])
        if here.get(key) != there.get(key) and (not evaluate or key.split(".")[0] in EVALUATED)
    ]
    if differing:
        key = differing[0]
        more = f" (and {len(differing) - 1} more keys)" if len(differing) > 1 else ""
        raise UserError(
            f"ckpt_path: {file} is of another config: {key} is {there.get(key)} there and {here.get(key)} here{more}; "
            f"write --config {file.parent / CONFIG}"
        )
    return file


def _leaves(config: Any, parent: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield from _leaves(value, f"{parent}.{key}" if parent else str(key))
    else:
        yield parent, config
