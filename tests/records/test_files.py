from pathlib import Path

import pytest

from resbench.records.files import write_text_atomically


def test_makes_folders_and_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_text_atomically(path, "old\n")
    write_text_atomically(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_text_atomically(path, "half, then \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
