"""`resbench validate`, `test` and `predict`."""

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from resbench.data import DigitsData, LeastSquaresData
from resbench.records.evaluation import Evaluation
from resbench.training.saving import DurableCheckpointIO
from tests.training.runs import CONFIG, Outcome, Run


@pytest.fixture
def trained(run: Run) -> Outcome:
    return run("fit")


def evaluated(run: Run, command: str, trained: Outcome, *arguments: str) -> Outcome:
    folder = trained.folder
    return run(command, f"--ckpt_path={folder / 'last.ckpt'}", *arguments, config=folder / "config.yaml")


@pytest.mark.parametrize(("command", "split"), [("test", "test"), ("validate", "val")])
def test_metrics_are_those_of_the_record(run: Run, trained: Outcome, command: str, split: str) -> None:
    before = {path: path.read_bytes() for path in trained.folder.iterdir()}
    outcome = evaluated(run, command, trained)
    assert outcome.status == 0, outcome.err
    expected = [f"{name} {trained.record.final[name]:.4f}" for name in (f"{split}/loss", f"{split}/acc")]
    assert outcome.out.splitlines() == expected
    assert {path: path.read_bytes() for path in trained.folder.iterdir()} == before


def kept(outcome: Outcome) -> Evaluation:
    """The record that an evaluation has written."""
    path = outcome.out.partition("record: ")[2].splitlines()[0]
    return Evaluation.model_validate_json(Path(path).read_text())


def test_metrics_against_time(run: Run, trained: Outcome) -> None:
    """With a drift that leaves no weight, every image gets the bias of the last layer."""
    flags = ("--model.device.drift.nu=20", "--model.device.drift.t_0=600", "--after=1y,10min,1h")
    outcome = evaluated(run, "test", trained, *flags)
    assert outcome.status == 0, outcome.err
    first, *table = outcome.out.splitlines()
    assert first == "with another model.device.drift than in the training"
    assert [line.split()[0] for line in table[:5]] == ["after", "0", "10min", "1h", "1y"]
    record = kept(outcome)
    start, at_once, hour, year = (point.metrics for point in record.points)
    assert start == {name: trained.record.final[name] for name in ("test/loss", "test/acc")}
    assert at_once == start  # drift begins after t_0
    assert hour["test/loss"] == pytest.approx(year["test/loss"], abs=1e-6)
    state: dict[str, Tensor] = torch.load(trained.folder / "last.ckpt", weights_only=True)["state_dict"]
    data = DigitsData()
    data.setup("test")
    targets = torch.cat([target for _, target in data.test_dataloader()])
    bias = state["network.fc2.bias"].expand(len(targets), -1)
    assert year["test/loss"] == pytest.approx(functional.cross_entropy(bias, targets).item(), rel=1e-5)
    assert (record.config_hash, record.steps) == (trained.record.config_hash, trained.record.steps)
    assert [point.seconds for point in record.points] == [0.0, 600.0, 3600.0, 31557600.0]
    assert {change.key for change in record.changes} > {f"{DRIFT}.nu", f"{DRIFT}.t_0"}
    figure = Path(outcome.out.partition("figure: ")[2].strip())
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert (trained.folder, trained.record.final) == (figure.parent, trained.record.final)


DRIFT = "model.init_args.device.init_args.drift"


def test_time_without_drift_is_refused(run: Run, trained: Outcome) -> None:
    for flag, message in {
        "--after=1h": "after: no device of this model drifts, so time changes nothing; give the device a drift",
        "--after=1m": "after: '1m' is no duration; write a number and a unit",
    }.items():
        outcome = evaluated(run, "test", trained, flag)
        assert (outcome.status, outcome.err.count("\n")) == (2, 1)
        assert outcome.err.startswith(f"error: {message}")
    assert "predict has no metrics" in evaluated(run, "predict", trained, "--after=1h").err


