"""`resbench fit` from the command line to the record."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

import resbench.tasks
from resbench.records.schema import metric_differences, read_record
from tests.training.runs import CONFIG, Run


def test_a_run_ends_in_one_complete_record(run: Run) -> None:
    outcome = run("fit")
    record = outcome.record
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    assert [line.split() for line in lines[1:3]] == [
        ["layer", "shape", "tiles", "device", "states", "bits"],
        ["fc1", "64x64", "4", "SoftBounds", "4", "2"],
    ]
    assert lines[-1] == f"record: {outcome.folder / 'record.json'}"
    assert sorted(path.name for path in outcome.folder.iterdir()) == [
        *("config.yaml", "last.ckpt", "metrics.csv", "record.json", "tiles.jsonl")
    ]
    assert outcome.folder == outcome.root / "digits_2bit_residual" / record.config_hash[:12]
    assert (record.status, record.error, record.seed) == ("complete", None, 0)
    assert (record.states, record.bits, record.tiles) == (4, 2, 4)
    assert record.track.name == "digits-mlp"
    assert (record.track.train_size, record.track.batch_size, record.track.budget.epochs) == (64, 8, 2)
    assert [(entry.epoch, entry.step) for entry in record.epochs] == [(0, 8), (1, 16)]
    assert all(entry.values.keys() == {"train/loss", "train/acc", "val/loss", "val/acc"} for entry in record.epochs)
    assert record.final == record.epochs[-1].values | {key: record.final[key] for key in ("test/loss", "test/acc")}
    assert [(layer.name, layer.out_features, layer.in_features, layer.reuse) for layer in record.layers] == [
        *(("fc1", 64, 64, 1), ("fc2", 10, 64, 1))
    ]
    fast, *_, slow = record.layers[0].tiles
    assert fast.pulses_up > 0
    assert fast.pulses_down > 0
    assert fast.transfers == 0
    assert fast.slots
    assert 0 < fast.slots <= 31 * 16 * 8
    assert slow.name == "tile3_W0"
    assert record.steps == 16
    assert record.hardware.threads == 1
    assert record.data["sha256"]


def test_the_same_config_gives_the_same_bits(run: Run) -> None:
    first, again, other = run("fit", root="a"), run("fit", root="b"), run("fit", "--seed_everything=1", root="c")
    assert metric_differences(first.record, again.record) == []
    assert [layer.tiles for layer in first.record.layers] == [layer.tiles for layer in again.record.layers]
    assert (first.folder / "tiles.jsonl").read_bytes() == (again.folder / "tiles.jsonl").read_bytes()
    assert first.record.config_hash != other.record.config_hash
    assert metric_differences(first.record, other.record)


def test_a_run_may_leave_the_test_out(run: Run) -> None:
    tested, untested = run("fit", root="a"), run("fit", "--trainer.limit_test_batches=0", root="b")
    assert untested.status == 0, untested.err
    record = untested.record
    assert record.status == "complete"
    assert record.final == record.epochs[-1].values, "the last epoch, and no test metric"
    assert record.epochs == tested.record.epochs
    assert record.config_hash != tested.record.config_hash


def test_print_config_reproduces_the_run(run: Run, tmp_path: Path) -> None:
    printed = tmp_path / "printed.yaml"
    printed.write_text(run("fit", "--print_config").out)
    first, again = run("fit", root="a"), run("fit", config=printed, root="b")
    saved = run("fit", config=first.folder / "config.yaml", root="c")
    for outcome in (again, saved):
        assert outcome.record.config_hash == first.record.config_hash
        assert metric_differences(first.record, outcome.record) == []


def test_initial_weights_depend_on_the_seed_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the config builds, and whatever numbers that draws."""
    weights: list[Tensor] = []
    original = resbench.tasks.Classification.__init__

    def spy(self: resbench.tasks.Classification, network: nn.Module, *rest: object, **named: object) -> None:
        weights.append(network.fc1.weight.detach().clone())  # type: ignore[union-attr, operator]
        original(self, network, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(resbench.tasks.Classification, "__init__", spy)
    monkeypatch.setattr("resbench.callbacks.TileState.describe", lambda *_: {})
    arguments = ("--trainer.max_epochs=1", "--trainer.limit_train_batches=1")
    run("fit", *arguments, root="a")
    monkeypatch.setattr("resbench.data.DigitsData.num_classes", property(lambda _: torch.rand(1)))
    torch.rand(7)
    run("fit", *arguments, "--trainer.callbacks+=LearningRateMonitor", root="b")
    assert torch.equal(*weights)


@pytest.mark.parametrize("algorithm", ["digital", "analog_sgd", "tiki_taka", "residual"])
def test_algorithms_and_precisions(run: Run, algorithm: str, tmp_path: Path) -> None:
    device = [] if algorithm == "digital" else ["device/softbounds.yaml"]
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"compose": ["track/digits_mlp.yaml", *device, f"algorithm/{algorithm}.yaml"]}))
    flags = [] if algorithm == "digital" else ["--model.device.states=inf"]
    record = run("fit", *flags, config=config).record
    assert record.status == "complete"
    assert record.states == (None if algorithm == "digital" else float("inf"))
    assert record.tiles == {"digital": 0, "analog_sgd": 1, "tiki_taka": 2, "residual": 4}[algorithm]
    assert (record.device is None) == (algorithm == "digital")


