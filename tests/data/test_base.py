"""The contract of data modules, tested on the real digits and with Lightning's own loops."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from resbench.data import DigitsData
from resbench.data.order import random_words

Trace = list[tuple[int, int, float]]


class Recorder(LightningModule):
    """Linear regression that remembers (epoch, batch, sum) of every training batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(64))
        self.trace: Trace = []
        self.validated = 0

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        self.trace.append((self.current_epoch, batch_idx, float(images.double().sum() + 1000 * labels.sum())))
        return (self.forward(images) - labels).square().mean()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.validated += len(batch[1])

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.log("tested", float(len(batch[1])), reduce_fx="sum", batch_size=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


def digits(**options: Any) -> DigitsData:
    return DigitsData(**{"batch_size": 4, "train_size": 22, **options})


def trainer(folder: Path, callbacks: list[ModelCheckpoint] | None = None, **options: Any) -> Trainer:
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=bool(callbacks),
        callbacks=list(callbacks or []),
        num_sanity_val_steps=0,
        default_root_dir=folder,
        **options,
    )


@pytest.mark.parametrize(
    ("options", "checkpoints"),
    [
        ({"max_epochs": 3}, 18 + 3),
        ({"max_epochs": 3, "accumulate_grad_batches": 2}, 9 + 3),
        ({"max_epochs": 2, "accumulate_grad_batches": 4, "val_check_interval": 2}, 4 + 2),
        ({"max_epochs": 2, "limit_train_batches": 4}, 8 + 2),
        ({"max_epochs": -1, "max_steps": 11}, 11 + 2),
    ],
    ids=lambda options: "-".join(options) if isinstance(options, dict) else "",
)
def test_resumes_bit_exactly_from_every_checkpoint(tmp_path: Path, options: dict[str, Any], checkpoints: int) -> None:
    by_step = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    by_epoch = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    whole = Recorder()
    trainer(tmp_path, [by_step, by_epoch], **options).fit(whole, datamodule=digits(val_size=8))

    files = sorted(tmp_path.glob("*.ckpt"))
    assert len(files) == checkpoints
    for file in files:
        saved = torch.load(file, weights_only=True)
        done = saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["processed"]
        resumed = Recorder()
        trainer(tmp_path, **options).fit(resumed, datamodule=digits(val_size=8), ckpt_path=file)
        assert resumed.trace == whole.trace[done:], file.name
        assert torch.equal(resumed.weight, whole.weight), file.name


def test_fits_twice_in_a_row_with_one_data_module(tmp_path: Path) -> None:
    data, models = digits(), (Recorder(), Recorder())
    for model in models:
        trainer(tmp_path, max_epochs=2).fit(model, datamodule=data)
    assert models[0].trace == models[1].trace
    assert len(models[0].trace) == 12


def test_one_trainer_goes_on_with_the_next_epoch(tmp_path: Path) -> None:
    whole, parts = Recorder(), Recorder()
    trainer(tmp_path, max_epochs=2).fit(whole, datamodule=digits())
    runner = trainer(tmp_path, max_epochs=1)
    runner.fit(parts, datamodule=digits())
    runner.fit_loop.max_epochs = 2
    runner.fit(parts, datamodule=digits())
    assert parts.trace == whole.trace


def test_validates_tests_and_predicts_each_sample_once(tmp_path: Path) -> None:
    model, data = Recorder(), DigitsData(val_size=137, eval_batch_size=100)
    runner = trainer(tmp_path)
    runner.validate(model, datamodule=data, verbose=False)
    assert model.validated == 137
    assert runner.test(model, datamodule=data, verbose=False) == [{"tested": 360.0}]
    predictions = runner.predict(model, datamodule=data)
    assert torch.cat(cast("list[Tensor]", predictions)).shape == (360,)


