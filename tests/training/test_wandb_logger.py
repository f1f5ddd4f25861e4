"""A run in Weights & Biases, offline, read back from its file."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb.proto import wandb_internal_pb2

from resbench.records.names import ARTIFACT
from resbench.training.wandb_logger import CHECKPOINT_TYPE
from tests.training.runs import CONFIG, Outcome, Run

LOGGER = CONFIG.parent / "logger" / "wandb.yaml"
BLOCK, HEADER = 32768, 7  # of the LevelDB log in which wandb keeps the messages of a run


def messages(folder: Path) -> list[Any]:
    """The messages in the file of the one run of a folder, by wandb's own definition of them."""
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    message: Any = getattr(wandb_internal_pb2, "Record")  # noqa: B009 - made when protobuf loads the definition
    return [message.FromString(chunk) for chunk in _chunks(path.read_bytes())]


def _chunks(content: bytes) -> Iterator[bytes]:
    assert content[:4] == b":W&B"
    place, parts = HEADER, b""
    while place + HEADER <= len(content):
        length, kind = struct.unpack_from("<HB", content, place + 4)
        if kind:  # whole, or first, middle, last part; 0 is padding
            parts += content[place + HEADER : place + HEADER + length]
            if kind in (1, 4):
                yield parts
                parts = b""
        place += HEADER + length
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK


def history(records: list[Any]) -> list[dict[str, Any]]:
    return [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.WhichOneof("record_type") == "history"
    ]


