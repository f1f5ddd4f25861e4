"""`resbench verify` on a real run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from resbench.cli import main
from resbench.records.identity import config_hash
from resbench.records.schema import write_record
from tests.records.factory import OLD, make_record, old_record

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "digits_2bit_residual.yaml"


@pytest.fixture(autouse=True)
def leave_torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    short = ["--trainer.max_epochs=2", "--trainer.limit_train_batches=8", f"--experiment.root={root}"]
    assert main(["fit", "--config", str(CONFIG), *short]) == 0
    (path,) = root.glob("*/*/record.json")
    return path


def changed(path: Path, folder: Path, **changes: Any) -> str:
    """A copy of the record with other fields and the matching hash."""
    document = json.loads(path.read_text()) | changes
    document["config_hash"] = config_hash(document["config"])
    copy = folder / "record.json"
    copy.write_text(json.dumps(document))
    return str(copy)


def test_a_run_gives_its_metrics_again_bit_for_bit(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(record)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "matches its hash; 2 epochs and the test" in out[0]
    assert out[-1] == "equal: 14 metrics, bit for bit"
    assert len(list(record.parent.parent.iterdir())) == 1


def test_a_record_that_contradicts_its_config_is_different(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = changed(record, tmp_path, states=16.0, bits=4.0)
    assert main(["verify", copy, "--dry-run"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "different: states: 16.0, and 4.0 by its config"


def test_a_record_cannot_start_any_number_of_processes(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads(record.read_text())["config"]
    config["trainer"] |= {"strategy": "ddp", "devices": 1200}
    assert main(["verify", changed(record, tmp_path, config=config), "--dry-run"]) == 2
    assert "trainer.devices: 1200 processes; verify starts at most " in capsys.readouterr().err


def test_another_result_is_different(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    final = json.loads(record.read_text())["final"]
    epochs = json.loads(record.read_text())["epochs"]
    epochs[0]["values"]["val/acc"] += 1e-7
    copy = changed(record, tmp_path, epochs=epochs, final=final)
    assert main(["verify", copy, "--epochs", "1"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-2].startswith("metric: epoch 0, val/acc: ")
    assert out[-1] == "different: 1 of 4 metrics is not equal, on the same versions and device"
    versions = json.loads(record.read_text())["versions"] | {"torch": "1.13"}
    assert main(["verify", changed(record, tmp_path, epochs=epochs, versions=versions), "--epochs", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "close: 4 metrics within 0.02, not bit for bit; the environment is another"


def test_a_dry_run_says_what_would_be_run(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = changed(record, tmp_path, versions={"torch": "1.13", "gone": "1"})
    assert main(["verify", copy, "--dry-run", "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert "1 of 2 epochs" in out
    assert "environment: gone 1 there, unknown here" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tampered}"], "does not match config, which gives"),
        (["{record}", "--epochs", "3"], "--epochs 3: the record has 2; write 1 to 2"),
        (["{record}", "--tolerance", "-1"], "--tolerance -1.0: write 0 or more"),
        (
            ["{foreign}"],
            "its config names evil.Thing, whose code would run; if you trust it: resbench verify --trust evil",
        ),
        (["{empty}"], "a failed run without an epoch has no metrics to compare"),
    ],
)
def test_what_cannot_be_verified_is_refused_before_anything_runs(
    record: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(record.read_text())
    config = document["config"]
    (tmp_path / "tampered.json").write_text(json.dumps(document | {"config": config | {"threads": 2}}))
    paths = {
        "record": str(record),
        "tampered": str(tmp_path / "tampered.json"),
        "foreign": changed(record, tmp_path, config=config | {"optimizer": {"class_path": "evil.Thing"}}),
        "empty": str(tmp_path / "empty.json"),
    }
    write_record(
        paths["empty"],
        make_record(status="failed", error="no memory", epochs=1, final={}).model_copy(update={"epochs": []}),
    )
    assert main(["verify", *(argument.format(**paths) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_record_of_another_version_says_which_to_install(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "record.json"
    write_record(path, old_record())
    assert main(["verify", str(path)]) == 2
    assert capsys.readouterr().err == f"error: {path}: its config names {OLD}\n"
