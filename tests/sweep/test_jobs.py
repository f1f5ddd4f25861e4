"""What a sweep says before its jobs."""

from pathlib import Path

import pytest

from resbench.sweep.estimate import Estimate
from resbench.sweep.jobs import carry_out
from resbench.sweep.local import LocalExecutor


def test_changes_that_no_commit_has_are_named_before_the_runs(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("resbench.training.record.CHECKOUT", checkout)
    carry_out([], {}, Estimate(), LocalExecutor())
    assert capsys.readouterr().err == ""
    (checkout / "mine.py").touch()
    carry_out([], {}, Estimate(), LocalExecutor())
    assert capsys.readouterr().err == (
        f"note: {checkout} has uncommitted changes, so `resbench submit` will refuse what runs now; commit first if "
        "you want to submit it\n"
    )