@pytest.fixture
def logged(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staging"))
    about = LOGGER.read_text().replace("tags: []", "tags: [small, digits]").replace("notes: null", "notes: a first try")
    (tmp_path / "wandb.yaml").write_text(about)
    outcome = run("fit", "--config", str(tmp_path / "wandb.yaml"))
    assert outcome.status == 0, outcome.err
    return outcome


def test_the_file_of_the_run_holds_what_was_logged(logged: Outcome, run: Run) -> None:
    records = messages(logged.folder)
    record, digits = logged.record, logged.record.config_hash[:12]

    (started,) = [entry.run for entry in records if entry.WhichOneof("record_type") == "run"]
    assert (started.project, started.run_group, started.job_type) == ("resbench", "digits-mlp", digits)
    assert (list(started.tags), started.notes) == (["small", "digits"], "a first try")
    assert started.display_name == f"digits_2bit_residual-{digits}"

    config = {
        item.key or "/".join(item.nested_key): item.value_json for entry in records for item in entry.config.update
    }
    config |= {item.key: item.value_json for item in started.config.update}
    assert json.loads(config["config_hash"]) == record.config_hash
    assert json.loads(config["model"]) == record.config["model"]
    assert json.loads(config["seed_everything"]) == 0

    lines = history(records)
    for epoch in record.epochs:
        for key, value in epoch.values.items():
            assert any(line.get(key) == value and line["trainer/global_step"] <= epoch.step for line in lines), key
    assert any(line.get("test/acc") == record.final["test/acc"] for line in lines)

    tiles = [json.loads(line) for line in (logged.folder / "tiles.jsonl").read_text().splitlines()]
    histograms = [line for line in lines if line.get("tile/fc1/tile0_W3/histogram/_type") == "histogram"]
    first = next(entry for entry in tiles if (entry["layer"], entry["tile"]) == ("fc1", "tile0_W3"))
    assert histograms[0]["tile/fc1/tile0_W3/histogram/values"] == first["histogram"]
    bins = histograms[0]["tile/fc1/tile0_W3/histogram/bins"]
    assert (bins[0], bins[-1], len(bins)) == (*first["range"], 33)
    assert histograms[0]["trainer/global_step"] == first["step"]
    assert len(histograms) == len(record.epochs)
    assert any(line.get("tile/fc1/tile0_W3/std") == first["std"] for line in lines)

    artifacts = {entry.request.log_artifact.artifact.type: entry.request.log_artifact.artifact for entry in records}
    artifacts |= {entry.artifact.type: entry.artifact for entry in records}
    files = {
        type_: [file.path for file in artifact.manifest.contents] for type_, artifact in artifacts.items() if type_
    }
    assert files == {ARTIFACT: ["record.json"], CHECKPOINT_TYPE: ["last.ckpt"]}
    assert artifacts[ARTIFACT].name == f"record-{digits}"
    assert json.loads(artifacts[ARTIFACT].metadata)["test/acc"] == record.final["test/acc"]


def test_it_says_how_to_upload_and_a_second_run_in_the_same_folder_works(logged: Outcome, run: Run) -> None:
    def upload(out: str) -> Path:
        (line,) = [line for line in out.splitlines() if "wandb sync" in line]
        return Path(line.partition("wandb sync ")[2])

    first = upload(logged.out)
    assert first.parent.parent == logged.folder
    assert list(first.glob("*.wandb"))
    again = run("fit", "--config", str(LOGGER))
    assert again.status == 0, again.err
    assert again.folder == logged.folder
    assert list(upload(again.out).glob("*.wandb"))
    assert upload(again.out) != first


def test_a_run_that_went_on_says_how_to_upload_all_its_parts(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staging"))
    stop = ("--trainer.callbacks+=tests.training.faults.Signal", "--trainer.callbacks.step=3")
    assert run("fit", "--config", str(LOGGER), *stop).status == 130
    again = run("fit", "--config", str(LOGGER), *stop)
    assert again.status == 0, again.err
    (line,) = [line for line in again.out.splitlines() if "wandb sync" in line]
    first, second = map(Path, line.partition("wandb sync ")[2].split())
    (interrupted,), (ended,) = first.glob("*.wandb"), second.glob("*.wandb")
    assert interrupted.stat().st_mtime < ended.stat().st_mtime


def test_all_runs_may_write_to_one_folder_elsewhere(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staging"))
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "wandb.yaml").write_text(LOGGER.read_text().replace("save_dir: .", f"save_dir: {shared}"))
    first, second = (run("fit", "--config", str(tmp_path / "wandb.yaml"), root=root) for root in ("first", "second"))
    uploads = {outcome.out.partition("wandb sync ")[2].strip() for outcome in (first, second)}
    assert uploads == {str(path) for path in shared.glob("wandb/offline-run-*")}
    assert (len(uploads), first.record.status, second.record.status) == (2, "complete", "complete")


def test_the_environment_turns_it_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    outcome = run("fit", "--config", str(LOGGER))
    assert outcome.status == 0, outcome.err
    assert not list(outcome.folder.rglob("*wandb*"))
    assert "wandb" not in outcome.out


def test_the_environment_makes_an_online_run_an_offline_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staging"))
    outcome = run("fit", "--config", str(LOGGER.with_name("wandb_online.yaml")))
    assert outcome.status == 0, outcome.err
    assert f"wandb sync {outcome.folder}/wandb/offline-run-" in outcome.out


def test_runs_may_lie_in_a_folder_that_is_named_from_here(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staging"))
    monkeypatch.chdir(tmp_path)
    outcome = run("fit", "--config", str(LOGGER), "--experiment.root=runs")  # as it is by default
    assert outcome.status == 0, outcome.err
    (line,) = [line for line in outcome.out.splitlines() if "wandb sync" in line]
    assert list(Path(line.partition("wandb sync ")[2]).glob("*.wandb"))


def test_a_run_that_diverges_leaves_its_record_there_too(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staging"))
    digital = str(CONFIG.parent / "algorithm" / "digital.yaml")
    outcome = run("fit", "--config", str(LOGGER), "--config", digital, "--optimizer.lr=1e38")
    assert outcome.status == 1
    records = messages(outcome.folder)
    assert ARTIFACT in {entry.artifact.type for entry in records}
    assert [entry.exit.exit_code for entry in records if entry.WhichOneof("record_type") == "exit"] == [1]


def test_without_an_account_an_online_run_ends_in_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "settings"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    online = tmp_path / "online.yaml"
    online.write_text(LOGGER.read_text().replace("offline: true", "offline: false"))
    outcome = run("fit", "--config", str(online))
    assert outcome.status == 2
    assert outcome.err.splitlines()[-1].startswith("error: trainer.logger: No API key configured")
    assert outcome.err.splitlines()[-1].endswith("Or write offline: true")
    assert list(outcome.root.glob("*/*")) == []
