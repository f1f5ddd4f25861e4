"""What a sweep says before its jobs."""

from pathlib import Path

import pytest

from resbench.sweep.estimate import Estimate
from resbench.sweep.jobs import carry_out
from resbench.sweep.local import LocalExecutor


def test_code_that_no_record_could_name_is_noted_before_the_runs(
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
    monkeypatch.setenv("PATH", "")
    carry_out([], {}, Estimate(), LocalExecutor())
    assert capsys.readouterr().err == (
        f"note: {checkout} could not be read by git, so `resbench submit` will refuse what runs now; see what "
        "`git status` says there\n"
    )