def test_a_run_that_is_tested_later_is_evaluated_later_too(run: Run) -> None:
    """Twice the same drift from the checkpoint of the training; more time than the config has is not asked for."""
    outcome = run("fit", "--config=device/softbounds_drift.yaml", "--config=track/digits_drift.yaml")
    assert outcome.status == 0, outcome.err
    assert "tested 1d after the training" in outcome.record.track.limits
    again = evaluated(run, "test", outcome)
    assert [float(line.split()[1]) for line in again.out.splitlines()] == pytest.approx(
        [outcome.record.final[line.split()[0]] for line in again.out.splitlines()], abs=1e-4
    )
    refused = evaluated(run, "test", outcome, "--after=1h")
    assert refused.err.startswith("error: after: the config lets 1d pass before each test already")


def test_converters_may_differ_from_those_of_the_training(run: Run, trained: Outcome) -> None:
    """A converter of which every output is 0 leaves the biases alone; a fine one changes little."""
    blind = ("--model.forward_io.out_res=1", "--model.forward_io.out_noise=0", "--model.forward_io.out_bound=1000")
    outcome = evaluated(run, "test", trained, *blind, "--model.forward_io.bound_management=none")
    assert outcome.status == 0, outcome.err
    record = kept(outcome)
    assert outcome.out.splitlines()[0] == "with another model.forward_io than in the training"
    changes = {change.key: (change.trained, change.evaluated) for change in record.changes}
    assert changes["model.init_args.forward_io.out_res"] == (None, 1.0)
    (point,) = record.points
    assert point.metrics["test/acc"] < 0.2 < trained.record.final["test/acc"]
    fine = ("--model.forward_io.out_bits=16", "--model.forward_io.inp_bits=16", "--model.forward_io.out_noise=0")
    (point,) = kept(evaluated(run, "validate", trained, *fine)).points
    assert point.metrics["val/loss"] == pytest.approx(trained.record.final["val/loss"], rel=1e-2)
    assert point.metrics["val/loss"] != trained.record.final["val/loss"]


def test_a_noisy_training_may_be_tested_without_noise(run: Run) -> None:
    noisy = run("fit", "--config=configs/periphery/noisy.yaml")
    same = evaluated(run, "test", noisy)
    assert "record:" not in same.out
    outcome = evaluated(run, "test", noisy, "--model.forward_io=null", "--model.backward_io=null")
    assert outcome.status == 0, outcome.err
    (point,) = kept(outcome).points
    assert point.metrics["test/loss"] != noisy.record.final["test/loss"]
    assert point.metrics["test/acc"] == pytest.approx(noisy.record.final["test/acc"], abs=0.1)
    again = evaluated(run, "test", noisy, "--model.forward_io=null", "--model.backward_io=null")
    assert kept(again).points == [point]


def test_a_digital_network_has_no_converters(run: Run) -> None:
    digital = run("fit", config=CONFIG.with_name("digits_digital.yaml"))
    outcome = evaluated(run, "test", digital, "--model.forward_io.out_noise=1")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "changes nothing, because this network has no analog layers" in outcome.err


def test_predictions_are_the_tested_ones(run: Run, trained: Outcome) -> None:
    outcome = evaluated(run, "predict", trained)
    path = Path(outcome.out.removeprefix("predictions: ").strip())
    assert path.parent == trained.folder
    with path.open() as file:
        rows = list(csv.DictReader(file))
    data = DigitsData()
    data.setup("test")
    targets = [int(target) for _, batch in data.test_dataloader() for target in batch]
    right = sum(int(row["class"]) == target for row, target in zip(rows, targets, strict=True))
    assert right / len(rows) == pytest.approx(trained.record.final["test/acc"], abs=1e-6)
    assert sum(float(rows[0][f"p{k}"]) for k in range(10)) == pytest.approx(1, abs=1e-5)


def test_predictions_under_other_conditions_have_a_file_of_their_own(run: Run, trained: Outcome) -> None:
    evaluated(run, "predict", trained)
    before = (trained.folder / "predictions.csv").read_bytes()
    outcome = evaluated(run, "predict", trained, "--model.forward_io.out_noise=1")
    path = Path(outcome.out.partition("predictions: ")[2].strip())
    assert path.match(f"{trained.folder.name}/predictions-????????.csv")
    assert path.read_bytes() != before
    assert (trained.folder / "predictions.csv").read_bytes() == before


