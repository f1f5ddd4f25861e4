"""What every task does, shown on classification."""

from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from resbench.algorithms import Algorithm, AnalogSGD, DigitalSGD, ResidualLearning
from resbench.crossbar.devices import SoftBounds
from resbench.data import DigitsData
from resbench.errors import BadValue, Diverged
from resbench.networks import MLP
from resbench.nn import AnalogOptimizer, analog_layers, tiles
from resbench.tasks import Classification

BATCHES = 5


class Listener(AnalogSGD):
    """Analog SGD that writes down what it is told."""

    reads_batch_loss = True

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, float]] = []

    def on_batch_end(self, train_loss: float) -> None:
        self.told.append(("batch", train_loss))

    def on_epoch_end(self, train_loss: float) -> None:
        self.told.append(("epoch", train_loss))


class Task(Classification):
    def configure_optimizers(self) -> AnalogOptimizer:
        return AnalogOptimizer(self.parameters(), lr=0.1)


def task(algorithm: Algorithm, **named: Any) -> Task:
    torch.manual_seed(0)
    return Task(MLP(64, [8]), algorithm, SoftBounds(states=16, w_max=1, w_min=-1), **named)


def fit(task: Task, **named: Any) -> Trainer:
    trainer = Trainer(
        max_epochs=1, limit_train_batches=BATCHES, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, **named,
    )  # fmt: skip
    trainer.fit(task, datamodule=DigitsData(batch_size=4, val_size=100))
    return trainer


def test_tiles_may_have_different_devices() -> None:
    """Fast tile first; the last device serves the other tiles."""
    devices = [SoftBounds(states=400), SoftBounds(states=16)]
    held = tiles(Task(MLP(64, [8]), ResidualLearning(tiles=3), devices))
    assert [round(tile.device.state_count) for tile in held.values()] == [400, 16, 16] * 2
    with pytest.raises(BadValue, match="device: 2 devices for 1 tiles; write one for all"):
        Task(MLP(64, [8]), AnalogSGD(), devices)
    with pytest.raises(BadValue, match="device: AnalogSGD needs one"):
        Task(MLP(64, [8]), AnalogSGD(), [])


def test_metrics_are_means_over_samples() -> None:
    """Of an untrained network, so that the mean can be computed afterwards."""
    task_ = Task(MLP(64, [8]), DigitalSGD())
    task_.configure_optimizers = lambda: AnalogOptimizer(task_.parameters(), lr=0.0)  # type: ignore[method-assign]
    metrics = fit(task_).callback_metrics
    data = DigitsData(batch_size=4, val_size=100)
    data.setup("fit")
    batches = [batch for _, batch in zip(range(BATCHES), data.train_dataloader(), strict=False)]
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    with torch.no_grad():
        logits = task_(inputs)
    assert metrics["train/acc"].item() == pytest.approx((logits.argmax(1) == targets).float().mean().item())
    assert metrics["train/loss"].item() == pytest.approx(torch.nn.functional.cross_entropy(logits, targets).item())
    assert set(metrics) == {"lr", "train/loss", "train/acc", "val/loss", "val/acc"}


def test_algorithms_hear_of_batches_and_epochs() -> None:
    listener = task(Listener())
    metrics = fit(listener).callback_metrics
    for _, layer in analog_layers(listener.network):
        assert isinstance(layer.algorithm, Listener)
        *batches, (last, loss) = layer.algorithm.told
        assert ([kind for kind, _ in batches], last) == (["batch"] * BATCHES, "epoch")
        mean = sum(loss for _, loss in batches) / BATCHES
        assert loss == pytest.approx(mean)
        assert metrics["train/loss"].item() == pytest.approx(mean)


def test_a_loss_that_is_not_finite_does_not_reach_the_tiles() -> None:
    broken = task(AnalogSGD())
    broken.network.fc2.bias.data[0] = torch.nan  # type: ignore[union-attr, operator]
    before = {name: weight.clone() for name, weight in broken.state_dict().items() if isinstance(weight, Tensor)}
    with pytest.raises(Diverged, match="the training loss is nan at step 0"):
        fit(broken)
    after = broken.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name != "network.fc2.bias")


@pytest.mark.skipif(torch.cuda.is_available(), reason="Triton's interpreter stands for a GPU where there is none")
def test_on_a_gpu_a_loss_is_looked_at_one_step_later() -> None:
    pytest.importorskip("triton")
    broken = task(DigitalSGD(), backend="cuda")
    broken.network.fc2.bias.data[0] = torch.nan  # type: ignore[union-attr, operator]
    with pytest.raises(Diverged, match="the training loss is nan at step 0"):
        fit(broken)
    assert broken.global_step == 1


def test_only_named_layers_become_analog() -> None:
    assert [name for name, _ in analog_layers(task(AnalogSGD(), layers=["fc2"]))] == ["network.fc2"]


def test_the_seed_decides_the_tiles() -> None:
    def devices(seed: int) -> Tensor:
        return next(layer.algorithm.tiles[0].w_max for _, layer in analog_layers(task(AnalogSGD(), seed=seed)))  # type: ignore[return-value]

    assert torch.equal(devices(0), devices(0))
    assert not torch.equal(devices(0), devices(1))


def test_an_analog_algorithm_needs_a_device() -> None:
    with pytest.raises(ValueError, match=r"device: AnalogSGD needs one; write a class_path"):
        Classification(MLP(64), AnalogSGD())


@pytest.mark.parametrize("threads", [1, 2])
def test_tiles_do_not_depend_on_threads(threads: int) -> None:
    """The thread count reaches torch's sums only, never what the crossbars do with (x, d)."""
    generator = torch.Generator().manual_seed(1)
    x, d = torch.randn(32, 64, generator=generator), torch.randn(32, 8, generator=generator)
    states = []
    before = torch.get_num_threads()
    for count in (1, threads):
        torch.set_num_threads(count)
        ((_, layer), *_) = analog_layers(task(AnalogSGD()))
        layer.algorithm.step([(x, d)], 0.1)
        states.append(layer.algorithm.weight.clone())
    torch.set_num_threads(before)
    assert torch.equal(*states)
