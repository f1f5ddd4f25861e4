"""What a sweep says beside its runs."""

from pathlib import Path

import pytest

from resbench.sweep.report import note_changes


def test_changes_that_no_commit_has_are_named_before_the_runs(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    note_changes(checkout)
    note_changes(tmp_path_factory.mktemp("installed"))
    assert capsys.readouterr().err == ""
    (checkout / "mine.py").touch()
    note_changes(checkout)
    assert capsys.readouterr().err == (
        f"note: {checkout} has uncommitted changes, so `resbench submit` will refuse what runs now; commit first if "
        "you want to submit it\n"
    )
