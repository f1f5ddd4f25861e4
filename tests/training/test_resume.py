"""A run that was broken off ends, when it is resumed, as one that was not: bit for bit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml

import resbench.algorithms
from resbench.algorithms import Algorithm
from resbench.cli import main
from resbench.config.yaml import dump_yaml
from resbench.records.schema import write_record
from resbench.training.cli import RunCLI
from resbench.training.drawn import constants_of
from resbench.training.saving import DurableCheckpointIO
from tests.records.factory import OLD, old_record
from tests.training.damage import damage
from tests.training.faults import CLASS, WORN, Fault
from tests.training.killing import compare
from tests.training.runs import CONFIG, REPOSITORY, Outcome, Run

ALGORITHMS = sorted(
    name
    for name, value in vars(resbench.algorithms).items()
    if isinstance(value, type) and issubclass(value, Algorithm) and value is not Algorithm
)


#: Lowers the rate at the end of every epoch but the first, so that one which is left out shows.
PLATEAU = (
    *("--trainer.max_epochs=4", "--lr_scheduler=ReduceLROnPlateau", "--lr_scheduler.patience=0"),
    *("--lr_scheduler.factor=0.5", "--lr_scheduler.threshold=0.9"),
)
#: Devices drift, and every step takes its time.
DRIFTING = (
    *("--trainer.callbacks+=resbench.callbacks.PassTime", "--trainer.callbacks.seconds_per_step=10"),
    *("--model.device.drift.nu=0.1", "--model.device.drift.nu_std=0.3"),
)
#: Validates only inside epochs, so that its metrics are older than the checkpoint that an epoch is taken up from.
MIDDLE = ("--trainer.check_val_every_n_epoch=null", "--trainer.val_check_interval=5")


@pytest.fixture(autouse=True)
def no_fault_is_left() -> Iterator[None]:
    Fault.steps.clear()
    yield
    Fault.steps.clear()


Broken = Callable[..., Path]


@pytest.fixture
def broken(run: Run) -> Broken:
    """`fit` that breaks at a step; the folder of the attempt."""

    def broken(step: int, *arguments: str, config: Path = CONFIG) -> Path:
        Fault.steps.append(step)
        outcome = run("fit", f"--trainer.callbacks+={CLASS}", *arguments, config=config, root="broken")
        assert (outcome.status, outcome.record.status) == (1, "failed"), outcome.err
        return outcome.folder

    return broken


def resume(folder: Path) -> int:
    return main(["resume", str(folder), "--trust", "tests.training.faults"])


def check(run: Run, broken: Broken, steps: list[int], *arguments: str, config: Path = CONFIG) -> Outcome:
    """Break a run at each of the steps and resume it in between."""
    whole = run("fit", f"--trainer.callbacks+={CLASS}", *arguments, config=config, root="whole")
    assert whole.status == 0, whole.err
    first, *others = steps
    attempt = broken(first, *arguments, config=config)
    for step in others:
        Fault.steps.append(step)
        assert resume(attempt) == 1
    assert resume(attempt) == 0
    compare(whole.folder, attempt.with_name(whole.folder.name))
    return whole


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_inside_an_epoch_and_between_two(
    run: Run, broken: Broken, algorithm: str, tmp_path: Path
) -> None:
    digital = getattr(resbench.algorithms, algorithm).digital
    config = tmp_path / "config.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "compose": ["track/digits_mlp.yaml", *([] if digital else ["device/softbounds.yaml"])],
                "model": {"init_args": {"algorithm": {"class_path": f"resbench.algorithms.{algorithm}"}}},
            }
        )
    )
    check(run, broken, [4, 8], "--checkpoint.every_n_steps=3", config=config)


@pytest.mark.parametrize(
    ("class_path", "message"),
    [
        ("resbench.data.CSVData", "data.root: these data have the sha256 "),
        ("tests.training.faults.UnsignedTable", "was trained on other data: their sha256 is train "),
    ],
)
def test_a_run_goes_on_with_the_data_it_began_with(
    class_path: str, message: str, broken: Broken, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder of the data is not part of the config's identity, and the files in it may change."""
    table = tmp_path / "table"
    table.mkdir()
    for name, rows in (("train", 40), ("test", 10)):
        lines = [f"{row % 7},{row % 3},{row % 2}" for row in range(rows)]
        (table / f"{name}.csv").write_text("\n".join(["a,b,target", *lines]) + "\n")
    config = tmp_path / "config.yaml"
    data = {"class_path": class_path, "init_args": {"root": str(table), "target": "target"}}
    network = {"class_path": "resbench.networks.MLP", "init_args": {"in_features": 2, "classes": 2}}
    model = {"init_args": {"network": network}}
    parts = ["track/digits_mlp.yaml", "algorithm/digital.yaml"]
    config.write_text(yaml.safe_dump({"compose": parts, "model": model, "data": data}))
    attempt = broken(8, "--checkpoint.every_n_steps=3", config=config)
    content = (table / "train.csv").read_text()
    (table / "train.csv").write_text(content.replace("6,", "5,"))
    capsys.readouterr()
    kept = sorted(path.name for path in attempt.iterdir())
    assert resume(attempt) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in attempt.iterdir()) == kept
    (table / "train.csv").write_text(content)
    assert resume(attempt) == 0


