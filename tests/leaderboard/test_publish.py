"""The folder for a static host."""

import json
from pathlib import Path

import pytest

from resbench.cli import main
from resbench.config.yaml import load_yaml
from resbench.records.schema import read_record, write_record
from tests.records.factory import MakeRecord


@pytest.fixture
def board(make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs, one of which failed, a copy of the first, and a file that is no record."""
    monkeypatch.chdir(tmp_path)
    write_record("board/a track/first.json", make_record())
    write_record("board/a track/second.json", make_record(seed=1, status="failed", error="no", final={}))
    write_record("board/copy.json", make_record(minutes=5))
    Path("board/foreign.json").write_text("{}")
    return Path("board")


def test_it_has_the_page_the_records_that_were_used_and_a_card(board: Path) -> None:
    assert main(["leaderboard", "--records", "board", "--publish", "site"]) == 0
    site = Path("site")
    copies = sorted(path.relative_to(site / "records").as_posix() for path in site.glob("records/**/*.json"))
    assert copies == ["a track/first.json", "a track/second.json"]
    for name in copies:
        assert (site / "records" / name).read_bytes() == (board / name).read_bytes()
    lines = [json.loads(line) for line in (site / "data" / "records.jsonl").read_text().splitlines()]
    assert [line.pop("file") for line in lines] == copies
    write_record("again.json", type(read_record(board / copies[0])).model_validate_json(json.dumps(lines[0])))
    assert Path("again.json").read_bytes() == (board / copies[0]).read_bytes()
    front, text = (site / "README.md").read_text().removeprefix("---\n").split("---\n", 1)
    assert load_yaml(front)["configs"] == [{"config_name": "default", "data_files": "data/records.jsonl"}]
    assert "2 records: 1 complete, 1 failed." in text
    assert '"records":"records"' in (site / "index.html").read_text()


def test_parquet_has_a_row_for_each_record(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert main(["leaderboard", "--records", "board", "--publish", "site"]) == 0
    assert capsys.readouterr().err == ""
    rows = parquet.read_table("site/data/records.parquet").to_pylist()
    assert [(row["seed"], row["status"], row["test_acc"]) for row in rows] == [
        (0, "complete", 0.91),
        (1, "failed", None),
    ]
    assert json.loads(rows[0]["record"]) == json.loads((board / "a track" / "first.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--records", "board", "--publish", "board/site"],
            "--publish board/site: this is inside board; name a folder",
        ),
        (["--records", "board", "--publish", "board/foreign.json/x"], "--publish board/foreign.json/x: this is inside"),
        (["--records", "board", "--publish", "again.json"], "--publish again.json: "),
    ],
)
def test_a_place_that_does_not_fit_is_refused(
    arguments: list[str], message: str, board: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("again.json").touch()
    assert main(["leaderboard", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert sorted(path.name for path in board.iterdir()) == ["a track", "copy.json", "foreign.json"]
