"""Stopping at a signal."""

import os
import signal
from pathlib import Path

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from resbench.training.stop import Interrupted, StopOnSignal


def test_the_first_signal_asks_and_the_second_one_stops_at_once() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with StopOnSignal() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is handler


def test_sigterm_asks_however_often_it_comes() -> None:
    with StopOnSignal() as stop:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
            assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_in_a_test_nothing_is_left_to_save(tmp_path: Path) -> None:
    stop = StopOnSignal()
    with stop:
        os.kill(os.getpid(), signal.SIGTERM)
    trainer = Trainer(
        callbacks=[stop], accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        default_root_dir=tmp_path,
    )  # fmt: skip
    with pytest.raises(Interrupted, match="in the test, after the training"):
        trainer.test(BoringModel(), verbose=False)