def test_predictions_of_a_regression_have_no_class(run: Run) -> None:
    regression = run("fit", config=CONFIG.with_name("least_squares_2bit_residual.yaml"))
    outcome = evaluated(run, "predict", regression)
    assert outcome.status == 0, outcome.err
    with (regression.folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["sample", "y0"]
    data = LeastSquaresData()
    data.setup("test")
    targets = data.split("test").targets.flatten().tolist()
    error = sum((float(row["y0"]) - target) ** 2 for row, target in zip(rows, targets, strict=True)) / len(rows)
    assert error == pytest.approx(regression.record.final["test/loss"], rel=1e-5)


def test_nothing_to_predict_is_said_and_keeps_earlier_predictions(run: Run, trained: Outcome) -> None:
    assert evaluated(run, "predict", trained).status == 0
    before = (trained.folder / "predictions.csv").read_bytes()
    outcome = evaluated(run, "predict", trained, "--trainer.limit_predict_batches=0")
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert "limit_predict_batches" in outcome.err
    assert (trained.folder / "predictions.csv").read_bytes() == before


def test_a_checkpoint_of_another_config_is_refused(run: Run, trained: Outcome) -> None:
    for command in ("fit", "test"):
        outcome = evaluated(run, command, trained, "--model.device.states=16")
        assert outcome.status == 2
        assert outcome.err.count("\n") == 1
        assert "model.init_args.device.init_args.states is 4.0 there and 16.0 here" in outcome.err
        assert f"--config {trained.folder / 'config.yaml'}" in outcome.err
    assert trained.record.status == "complete"


def test_how_long_it_was_trained_does_not_matter_to_an_evaluation(run: Run, trained: Outcome) -> None:
    assert evaluated(run, "test", trained, "--trainer.max_epochs=7", "--optimizer.lr=3").status == 0
    refused = evaluated(run, "fit", trained, "--trainer.max_epochs=7")
    assert refused.status == 2
    assert "trainer.max_epochs is 2 there and 7 here" in refused.err


@pytest.mark.parametrize("counter", [False, True])
def test_a_checkpoint_of_another_version_is_refused(run: Run, trained: Outcome, counter: bool) -> None:
    file = trained.folder / "last.ckpt"
    checkpoint = torch.load(file, weights_only=True)
    state = checkpoint["state_dict"]
    name = next(name for name, value in state.items() if isinstance(value, dict) is counter)
    if counter:
        state[name]["revolutions"] = 0
    else:
        state[name] = state[name][None]
    DurableCheckpointIO().save_checkpoint(checkpoint, file)
    for command in ("fit", "test"):
        outcome = evaluated(run, command, trained)
        assert outcome.status == 2
        assert outcome.err.count("\n") == 1
        assert f"another version of resbench, whose {name} is of another form" in outcome.err
    assert trained.record.status == "complete"


def test_what_is_no_checkpoint(run: Run, trained: Outcome, tmp_path: Path) -> None:
    assert "ckpt_path: missing" in run("test").err
    assert "there is no file" in run("test", f"--ckpt_path={tmp_path / 'none.ckpt'}").err
    assert "cannot be read as a checkpoint" in run("test", f"--ckpt_path={CONFIG}").err


def test_an_evaluation_without_data_is_refused(run: Run, trained: Outcome) -> None:
    outcome = evaluated(run, "validate", trained, "--data.val_size=0")
    assert outcome.status == 2
    assert "data.init_args.val_size" in outcome.err


@pytest.mark.parametrize(("command", "part"), [("validate", "val"), ("test", "test")])
def test_an_evaluation_of_no_mini_batch_is_refused(run: Run, trained: Outcome, command: str, part: str) -> None:
    outcome = evaluated(run, command, trained, f"--trainer.limit_{part}_batches=0")
    hint = f"write --trainer.limit_{part}_batches=null for all"
    assert outcome.err == f"error: trainer.limit_{part}_batches: 0 leaves nothing to evaluate; {hint}\n"
    assert outcome.status == 2


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_a_share_of_less_than_a_mini_batch_is_refused(run: Run, trained: Outcome, command: str) -> None:
    key = f"trainer.limit_{'val' if command == 'validate' else command}_batches"
    outcome = evaluated(run, command, trained, f"--{key}=0.5")
    assert outcome.err == f"error: {key}: 0.5 of 1 mini-batches is less than one; write a whole number of them\n"
    assert outcome.status == 2
