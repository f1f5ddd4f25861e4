from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from resbench.algorithms import DigitalSGD
from resbench.data import DigitsData
from resbench.networks import MLP
from resbench.tasks import Classification
from resbench.training import progress
from resbench.training.progress import TimeEstimate
from tests.training.runs import Run


class Clock:
    """A second passes with every look; the first step takes an hour."""

    def __init__(self) -> None:
        self.times: Iterator[float] = iter([3600.0, *map(float, range(3601, 9999))])

    def perf_counter(self) -> float:
        return next(self.times)


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"max_epochs": 2}, ["step 2 of 160: 1 s a step, 3 min", "step 10 of 160: 1 s a step, 2 min"]),
        ({"max_epochs": -1, "max_steps": 61}, []),
        (
            {"max_epochs": 2, "accumulate_grad_batches": 2},
            ["step 2 of 80: 2 s a step, 3 min", "step 10 of 80: 2 s a step, 2 min"],
        ),
    ],
    ids=["epochs", "under a minute", "accumulated"],
)
def test_estimates_from_the_steps_after_the_first(
    options: dict[str, Any],
    lines: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "time", Clock())
    task = Classification(MLP(in_features=64, hidden=[]), DigitalSGD())
    task.configure_optimizers = lambda: torch.optim.SGD(task.parameters(), lr=0.1)  # type: ignore[method-assign]
    trainer = Trainer(
        accelerator="cpu",
        callbacks=[TimeEstimate()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        **options,
    )
    trainer.fit(task, datamodule=DigitsData(batch_size=10, train_size=800))
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step")]
    assert printed == [f"{line} of training to go" for line in lines]


def test_one_line_an_epoch_with_its_metrics(run: Run) -> None:
    outcome = run("fit", "--trainer.max_epochs=2")
    lines = [line for line in outcome.out.splitlines() if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    for line, entry in zip(lines, outcome.record.epochs, strict=True):
        assert f"train/acc {entry.values['train/acc']:.4f}" in line
