"""A callback is called for the hooks that it has, and no others."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from resbench.training.trainer import STEP_HOOKS, RunTrainer


class Starts(Callback):
    """Counts the batches that start; its parent counts through ``super()``."""

    def __init__(self) -> None:
        self.count = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        self.count += 1


class Own(Callback):
    """Has a hook of the object, not of the class."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.on_after_backward = lambda trainer, pl_module: self.seen.append(trainer)  # type: ignore[method-assign]


def test_empty_hooks_are_skipped() -> None:
    starts, own = Starts(), Own()
    trainer = RunTrainer(callbacks=[starts, own], logger=False, enable_checkpointing=False, accelerator="cpu")
    callable_hooks = {name for name in STEP_HOOKS if callable(getattr(starts, name))}
    assert callable_hooks == {"on_train_batch_start"}
    starts.on_train_batch_start(trainer, None, None, 0)  # type: ignore[arg-type]
    assert starts.count == 1
    own.on_after_backward(trainer, None)  # type: ignore[arg-type]
    assert own.seen == [trainer]
