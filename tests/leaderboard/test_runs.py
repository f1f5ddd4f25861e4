"""The files of a folder of records: which are runs, which belong to a run, and which are foreign."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from resbench.leaderboard.compile import compile_leaderboard
from resbench.leaderboard.render import write_leaderboard
from resbench.records.schema import Record, write_record

MakeRecord = Callable[..., Record]


def test_foreign_files_are_listed_and_stop_nothing(tmp_path: Path, make_record: MakeRecord) -> None:
    write_record(tmp_path / "mnist" / "good.json", make_record())
    (tmp_path / "mnist" / "half.json").write_text('{"schema_version": 1,')
    (tmp_path / "weights.ckpt").write_bytes(b"\x80\x04")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / ".gitkeep").touch()
    leaderboard = compile_leaderboard(tmp_path)
    assert len(leaderboard.tables) == 1
    assert [entry.file for entry in leaderboard.rejected] == ["gone.json", "mnist/half.json", "weights.ckpt"]


def test_names_of_files_may_be_any_bytes(tmp_path: Path, make_record: MakeRecord) -> None:
    names = [b"caf\xc3\xa9.json", b"\xff.json", b"two\nlines.json"]
    for seed, name in enumerate(names):
        write_record(tmp_path / "records" / os.fsdecode(name), make_record(seed=seed))
    (tmp_path / "records" / os.fsdecode(b"\xfe.json")).touch()
    leaderboard = compile_leaderboard(tmp_path / "records")
    (cell,) = leaderboard.tables[0].rows[0].cells
    assert cell
    assert cell.files == ["café.json", "\\udcff.json", "two\\nlines.json"]
    assert [entry.file for entry in leaderboard.rejected] == ["\\udcfe.json"]
    assert all(path.stat().st_size for path in write_leaderboard(leaderboard, tmp_path / "out"))


def test_the_other_files_of_a_run_are_not_foreign(tmp_path: Path, make_record: MakeRecord) -> None:
    for seed, run in enumerate(("a", "a/below", "b")):
        write_record(tmp_path / run / "record.json", make_record(seed=seed))
    for name in ("a/config.yaml", "a/last.ckpt", "a/wandb/files/summary.json", "b/tiles.jsonl", "c/notes.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    leaderboard = compile_leaderboard(tmp_path)
    assert leaderboard.tables[0].rows[0].cells[0]
    assert leaderboard.tables[0].rows[0].cells[0].files == ["a/record.json", "a/below/record.json", "b/record.json"]
    assert [entry.file for entry in leaderboard.rejected] == ["c/notes.json"]


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_no_file_at_all_is_an_error(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=f"no records in .*{folder}"):
        compile_leaderboard(tmp_path / folder)
