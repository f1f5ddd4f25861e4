import math
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer

from resbench.algorithms import AnalogSGD, DigitalSGD
from resbench.crossbar.devices import SoftBounds
from resbench.data import CharacterData
from resbench.networks import CharGPT
from resbench.nn import AnalogOptimizer
from resbench.tasks import LanguageModelling


def network() -> CharGPT:
    torch.manual_seed(0)
    return CharGPT(vocabulary=4, context=8, layers=1, heads=2, width=16)


def test_loss_is_nats_per_character() -> None:
    task = LanguageModelling(network(), DigitalSGD())
    batch = torch.randint(4, (3, 8)), torch.randint(4, (3, 8))
    (loss,), samples = task.measure(batch)
    probabilities = task.predict_step(batch[0], 0).tolist()
    nats = [-math.log(probabilities[n][t][batch[1][n, t]]) for n in range(3) for t in range(8)]
    assert loss.item() == pytest.approx(sum(nats) / 24, rel=1e-5)
    assert samples == 24


def test_predictions_have_a_line_for_each_position() -> None:
    probabilities = torch.tensor([[[0.75, 0.25], [0.5, 0.5]], [[0.125, 0.875], [0.0, 1.0]]])
    columns, lines = LanguageModelling(network(), DigitalSGD()).table(probabilities)
    assert columns == ["sample", "position", "class", "p0", "p1"]
    assert list(lines) == [[0, 0, 0, 0.75, 0.25], [0, 1, 0, 0.5, 0.5], [1, 0, 1, 0.125, 0.875], [1, 1, 1, 0.0, 1.0]]


def test_learns_a_pattern_with_analog_blocks(tmp_path: Path) -> None:
    (tmp_path / "tinyshakespeare.txt").write_text("abcabd" * 60, encoding="utf-8")
    data = CharacterData(root=str(tmp_path), context=8, batch_size=8, steps_per_epoch=150)
    task = LanguageModelling(network(), AnalogSGD(), SoftBounds(states=1000), layers=["blocks"])
    task.configure_optimizers = lambda: AnalogOptimizer(task.parameters(), lr=0.5)  # type: ignore[method-assign]
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(task, datamodule=data)
    (result,) = trainer.test(task, datamodule=data, verbose=False)
    # After "ab" either c or d comes, in turn: without memory of the period that costs ln 2 every third character.
    assert result["test/loss"] < 0.45
