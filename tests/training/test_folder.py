"""The folder of a run."""

from pathlib import Path

import pytest

from resbench.errors import UserError
from resbench.training.folder import RunFolder

HASH = "0123456789abcdef"


def attempt(folder: RunFolder, text: str, complete: bool) -> Path:
    folder.begin()
    folder.clear()
    (folder.attempt / "record.json").write_text(text)
    return folder.end(complete)


def test_only_a_complete_run_takes_the_name(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "name", HASH)
    assert attempt(folder, "failed", complete=False) == tmp_path / "name" / "0123456789ab.attempt"
    assert attempt(folder, "first", complete=True) == tmp_path / "name" / "0123456789ab"
    assert attempt(folder, "failed again", complete=False).name == "0123456789ab.attempt"
    assert (folder.complete / "record.json").read_text() == "first"
    assert attempt(folder, "second", complete=True) == folder.complete
    assert (folder.complete / "record.json").read_text() == "second"
    assert [path.name for path in (tmp_path / "name").iterdir()] == ["0123456789ab"]


def test_what_only_the_earlier_run_has_stays(tmp_path: Path) -> None:
    """Also where the process is killed between the renaming of the folders and the end."""
    folder = RunFolder(tmp_path, "name", HASH)
    attempt(folder, "first", complete=True)
    (folder.complete / "wandb" / "offline-run-1").mkdir(parents=True)
    (folder.complete / "wandb" / "offline-run-1" / "run.wandb").write_text("not uploaded")
    (folder.complete / "test-01234567.json").write_text("evaluation")
    folder.begin()
    folder.clear()
    (folder.attempt / "record.json").write_text("second")
    (folder.attempt / "wandb" / "offline-run-2").mkdir(parents=True)
    folder.end(complete=True)
    kept = ["record.json", "test-01234567.json", "wandb", "wandb/offline-run-1", "wandb/offline-run-1/run.wandb"]
    kept.append("wandb/offline-run-2")
    assert sorted(str(path.relative_to(folder.complete)) for path in folder.complete.rglob("*")) == kept
    assert (folder.complete / "record.json").read_text() == "second"
    old = folder.complete.with_name(f"{folder.complete.name}.old")
    old.mkdir()
    (old / "predictions.csv").write_text("of the first")
    (old / "record.json").write_text("first")
    folder.begin()
    folder.release()
    assert (folder.complete / "predictions.csv").read_text() == "of the first"
    assert (folder.complete / "record.json").read_text() == "second"
    assert not old.exists()


def test_an_attempt_can_be_continued(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "name", HASH)
    attempt(folder, "interrupted", complete=False)
    (folder.attempt / ".last.ckpt.0123abcd.tmp").touch()
    folder.begin()
    assert [path.name for path in folder.attempt.iterdir()] == ["record.json"]
    folder.clear()
    assert not any(folder.attempt.iterdir())
    folder.end(complete=False)


def test_folders_that_are_links_are_replaced_and_what_they_name_is_left(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    folder = RunFolder(tmp_path, "name", HASH)
    attempt(folder, "first", complete=True).rename(archive)
    folder.complete.symlink_to(archive)
    for text in ("second", "third"):
        assert attempt(folder, text, complete=True) == folder.complete
        assert (folder.complete / "record.json").read_text() == text
        assert [path.name for path in (tmp_path / "name").iterdir()] == [folder.complete.name]
    folder.attempt.symlink_to(archive)
    attempt(folder, "failed", complete=False)
    folder.complete.rename(tmp_path / "moved")
    folder.complete.symlink_to(tmp_path / "nowhere")
    assert attempt(folder, "fourth", complete=True) == folder.complete
    assert (folder.complete / "record.json").read_text() == "fourth"
    assert (archive / "record.json").read_text() == "first"


def test_a_run_in_progress_is_left_alone(tmp_path: Path) -> None:
    folder, other = RunFolder(tmp_path, "name", HASH), RunFolder(tmp_path, "name", HASH)
    folder.begin()
    folder.clear()
    (folder.attempt / "last.ckpt").touch()
    with pytest.raises(UserError, match="in progress in another process"):
        other.begin()
    assert (folder.attempt / "last.ckpt").exists()
    folder.end(complete=True)
    other.begin()
    other.end(complete=False)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"experiment\.root: .* cannot be written"):
        RunFolder(tmp_path / "file", "name", HASH).begin()