@pytest.mark.parametrize(
    ("steps", "flags"),
    [
        ([5, 9, 13], ["--trainer.max_epochs=-1", "--trainer.max_steps=14"]),
        ([3], ["--trainer.accumulate_grad_batches=3"]),
        ([5, 9], [*DRIFTING, "--checkpoint.every_n_steps=2"]),
        ([4, 12], ["--trainer.val_check_interval=3"]),
        ([5, 12, 17], [*PLATEAU, "--lr_scheduler.monitor=val/loss"]),
        ([5, 8, 13], [*PLATEAU, "--lr_scheduler.monitor=train/loss", "--trainer.num_sanity_val_steps=2"]),
        ([7, 14, 22], [*PLATEAU, "--lr_scheduler.monitor=val/acc", *MIDDLE]),
        ([5, 9], ["--lr_scheduler=CosineAnnealingLR", "--lr_scheduler.T_max=16", "--lr_scheduler_interval=step"]),
        ([9], ["--optimizer.digital=Adam", "--trainer.callbacks+=LearningRateMonitor"]),
    ],
    ids=[
        *("max_steps", "accumulation", "drift", "validation inside an epoch"),
        *("plateau", "plateau of training, sanity steps"),
        *("plateau of a validation before", "a schedule of steps", "Adam and a logging callback"),
    ],
)  # fmt: skip
def test_ways_to_train(run: Run, broken: Broken, steps: list[int], flags: list[str]) -> None:
    check(run, broken, steps, "--checkpoint.every_n_steps=1", *flags)