def test_lightning_features(run: Run) -> None:
    """A scheduler and accumulated gradients change the result, and both are in the record's config."""
    plain = run("fit", root="a").record
    scheduled = run("fit", "--lr_scheduler=StepLR", "--lr_scheduler.step_size=1", root="b").record
    accumulated = run("fit", "--trainer.accumulate_grad_batches=2", root="c").record
    assert plain.epochs[0] == scheduled.epochs[0]
    assert plain.epochs[1] != scheduled.epochs[1]
    assert accumulated.steps == plain.steps // 2


def test_files_of_the_run(run: Run) -> None:
    outcome = run("fit", "--config", str(CONFIG.parent / "logger" / "tensorboard.yaml"))
    with (outcome.folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"train/loss", "val/acc", "test/acc", "tile/fc1/tile0_W3/mean", "tile/fc2/tile3_W0/share"} <= rows[0].keys()
    assert [row["test/acc"] for row in rows if row["test/acc"]] == [str(outcome.record.final["test/acc"])]
    assert [row["lr"] for row in rows if row["lr"]] == ["0.2", "0.2"]
    events = EventAccumulator(str(outcome.folder / "tensorboard")).Reload()
    assert [event.value for event in events.Scalars("lr")] == pytest.approx([0.2, 0.2])
    tile = json.loads((outcome.folder / "tiles.jsonl").read_text().splitlines()[-1])
    histogram = events.Histograms(f"tile/{tile['layer']}/{tile['tile']}/histogram")[-1]
    value = histogram.histogram_value
    assert (histogram.step, list(value.bucket)) == (tile["step"], tile["histogram"])
    assert (value.bucket_limit[-1], value.sum / value.num) == (1, pytest.approx(tile["mean"], abs=1 / 32))
    hparams = yaml.safe_load((outcome.folder / "tensorboard" / "hparams.yaml").read_text())
    assert hparams["model"]["init_args"]["algorithm"]["class_path"] == "resbench.algorithms.ResidualLearning"
    checkpoint = torch.load(outcome.folder / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 16


def test_mlflow(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.chdir(tmp_path)
    fragments = ("logger/mlflow.yaml", "algorithm/digital.yaml")
    configs = [f"--config={CONFIG.parent / name}" for name in fragments]
    done, diverged = run("fit", *configs), run("fit", *configs, "--optimizer.lr=1e38", root="other")
    assert (done.status, diverged.status) == (0, 1)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    last, first = mlflow.search_runs(experiment_names=["resbench"], output_format="list")
    assert (first.info.status, last.info.status) == ("FINISHED", "FAILED")
    assert first.info.run_name == f"digits_2bit_residual-{done.record.config_hash[:12]}"
    assert first.data.metrics["test/acc"] == done.record.final["test/acc"]
    assert first.data.params["config_hash"] == done.record.config_hash


def test_wandb_offline(run: Run) -> None:
    outcome = run("fit", "--config", str(CONFIG.parent / "logger" / "wandb.yaml"), "--trainer.max_epochs=1")
    assert outcome.status == 0, outcome.err
    assert list((outcome.folder / "wandb").glob("offline-run-*/*.wandb"))


def test_a_nan_ends_as_diverged(run: Run) -> None:
    outcome = run("fit", "--config", str(CONFIG.parent / "algorithm" / "digital.yaml"), "--optimizer.lr=1e38")
    assert outcome.status == 1
    assert outcome.record.status == "diverged"
    assert "the training loss is" in outcome.err
    assert outcome.folder.name.endswith(".attempt")


def test_an_error_is_a_record_and_spares_earlier_results(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = run("fit")
    before = (complete.folder / "record.json").read_bytes()

    def broken(*_: object) -> None:
        raise RuntimeError("no more current")

    monkeypatch.setattr("resbench.tasks.Classification.measure", broken)
    status = run("fit").status
    (attempt,) = complete.root.glob("*/*.attempt")
    record = read_record(attempt / "record.json")
    assert (status, record.status, record.error) == (1, "failed", "RuntimeError: no more current")
    assert "Traceback" in (attempt / "error.txt").read_text()
    assert (
        complete.root / attempt.parent.name / attempt.name.removesuffix(".attempt") / "record.json"
    ).read_bytes() == before


def test_a_complete_run_replaces_one(run: Run) -> None:
    first = run("fit").record
    (notes := run("fit").folder / "notes").touch()
    again = run("fit")
    assert again.record.started > first.started
    assert notes.exists()
    assert [path.name for path in again.folder.parent.iterdir()] == [again.folder.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_a_record_and_a_checkpoint(number: signal.Signals, tmp_path: Path) -> None:
    arguments = ["--trainer.max_epochs=100000", "--trainer.limit_train_batches=8", f"--experiment.root={tmp_path}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "resbench", "fit", "--config", str(CONFIG), *arguments],
        cwd=CONFIG.parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 2"):
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    (path,) = tmp_path.glob("*/*.attempt/record.json")
    record = read_record(path)
    assert record.status == "interrupted"
    assert record.epochs[0].values["val/acc"] > 0
    checkpoint = torch.load(path.with_name("last.ckpt"), weights_only=True)
    assert checkpoint["global_step"] == record.steps >= 16
    assert not list(tmp_path.glob("*/.*.lock"))


def test_two_processes_do_not_share_a_run(run: Run) -> None:
    from resbench.training.folder import RunFolder

    outcome = run("fit")
    other = RunFolder(outcome.root, "digits_2bit_residual", outcome.record.config_hash)
    other.begin()
    refused = run("fit")
    other.end(complete=False)
    assert refused.status == 2
    assert "in progress in another process" in refused.err


def test_a_second_fit_of_a_trainer_goes_on(tmp_path: Path) -> None:
    """`trainer.fit` twice in a row, without the command line."""
    from lightning.pytorch import Trainer

    from resbench.algorithms import ResidualLearning
    from resbench.crossbar.devices import SoftBounds
    from resbench.data import DigitsData
    from resbench.networks import MLP
    from resbench.nn import AnalogOptimizer

    class Task(resbench.tasks.Classification):
        def configure_optimizers(self) -> AnalogOptimizer:
            return AnalogOptimizer(self.parameters(), lr=0.2)

    task = Task(MLP(64), ResidualLearning(), SoftBounds(states=4, w_max=1, w_min=-1))
    data = DigitsData(val_size=100)
    steps = []
    for _ in range(2):
        trainer = Trainer(
            max_epochs=1, limit_train_batches=4, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        )  # fmt: skip
        trainer.fit(task, datamodule=data)
        steps.append(task.network.fc1.algorithm.steps)  # type: ignore[union-attr]
    assert steps == [4, 8]


def test_missing_data_is_said_before_the_network_is_built(run: Run, tmp_path: Path) -> None:
    missing = [f"--data.root={tmp_path / 'none'}", "--data.download=false"]
    outcome = run("fit", "--data=MNISTData", *missing, "--model.layers=[no_such_layer]")
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert "error: data.init_args.root: no complete MNIST" in outcome.err
    assert not list(tmp_path.iterdir())
    outcome = run("fit", "--model.layers=[no_such_layer]")  # which only building finds
    assert "model.init_args.layers" in outcome.err
