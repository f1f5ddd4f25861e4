"""The search of Lightning for a learning rate, on a network with crossbars."""

from pathlib import Path

import lightning
import pytest
import torch
from lightning.pytorch.tuner.tuning import Tuner
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from resbench.algorithms import TikiTakaV2
from resbench.crossbar.devices import SoftBounds
from resbench.nn import AnalogOptimizer, to_analog


class Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.lr = 0.1
        layers = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 2))
        self.network = to_analog(layers, TikiTakaV2(), SoftBounds(states=16))

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> AnalogOptimizer:
        return AnalogOptimizer(self.parameters(), lr=self.lr, digital_lr=0.01)


def test_a_rate_is_found_and_the_network_is_put_back_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(TensorDataset(inputs, (inputs.sum(1) > 0).long()), batch_size=8)
    module = Module()
    before = {name: held.clone() for name, held in module.named_buffers()}
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False
    )
    found = Tuner(trainer).lr_find(module, train_dataloaders=loader, num_training=20)
    assert found is not None
    assert len(set(found.results["loss"])) > 10  # it trained
    assert module.lr == found.suggestion()
    assert all(torch.equal(held.nan_to_num(), before[name].nan_to_num()) for name, held in module.named_buffers())
