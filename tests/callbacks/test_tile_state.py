"""State of the tiles over the epochs."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger

from resbench.algorithms import DigitalSGD, ResidualLearning
from resbench.callbacks import TileState
from resbench.crossbar.devices import Ideal, SoftBounds
from resbench.crossbar.randomness import Stream
from resbench.crossbar.tile import Tile
from resbench.data import DigitsData
from resbench.networks import MLP
from resbench.nn import AnalogOptimizer, analog_layers
from resbench.report.tiles import read_tiles
from resbench.tasks import Classification


class Task(Classification):
    def configure_optimizers(self) -> AnalogOptimizer:
        return AnalogOptimizer(self.parameters(), lr=0.2)


def fit(folder: Path, task: Task, state: TileState, epochs: int = 2) -> list[dict[str, Any]]:
    trainer = Trainer(
        max_epochs=epochs, limit_train_batches=3, limit_val_batches=0, accelerator="cpu", callbacks=[state],
        logger=CSVLogger(folder, name="", version=""), enable_checkpointing=False, log_every_n_steps=1,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(task, datamodule=DigitsData())
    path = folder / "tiles.jsonl"
    return [json.loads(line) for line in path.open()] if path.exists() else []


@pytest.fixture
def task() -> Task:
    return Task(MLP(64), ResidualLearning(tiles=3), SoftBounds(states=8, w_max=1, w_min=-1))


def test_every_tile_has_a_line_for_each_epoch(tmp_path: Path, task: Task) -> None:
    entries = fit(tmp_path, task, TileState(bins=8))
    names = [f"tile{k}_W{2 - k}" for k in range(3)]
    assert [(entry["epoch"], entry["step"], entry["layer"], entry["tile"]) for entry in entries] == [
        (epoch, 3 * (epoch + 1), layer, name) for epoch in (0, 1) for layer in ("fc1", "fc2") for name in names
    ]
    histories, notes = read_tiles(tmp_path / "tiles.jsonl")  # what the report reads
    assert [(history.name, history.epochs) for history in histories] == [("fc1", [1, 2]), ("fc2", [1, 2])]
    assert notes == []
    layers = dict(analog_layers(task.network))
    for entry in entries[6:]:
        tile = {name: tile for name, _, tile in layers[entry["layer"]].algorithm.named_tiles()}[entry["tile"]]
        gamma = 0.5 ** (2 - int(entry["tile"][4]))
        assert entry["gamma"] == gamma
        assert entry["mean"] == pytest.approx(tile.weight.mean().item())
        assert entry["std"] == pytest.approx(tile.weight.std(correction=0).item())
        assert entry["share"] == pytest.approx(gamma * tile.weight.norm().item())
        assert entry["pulses_up"] == tile.pulses_up.sum()
        assert entry["pulses_down"] == tile.pulses_down.sum()
        assert (entry["transfers_in"], entry["transfers_out"]) == (tile.transfers_in, tile.transfers_out)
        assert entry["slots"] == tile.slots
        assert sum(entry["histogram"]) == tile.weight.numel()
        assert entry["range"] == [-1, 1]
    assert entries[6]["slots"] > entries[0]["slots"] > 0
    text = (tmp_path / "metrics.csv").read_text().splitlines()[0]
    assert "tile/fc2/tile0_W2/saturated" in text
    assert "histogram" not in text


def test_saturation_and_histogram() -> None:
    device = SoftBounds(states=4, w_max=1, w_min=-1, w_max_dtod=0, w_min_dtod=0)
    tile = Tile(device, (1, 8), Stream.from_seed(0))
    tile.program(torch.tensor([[-1.0, -0.91, -0.89, -0.3, 0.0, 0.3, 0.89, 0.91]]))
    state = TileState(bins=4).describe(0.5, tile)
    assert state["saturated"] == 3 / 8  # within 0.1 of a bound
    assert state["histogram"] == [3, 1, 2, 2]
    assert state["share"] == pytest.approx(0.5 * tile.weight.norm().item())


def test_what_lies_outside_the_mean_range_is_counted_in_the_outer_bins() -> None:
    tile = Tile(SoftBounds(states=4, w_max_dtod=2.0), (16, 16), Stream.from_seed(0))
    tile.program(torch.full((16, 16), 9.0))
    assert sum(TileState(bins=4).describe(1.0, tile)["histogram"]) == 256


def test_devices_without_bounds() -> None:
    tile = Tile(Ideal(), (2, 2), Stream.from_seed(0))
    tile.program(torch.tensor([[0.0, 1.0], [2.0, 4.0]]))
    state = TileState(bins=2).describe(1.0, tile)
    assert state["saturated"] == 0
    assert sum(state["histogram"]) == 4


def test_every_n_epochs(tmp_path: Path, task: Task) -> None:
    assert {entry["epoch"] for entry in fit(tmp_path / "a", task, TileState(every_n_epochs=2), epochs=3)} == {1}
    assert fit(tmp_path / "b", task, TileState(every_n_epochs=0)) == []


def test_a_second_training_in_the_folder_starts_the_series_anew(tmp_path: Path, task: Task) -> None:
    assert len(fit(tmp_path, task, TileState())) == len(fit(tmp_path, task, TileState())) == 12


def test_a_digital_network_has_none(tmp_path: Path) -> None:
    assert fit(tmp_path, Task(MLP(64), DigitalSGD()), TileState()) == []


@pytest.mark.parametrize(("named", "message"), [({"every_n_epochs": -1}, "is negative"), ({"bins": 0}, "is too few")])
def test_impossible_settings_are_refused(named: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TileState(**named)
