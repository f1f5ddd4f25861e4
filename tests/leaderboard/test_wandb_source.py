"""Records from Weights & Biases, against a small fake of its client."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resbench.cli import main
from resbench.leaderboard.compile import compile_runs
from resbench.leaderboard.wandb_source import read_wandb
from resbench.records.schema import Record, write_record

MakeRecord = Callable[..., Record]


class FakeArtifact:
    """One file of one version of an artifact."""

    def __init__(self, type: str, content: Record | str) -> None:
        self.type = type
        self.content = content

    def get_entry(self, name: str) -> "FakeArtifact":
        if self.type != "record" or name != "record.json":
            raise KeyError(f"Path not contained in artifact: {name}")
        return self

    def download(self, root: str) -> str:
        path = Path(root, "record.json")
        if isinstance(self.content, Record):
            write_record(path, self.content)
        else:
            path.parent.mkdir(parents=True)
            path.write_text(self.content)
        return str(path)


class FakeRun:
    def __init__(self, id: str, *artifacts: FakeArtifact | Exception) -> None:
        self.path = ["team", "resbench", id]
        self.artifacts = artifacts

    def logged_artifacts(self) -> Iterator[FakeArtifact]:
        for artifact in self.artifacts:
            if isinstance(artifact, Exception):
                raise artifact
            yield artifact


class FakeApi:
    def __init__(self, *runs: FakeRun) -> None:
        self.fakes = runs

    def runs(self, path: str) -> Iterator[FakeRun]:
        if path != "team/resbench":
            raise ValueError(f"Could not find project {path}")
        yield from self.fakes


def test_each_run_gives_its_newest_record(make_record: MakeRecord) -> None:
    api = FakeApi(
        FakeRun("a", FakeArtifact("record", make_record(accuracy=0.1)), FakeArtifact("record", make_record(seed=0))),
        FakeRun("b", FakeArtifact("checkpoint", "weights"), FakeArtifact("record", make_record(seed=1, accuracy=0.93))),
    )
    runs, rejected = read_wandb("team/resbench", api)
    assert rejected == []
    (cell,) = compile_runs(runs).tables[0].rows[0].cells
    assert cell
    assert (cell.values, cell.files) == ([0.91, 0.93], ["team/resbench/a", "team/resbench/b"])


def test_runs_without_a_valid_record_are_listed_and_stop_nothing(make_record: MakeRecord) -> None:
    api = FakeApi(
        FakeRun("plain", FakeArtifact("dataset", "x")),
        FakeRun("broken", FakeArtifact("record", "{}")),
        FakeRun("denied", OSError("403: permission denied")),
        FakeRun("good", FakeArtifact("record", make_record())),
    )
    runs, rejected = read_wandb("team/resbench", api)
    assert [run.file for run in runs] == ["team/resbench/good"]
    assert {entry.file: entry.reason for entry in rejected} == {
        "team/resbench/plain": "no artifact of type record; runs of configs/logger/wandb.yaml have one",
        "team/resbench/broken": "not a record: it has no schema_version",
        "team/resbench/denied": "403: permission denied",
    }


def test_a_project_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="team/other: Could not find project team/other"):
        read_wandb("team/other", FakeApi())


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, make_record: MakeRecord) -> None:
    import wandb

    runs = [FakeRun(f"{seed}", FakeArtifact("record", make_record(seed=seed))) for seed in range(2)]
    monkeypatch.setattr(wandb, "Api", lambda: FakeApi(*runs))


def test_the_command_compiles_a_project(account: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", "--from-wandb", "team/resbench", "--out", str(tmp_path)]) == 0
    assert "| Residual learning, 4 tiles | 91.00 [91.00, 91.00] n=2, paper 97.10 ± 0.17 |" in capsys.readouterr().out
    assert (tmp_path / "leaderboard.html").exists()


@pytest.mark.parametrize(
    ("project", "message"),
    [("resbench", "write ENTITY/PROJECT"), ("team/other", "Could not find project team/other")],
)
def test_the_command_says_what_is_wrong_in_one_line(
    account: None, project: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", "--from-wandb", project]) == 2
    error: Any = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