def test_a_training_that_ended_early_is_not_taken_up_again(
    run: Run, broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off in the test, after EarlyStopping has stopped the training."""
    early = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/loss"]
    early += ["--trainer.callbacks.stopping_threshold=9", "--trainer.max_epochs=4"]
    whole = run("fit", *early, root="whole")
    assert [entry.epoch for entry in whole.record.epochs] == [0]
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise RuntimeError("the power is gone")

        patch.setattr("resbench.tasks.Classification.test_step", fail)
        attempt = run("fit", *early, root="broken").folder
    assert resume(attempt) == 0
    compare(whole.folder, attempt.with_name(whole.folder.name))


def test_fit_continues_by_itself_where_it_is_told_to(
    run: Run, broken: Broken, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt = broken(12)
    arguments = [f"--trainer.callbacks+={CLASS}", "--ckpt_path=last"]
    again = run("fit", *arguments, root="broken")
    assert again.status == 0
    assert f"continues from {attempt / 'last.ckpt'}" in again.out
    assert again.record.config["ckpt_path"] is None
    fresh = run("fit", *arguments, root="fresh")
    assert "continues from" not in fresh.out
    compare(fresh.folder, again.folder)


def test_the_same_fit_takes_an_interrupted_run_up_again(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C, arrow-up, return."""
    whole = run("fit", root="whole")
    stop = ("--trainer.callbacks+=tests.training.faults.Signal", "--trainer.callbacks.step=3")
    outcome = run("fit", *stop)
    attempt = outcome.folder
    assert outcome.status == 130
    assert f"continue with: resbench resume {attempt} --trust tests\n" in outcome.err
    checkpoint = (attempt / "last.ckpt").read_bytes()
    assert resume(attempt.parent) == resume(outcome.root) == 2
    for line in capsys.readouterr().err.splitlines():
        assert line.endswith(f": name one of its runs: {attempt} (interrupted after 3 steps)")
    assert (attempt / "last.ckpt").read_bytes() == checkpoint
    again = run("fit", *stop)
    assert again.status == 0
    assert f"continues from {attempt / 'last.ckpt'}; to begin anew, remove {attempt}\n" in again.out
    assert again.record.final == whole.record.final
    assert again.record.epochs == whole.record.epochs


def test_the_record_of_a_failure_goes_when_the_run_is_taken_up(broken: Broken) -> None:
    """So that a kill leaves a run that was killed, which a sweep takes up, and not one that failed."""
    attempt = broken(9)
    assert (attempt / "record.json").exists()
    pid = os.fork()
    if pid == 0:
        Fault.steps.append(12)
        Fault.is_deadly = True
        os._exit(resume(attempt))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert not (attempt / "record.json").exists()
    assert (attempt / "last.ckpt").exists()


def test_what_a_callback_saved_is_no_place_to_go_on_from(run: Run) -> None:
    """It is one to test."""
    best = ("--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.save_top_k=-1")
    folder = run("fit", *best).folder
    files = sorted((folder / "checkpoints").glob("*.ckpt"))
    assert len(files) == 2
    for file in files:
        refused = run("fit", *best, f"--ckpt_path={file}", root="other")
        assert (refused.status, refused.err.count("\n")) == (2, 1)
        assert "was saved by a callback" in refused.err
        assert "name the last.ckpt of the run" in refused.err
        assert run("test", f"--ckpt_path={file}", root="other").status == 0


def test_constants_that_the_seed_gives_are_not_stored(run: Run, broken: Broken, tmp_path: Path) -> None:
    """One that somebody changed is, and counts of pulses are stored in as few bytes as they need."""
    worn = "--trainer.callbacks+=tests.training.faults.Worn"
    outcome = check(run, broken, [9], worn, "--checkpoint.every_n_steps=3")
    checkpoint = torch.load(outcome.folder / "last.ckpt", weights_only=True)
    model = RunCLI(["--config", str(outcome.folder / "config.yaml")], "resbench fit").model
    constants = {name for name, _ in constants_of(model)}
    assert constants & checkpoint["state_dict"].keys() == {WORN}
    assert checkpoint["state_dict"][WORN][0, 0] == 0.125
    assert checkpoint["state_dict"]["network.fc1.algorithm.tiles.0.pulses_up"].dtype is torch.uint8
    assert run("test", f"--ckpt_path={outcome.folder / 'last.ckpt'}", worn, root="other").status == 0

    checkpoint["resbench_state"]["drawn"]["network.fc2.algorithm.tiles.1.step_up"] ^= 1
    DurableCheckpointIO().save_checkpoint(checkpoint, tmp_path / "foreign.ckpt")
    refused = run("fit", f"--ckpt_path={tmp_path / 'foreign.ckpt'}", f"--trainer.callbacks+={CLASS}", worn, root="new")
    assert refused.status == 2
    assert "another version of resbench, whose network.fc2.algorithm.tiles.1.step_up is of another form" in refused.err


def test_a_gradient_that_is_not_finite_ends_as_diverged(run: Run) -> None:
    """The loss is finite, and mixed precision would keep what the gradient is in its digital memory for ever."""
    poison = ("--model.network=tests.training.faults.PoisonedMLP", "--checkpoint.every_n_steps=1")
    outcome = run("fit", "--config=configs/algorithm/mixed_precision.yaml", *poison)
    assert (outcome.status, outcome.record.status) == (1, "diverged")
    assert outcome.record.error == "a gradient is not finite although the loss is; a smaller lr may help"
    checkpoint = torch.load(outcome.folder / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    for name in ("network.fc1.algorithm.chi", "network.fc1.weight", "network.fc1.bias"):
        assert checkpoint["state_dict"][name].isfinite().all()


def test_a_run_that_was_moved(run: Run, broken: Broken, tmp_path: Path) -> None:
    attempt = broken(9)
    moved = tmp_path / "elsewhere" / "renamed" / attempt.name
    moved.parent.mkdir(parents=True)
    attempt.rename(moved)
    assert resume(moved) == 0
    assert (moved.with_name(moved.name.removesuffix(".attempt")) / "record.json").exists()
    assert not attempt.parent.exists() or not any(attempt.parent.iterdir())


def test_a_run_that_is_complete(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run("fit").folder
    record = (folder / "record.json").read_bytes()
    assert run("fit", "--ckpt_path=last").out == f"this run is complete: {folder / 'record.json'}\n"
    for name in (folder, folder.with_name(f"{folder.name}.attempt")):
        assert resume(name) == 0
        assert capsys.readouterr().out == f"this run is complete: {folder / 'record.json'}\n"
    assert (folder / "record.json").read_bytes() == record


def test_a_run_that_was_killed_when_its_record_was_written(run: Run) -> None:
    folder = run("fit").folder
    left = {path.name for path in folder.iterdir()}
    attempt = folder.rename(folder.with_name(f"{folder.name}.attempt"))
    shutil.copy(attempt / "last.ckpt", attempt / "previous.ckpt")
    assert resume(attempt) == 0
    assert {path.name for path in folder.iterdir()} == left
    assert not attempt.exists()


def test_what_is_no_run(tmp_path: Path, run: Run, broken: Broken, capsys: pytest.CaptureFixture[str]) -> None:
    attempt = broken(9)
    other = attempt.with_name("0123456789ab.attempt")
    attempt.rename(other)
    unrecorded = other.with_name("0123456789ab")
    shutil.copytree(other, unrecorded)
    capsys.readouterr()
    for folder, message in (
        (tmp_path, "no run to resume"),
        (unrecorded, "it has no record.json of a complete run; rename it to 0123456789ab.attempt to go on with it"),
        (tmp_path / "nowhere", "no run to resume"),
        (other, "this config belongs to"),
    ):
        assert resume(folder) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("how", ["truncated", "a flipped bit", "a pickle", "a torch file that runs code"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    run: Run,
    broken: Broken,
    how: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    attempt = broken(12, "--checkpoint.every_n_steps=3")
    damage(attempt / "last.ckpt", how)
    capsys.readouterr()
    refused = run("fit", f"--trainer.callbacks+={CLASS}", f"--ckpt_path={attempt / 'last.ckpt'}", root="refused")
    assert refused.status == 2
    assert refused.err.startswith(f"error: ckpt_path: {attempt / 'last.ckpt'} cannot be read as a checkpoint (")
    assert refused.err.count("\n") == 1

    assert resume(attempt) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(f"warning: {attempt / 'last.ckpt'} cannot be read as a checkpoint (")
    assert captured.err.endswith("; the one before is taken\n")
    assert captured.err.count("\n") == 1
    assert f"continues from {attempt / 'previous.ckpt'}" in captured.out
    assert not Path("unpickled").exists()


def test_without_a_good_checkpoint_it_starts_from_the_beginning(
    run: Run, broken: Broken, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt = broken(12, "--checkpoint.every_n_steps=3")
    for name in ("last.ckpt", "previous.ckpt"):
        damage(attempt / name, "empty")
    capsys.readouterr()
    assert resume(attempt) == 0
    assert capsys.readouterr().err.count("the run starts from the beginning") == 2


def test_killed_at_twenty_moments(tmp_path: Path) -> None:
    """By SIGKILL at random times, between and in the middle of its writes, also of a checkpoint and of the record."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here: a fresh process for each of the runs takes too long")
    command = [sys.executable, "-m", "tests.training.killing", str(tmp_path), "--kills=20"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("20 kills, ")


def test_a_run_of_another_version_says_which_to_install(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "0123456789ab.attempt"
    folder.mkdir()
    record = old_record()
    (folder / "config.yaml").write_text(dump_yaml(record.config))
    assert main(["resume", str(folder)]) == 2
    killed = OLD.replace("resbench 0.1.0, commit 032c4200032c", "another version")
    assert capsys.readouterr().err == f"error: {folder / 'config.yaml'}: its config names {killed}\n"
    write_record(folder / "record.json", record.model_copy(update={"status": "interrupted"}))
    assert main(["resume", str(folder)]) == 2
    assert capsys.readouterr().err == f"error: {folder / 'config.yaml'}: its config names {OLD}\n"
