"""The folder for a static host."""

import json
import shutil
from pathlib import Path

import pytest

from resbench.cli import main
from resbench.config.yaml import load_yaml
from resbench.leaderboard.publish import NAMES
from resbench.records.schema import read_record, write_record
from tests.records.factory import MakeRecord, make_record


def contents() -> dict[str, bytes]:
    """All files below the present folder."""
    return {path.as_posix(): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


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
        (["--records", "records", "--publish", "."], "--publish .: its copies of the records, in records, would be"),
        (["--records", "records/deep", "--publish", "."], "--publish .: its copies of the records, in records, would"),
        (["--records", ".", "--publish", "records/new"], "--publish records/new: this is inside .; name a folder"),
        (["--records", "records", "--publish", "linked"], "--publish linked: its copies of the records, in linked/rec"),
        (["--records", "board", "--publish", "."], "--publish .: this would replace records, which no earlier pub"),
        (["--records", "board", "--publish", "notes"], "--publish notes: this would replace README.md, figures, which"),
        (["--records", "board", "--publish", "notes", "--out", "out"], "--publish notes: this would replace README.md"),
    ],
)
def test_a_place_that_does_not_fit_is_refused(
    arguments: list[str], message: str, board: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("again.json").touch()
    shutil.copytree(board, "records")
    shutil.copytree(board, "records/deep")
    Path("notes").mkdir()
    Path("notes/README.md").write_text("mine")
    Path("notes/figures").mkdir()
    Path("linked").mkdir()
    Path("linked/records").symlink_to(Path("records").resolve())
    before = contents()
    assert main(["leaderboard", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert contents() == before


def test_a_folder_is_published_again_and_keeps_what_lies_beside(board: Path) -> None:
    Path("site/docs").mkdir(parents=True)
    Path("site/.git").write_text("of a work tree")
    Path("site/docs/index.html").write_text("documentation")
    for seed in (2, 3):
        write_record(board / f"{seed}.json", make_record(seed=seed))
        assert main(["leaderboard", "--records", "board", "--publish", "site"]) == 0
        assert len(Path("site/data/records.jsonl").read_text().splitlines()) == seed + 1
        assert len(list(Path("site/records").glob("**/*.json"))) == seed + 1
    assert Path("site/.git").read_text() == "of a work tree"
    assert Path("site/docs/index.html").read_text() == "documentation"
    assert {path.name for path in Path("site").iterdir()} == {*NAMES, "docs", ".git", ".nojekyll"}


def test_what_no_longer_belongs_is_removed_and_nothing_else(board: Path) -> None:
    write_record(board / "gone" / "third.json", make_record(track="another", seed=2))
    assert main(["leaderboard", "--records", "board", "--publish", "site"]) == 0
    stale = [Path("site/records/gone/third.json"), Path("site/figures/another.svg")]
    assert all(path.is_file() for path in stale)
    written = Path("site/data/files.json")
    outside, linked = Path("outside"), Path("site/figures/linked")
    own = [outside / "mine.json", Path("site/records/mine.json"), Path("site/figures/mine.svg"), Path("site/mine.txt")]
    outside.mkdir()
    linked.symlink_to(outside.resolve())
    for path in own:
        path.write_text("mine")
    # Others may have changed the list.
    foreign = [
        "figures/linked/mine.json",
        "records/../../outside/mine.json",
        str(own[0].resolve()),
        "mine.txt",
        "\0",
        5,
    ]
    written.write_text(json.dumps([*json.loads(written.read_text()), *foreign, "records/", "figures"]))
    shutil.rmtree(board / "gone")
    assert main(["leaderboard", "--records", "board", "--publish", "site"]) == 0
    assert not any(path.exists() for path in stale)
    assert not Path("site/records/gone").exists()
    assert {path.read_text() for path in own} == {"mine"}
    names = json.loads(written.read_text())
    assert "records/a track/first.json" in names
    assert not {"records/gone/third.json", "mine.txt"} & set(names)
    for damaged in ("{", "{}", "[" * 100_000):
        written.write_text(damaged)
        assert main(["leaderboard", "--records", "board", "--publish", "site"]) == 0


def test_an_interrupted_publication_can_be_repeated(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("resbench.leaderboard.publish.write_record", stop)
        assert main(["leaderboard", "--records", "board", "--publish", "site"]) == 130
    assert not Path("site/records").exists()
    assert main(["leaderboard", "--records", "board", "--publish", "site"]) == 0
    assert Path("site/records/a track/first.json").is_file()
