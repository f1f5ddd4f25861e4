"""What a record needs from a training."""

from pathlib import Path

import torch
from lightning.pytorch import Trainer
from torch import nn

from resbench.algorithms import AnalogSGD
from resbench.callbacks import History
from resbench.crossbar.devices import SoftBounds
from resbench.data import DigitsData
from resbench.networks import RowLSTM
from resbench.nn import AnalogOptimizer
from resbench.tasks import Classification


class Task(Classification):
    def configure_optimizers(self) -> AnalogOptimizer:
        return AnalogOptimizer(self.parameters(), lr=0.1)


def fit(
    history: History, folder: Path, epochs: int, ckpt_path: Path | None = None, network: nn.Module | None = None
) -> Trainer:
    torch.manual_seed(0)
    convolutional = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 10))
    task = Task(network or convolutional, AnalogSGD(), SoftBounds(states=16, w_max=1, w_min=-1))
    trainer = Trainer(
        max_epochs=epochs, limit_train_batches=3, check_val_every_n_epoch=2, callbacks=[history],
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
        num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(task, datamodule=DigitsData(val_size=100), ckpt_path=ckpt_path, weights_only=True)
    return trainer


def test_epochs_and_reuse(tmp_path: Path) -> None:
    history = History()
    fit(history, tmp_path, epochs=3)
    assert [(entry["epoch"], entry["step"]) for entry in history.epochs] == [(0, 3), (1, 6), (2, 9)]
    assert ["val/acc" in entry["values"] for entry in history.epochs] == [False, True, False]
    assert history.reuse == {"0": 36, "2": 1}
    assert history.seconds > 0


def test_each_step_of_an_lstm_is_a_use_of_its_cell(tmp_path: Path) -> None:
    history = History()
    fit(history, tmp_path, epochs=1, network=RowLSTM())
    assert history.reuse == {"lstm.cells.l0": 8, "fc": 1}


def test_a_resumed_training_continues_it(tmp_path: Path) -> None:
    whole, first, rest = History(), History(), History()
    fit(whole, tmp_path, epochs=2)
    trainer = fit(first, tmp_path, epochs=1)
    path = tmp_path / "one.ckpt"
    trainer.save_checkpoint(path)
    fit(rest, tmp_path, epochs=2, ckpt_path=path)
    assert rest.epochs == whole.epochs
    assert rest.reuse == whole.reuse
    assert rest.seconds > first.seconds
