"""Time that passes while a network trains, and before its test."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn

from resbench.algorithms import AnalogSGD, DigitalSGD
from resbench.callbacks import PassTime, TimeBeforeTest
from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.devices.drift import Drift
from resbench.data import DigitsData
from resbench.errors import BadValue
from resbench.nn import AnalogOptimizer, tiles
from resbench.tasks import Classification


class Task(Classification):
    def configure_optimizers(self) -> AnalogOptimizer:
        return AnalogOptimizer(self.parameters(), lr=0.1)


def fit(device: SoftBounds, folder: Path) -> Task:
    task = Task(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), AnalogSGD(), device)
    Trainer(
        max_epochs=1, limit_train_batches=6, accumulate_grad_batches=2, callbacks=[PassTime(5.0)],
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, default_root_dir=folder, num_sanity_val_steps=0,
    ).fit(task, datamodule=DigitsData(val_size=0))  # fmt: skip
    return task


def test_every_optimiser_step_takes_its_time(tmp_path: Path) -> None:
    """Six mini-batches are three steps of 5 s; a device without a pulse has drifted by (15 s / 2 s)^-0.1."""
    task = fit(SoftBounds(states=16, drift=Drift(nu=0.1, t_0=2.0)), tmp_path)
    (tile,) = tiles(task).values()
    assert tile.clock == 3 * 5.0 / 2.0
    untouched = (tile.pulses_up + tile.pulses_down == 0) & (tile.weight != 0)
    ratio = tile.weight[untouched] / tile.get_buffer("drift_start")[untouched]
    assert untouched.any()
    assert ratio.tolist() == pytest.approx([7.5**-0.1] * len(ratio))


def test_a_model_without_drift_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="no device of this model drifts"):
        fit(SoftBounds(states=16), tmp_path)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_step_takes_time(seconds: float) -> None:
    with pytest.raises(BadValue, match="seconds_per_step"):
        PassTime(seconds)


def judged(device: SoftBounds | None, time: str, folder: Path) -> Task:
    task = Task(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), AnalogSGD() if device else DigitalSGD(), device)
    Trainer(
        callbacks=[TimeBeforeTest(time)], accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, default_root_dir=folder,
    ).test(task, datamodule=DigitsData(), verbose=False)  # fmt: skip
    return task


def test_time_passes_before_a_test(tmp_path: Path) -> None:
    """A day is 4320 times t_0, so every weight falls by 4320^-0.1."""
    (tile,) = tiles(judged(SoftBounds(states=16, drift=Drift(nu=0.1, t_0=20.0)), "1d", tmp_path)).values()
    assert tile.clock == 4320
    assert torch.allclose(tile.weight, tile.get_buffer("drift_start") * 4320**-0.1)


def test_a_digital_network_may_wait_and_an_analog_one_without_drift_may_not(tmp_path: Path) -> None:
    judged(None, "1d", tmp_path)
    with pytest.raises(BadValue, match="time: 1d has no effect: no device of this model drifts"):
        judged(SoftBounds(states=16), "1d", tmp_path)
