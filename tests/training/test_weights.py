"""Weights that a run starts from, and those that it gives: files, identity, resume, verify."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from resbench.cli import main
from resbench.leaderboard.runs import Run as Submitted
from resbench.leaderboard.submission import check
from resbench.networks import MLP
from resbench.records.schema import read_record
from tests.training.runs import REPOSITORY, Run

#: What comes with resbench, of `digits_digital.yaml`.
WEIGHTS = REPOSITORY / "configs" / "weights" / "digits_mlp.safetensors"
CLASS = "tests.training.faults.Signal"


def network() -> MLP:
    return MLP(in_features=64, hidden=[64], classes=10, activation="tanh")


def test_a_run_starts_from_them(run: Run, tmp_path: Path) -> None:
    """Three mini-batches from the trained weights are better than eight from random ones."""
    outcome = run("fit", f"--weights={WEIGHTS}", "--trainer.max_epochs=1", "--trainer.limit_train_batches=3")
    assert outcome.status == 0, outcome.err
    digest = "f1b72fa41e96e9e8869467a34169f1aac028cdb004abfe5196591c5f9d80cb28"
    assert f"starts from {WEIGHTS}, sha256 {digest[:12]}\n" in outcome.out
    assert "fc1.weight: the devices cannot hold " in outcome.out
    record = outcome.record
    assert record.final["test/acc"] > 0.9
    assert record.config["weights_sha256"] == digest
    assert record.track.limits == ["epochs of 3 mini-batches", f"starts from weights {digest[:12]}"]


def test_the_identity_is_that_of_the_content(run: Run, tmp_path: Path) -> None:
    copied, other = tmp_path / "copy.safetensors", tmp_path / "other.ckpt"
    shutil.copy(WEIGHTS, copied)
    torch.save({"state_dict": {f"network.{name}": value for name, value in network().state_dict().items()}}, other)
    files = {f"--weights={path}": path for path in (WEIGHTS, copied, other)}
    hashes = [
        run("fit", flag, "--trainer.max_epochs=1", "--trainer.limit_train_batches=1", root=path.stem).record.config_hash
        for flag, path in files.items()
    ]
    without = run("fit", "--trainer.max_epochs=1", "--trainer.limit_train_batches=1", root="none").record.config_hash
    assert hashes[0] == hashes[1]
    assert len({*hashes, without}) == 3


def test_a_run_that_is_resumed_does_not_need_them(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is it programmed again: it ends as one that was not broken off."""
    file = tmp_path / "start.safetensors"
    shutil.copy(WEIGHTS, file)
    whole = run("fit", f"--weights={file}", root="whole")
    stop = (f"--trainer.callbacks+={CLASS}", "--trainer.callbacks.step=3")
    broken = run("fit", f"--weights={file}", *stop, root="broken")
    assert broken.status == 130
    file.unlink()
    assert main(["resume", str(broken.folder), "--trust", "tests.training.faults"]) == 0
    assert "starts from" not in capsys.readouterr().out
    again = read_record(broken.folder.with_name(broken.folder.name.removesuffix(".attempt")) / "record.json")
    assert (again.final, again.epochs) == (whole.record.final, whole.record.epochs)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file"),
        (b"no weights", "is neither a file of safetensors nor a checkpoint that holds tensors only"),
        (WEIGHTS.read_bytes()[:400], "is neither a file of safetensors nor"),
        (
            {"fc1.weight": torch.ones(2, 2)},
            "is the state of another network; it lacks: fc1.bias, fc2.weight, fc2.bias; ",
        ),
        ({"fc1.algorithm.tiles.0.weight": torch.ones(2)}, "holds the state of tiles; write resbench export RUN"),
    ],
    ids=["missing", "text", "cut off", "another network", "tiles"],
)
def test_what_cannot_be_programmed_is_refused_in_one_line(
    run: Run, tmp_path: Path, content: bytes | dict[str, torch.Tensor] | None, message: str
) -> None:
    file = tmp_path / "start.safetensors"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        safetensors.torch.save_file(content, file)
    outcome = run("fit", f"--weights={file}")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1), outcome.err
    assert outcome.err.startswith("error: weights: ")
    assert message in outcome.err
    assert not outcome.root.exists()


def test_a_pickle_is_not_run(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "start.ckpt"
    torch.save({"state_dict": {"fc1.weight": Path("a class of its own")}}, file)
    outcome = run("fit", f"--weights={file}")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "nor a checkpoint that holds tensors only" in outcome.err


def test_other_content_than_the_config_was_made_with_is_refused(run: Run) -> None:
    outcome = run("fit", f"--weights={WEIGHTS}", f"--weights_sha256={'0' * 64}")
    assert outcome.status == 2
    assert "but this config was made with 000000000000" in outcome.err
    assert run("fit", f"--weights_sha256={'0' * 64}").status == 2


def test_the_programmed_network_is_tested_without_a_training(run: Run) -> None:
    outcome = run("test", f"--weights={WEIGHTS}", "--model.device=Ideal", "--model.device.states=inf", short=False)
    assert "test/acc 0.9833" in outcome.out  # as the digital run ended


def test_a_trained_run_is_exported_and_computes_the_same(run: Run, tmp_path: Path) -> None:
    """The plain network has the test accuracy of the record."""
    outcome = run("fit", "--model.mapping.weight_scaling_omega=0.6", "--model.mapping.learn_out_scaling=true")
    file = tmp_path / "new" / "digital.safetensors"
    assert main(["export", str(outcome.folder), "--to", str(file)]) == 0
    first = file.read_bytes()
    assert main(["export", str(outcome.folder), "--to", str(file)]) == 0
    assert file.read_bytes() == first
    tested = run("test", "--config=configs/algorithm/digital.yaml", f"--weights={file}", short=False)
    assert f"test/acc {outcome.record.final['test/acc']:.4f}" in tested.out
    assert f"test/loss {outcome.record.final['test/loss']:.4f}" in tested.out


@pytest.mark.parametrize(
    ("folder", "to", "message"),
    [
        ("none", "x.safetensors", "no run with a checkpoint"),
        ("none", "x.bin", "write a name that ends in .safetensors"),
    ],
)
def test_what_cannot_be_exported_is_said(
    folder: str, to: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path / folder), "--to", str(tmp_path / to)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_a_record_is_verified_and_submitted_with_its_weights(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of `configs/weights` are found by their checksum, others are named."""
    brief = ("--trainer.max_epochs=1", "--trainer.limit_train_batches=2")
    shelved = run("fit", f"--weights={WEIGHTS}", *brief, root="shelved").folder / "record.json"
    assert main(["verify", str(shelved)]) == 0
    file = tmp_path / "own.safetensors"
    safetensors.torch.save_file(network().state_dict(), file)
    own = run("fit", f"--weights={file}", *brief, root="own").folder / "record.json"
    document = json.loads(own.read_text())
    document["config"]["weights"] = "gone.safetensors"
    own.write_text(json.dumps(document))
    capsys.readouterr()
    assert main(["verify", str(own)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "there is no file gone.safetensors; " in err
    assert err.endswith("--weights FILE names it here\n")
    assert main(["verify", str(own), "--weights", str(file)]) == 0
    assert main(["verify", str(own), "--weights", str(WEIGHTS)]) == 2
    problems = {
        path: [
            finding.text for finding in check([Submitted(file="0.json", record=read_record(path))]) if finding.problem
        ]
        for path in (shelved, own)
    }
    assert not any("weights" in text for text in problems[shelved])
    assert any(text.startswith("config: weights: no file in configs/weights has the sha256") for text in problems[own])
