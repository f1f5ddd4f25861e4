"""Stopping at a signal."""

import os
import signal
from pathlib import Path

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from resbench.callbacks import Interrupted, StopOnSignal


class Impatient(BoringModel):
    """Is interrupted during its third step."""

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        if batch_idx == 2:
            os.kill(os.getpid(), signal.SIGINT)


def trainer(folder: Path, stop: StopOnSignal) -> Trainer:
    return Trainer(
        max_epochs=1, callbacks=[stop], accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip


def test_the_step_is_finished_and_saved(tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    stop = StopOnSignal(tmp_path / "last.ckpt")
    trainer_ = trainer(tmp_path, stop)
    with pytest.raises(Interrupted, match="stopped at step 3"), stop:
        trainer_.fit(Impatient())
    assert trainer_.global_step == 3
    assert stop.checkpoint.exists()
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_second_signal_stops_at_once(tmp_path: Path) -> None:
    with StopOnSignal(tmp_path / "last.ckpt"):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_in_a_test_nothing_is_left_to_save(tmp_path: Path) -> None:
    stop = StopOnSignal(tmp_path / "last.ckpt")
    stop.asked = True
    with pytest.raises(Interrupted, match="in the test, after the training"):
        trainer(tmp_path, stop).test(BoringModel(), verbose=False)
    assert not stop.checkpoint.exists()