def test_without_validation_samples_nothing_is_validated(tmp_path: Path) -> None:
    model = Recorder()
    trainer(tmp_path, max_epochs=1).fit(model, datamodule=digits())
    assert model.validated == 0
    with pytest.raises(ValueError, match="val_size: 0 leaves nothing to validate on"):
        trainer(tmp_path).validate(model, datamodule=digits())


def test_validation_is_the_end_of_the_training_set_whatever_its_use() -> None:
    whole, cut = DigitsData(), DigitsData(val_size=100, train_size=500)
    for data in (whole, cut):
        data.setup("fit")
    everything = whole.split("train")
    assert torch.equal(cut.split("train").inputs, everything.inputs[:500])
    assert torch.equal(cut.split("val").inputs, everything.inputs[-100:])
    assert torch.equal(cut.split("val").targets, everything.targets[-100:])


def test_describes_what_was_read() -> None:
    first, again, other = digits(val_size=10), digits(val_size=10, seed=5), digits(val_size=11)
    with pytest.raises(RuntimeError, match="call setup"):
        first.describe()
    for data in (first, again, other):
        data.setup("fit")
    description = first.describe()
    assert description == again.describe()  # the seed orders batches, it does not choose samples
    assert {name: description[f"{name}_size"] for name in ("train", "val", "test")} == {
        "train": 22,
        "val": 10,
        "test": 360,
    }
    sums, others = description["sha256"], other.describe()["sha256"]
    assert isinstance(sums, dict)
    assert isinstance(others, dict)
    assert sums["train"] == others["train"]
    assert sums["val"] != others["val"]


def test_setup_reads_once() -> None:
    data = digits()
    data.setup("fit")
    images = data.split("train").inputs
    data.setup("test")
    assert data.split("train").inputs is images


class NoisyDigits(DigitsData):
    """Digits with one grey level of noise, as an example of augmentation."""

    def augment(self, inputs: Tensor, epoch: int, batch: int) -> Tensor:
        words = random_words(inputs.numel(), "noise", self.seed, epoch, batch)
        return inputs + torch.from_numpy((words & 1).astype("uint8")).view(inputs.shape)


def test_augments_training_batches_only_and_repeatably() -> None:
    noisy, plain = NoisyDigits(batch_size=22, train_size=22), digits(batch_size=22)
    for data in (noisy, plain):
        data.setup("fit")
    loader, clean = noisy.train_dataloader(), plain.train_dataloader()
    noise = []
    for epoch in (0, 1, 0):
        loader.set_epoch(epoch)
        clean.set_epoch(epoch)
        noise.append(next(iter(loader))[0] - next(iter(clean))[0])
    assert 0.4 < float((noise[0] * 16).mean()) < 0.6
    assert torch.equal(noise[0], noise[2])
    assert not torch.equal(noise[0], noise[1])
    for (tested, _), (reference, _) in zip(noisy.test_dataloader(), plain.test_dataloader(), strict=True):
        assert torch.equal(tested, reference)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size: 0 is too small"),
        ({"eval_batch_size": 0}, "eval_batch_size: 0 is too small"),
        ({"train_size": 0}, "train_size: 0 is too small"),
        ({"val_size": -1}, "val_size: -1 is negative"),
        (
            {"train_size": None, "val_size": 1437},
            "val_size: 1437 leaves nothing of the 1437 training samples; write 1436",
        ),
        (
            {"train_size": 1400, "val_size": 100},
            "train_size: 1400 is more than the 1337 samples that val_size 100 leaves",
        ),
    ],
)
def test_refuses_impossible_sizes(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        digits(**options).setup("fit")


def test_refuses_a_mini_batch_that_processes_cannot_share(tmp_path: Path) -> None:
    for options, name in (({"batch_size": 3}, "batch_size"), ({"train_size": 21}, "train_size")):
        data = digits(**options)
        data.trainer = trainer(tmp_path, devices=2)
        with pytest.raises(ValueError, match=f"{name}: 2 processes cannot share a mini-batch of . samples evenly"):
            data.setup("fit")
