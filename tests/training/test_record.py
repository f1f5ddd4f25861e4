"""A training that has ended leaves a record, also where none can be made of it; what it says of the checkout."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from resbench.records.schema import read_record
from resbench.training.record import git_state
from tests.training.runs import Run

DATA = "--data=tests.training.faults.SilentData"


def test_a_checkout_has_a_commit_and_is_dirty_where_files_differ(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clean = git_state(checkout)
    assert clean is not None
    assert (len(clean.commit), clean.dirty) == (40, False)
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("elsewhere")))  # as a hook of another repository sets it
    assert git_state(checkout) == clean
    (checkout / "new.py").touch()
    subprocess.run(
        ["git", "-C", str(checkout), "config", "status.showUntrackedFiles", "no"],
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    changed = git_state(checkout)
    assert changed is not None
    assert (changed.commit, changed.dirty) == (clean.commit, True)


def test_without_git_a_checkout_is_unknown_and_never_clean(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    state = git_state(checkout)
    assert state is not None
    assert (state.commit, state.dirty) == ("unknown", True)


def test_a_checkout_that_git_refuses_is_unknown(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    state = git_state(tmp_path)
    assert state is not None
    assert (state.commit, state.dirty) == ("unknown", True)


def test_an_installed_package_has_no_checkout(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None


def test_a_run_that_can_have_no_record_is_refused_before_its_training(run: Run) -> None:
    outcome = run("fit", DATA)
    assert outcome.status == 2
    assert outcome.err.startswith("error: no record can be made of this run: KeyError: ")
    assert outcome.err.count("\n") == 1
    assert not list(outcome.root.glob("*/*"))


def test_a_record_that_cannot_be_made_at_the_end_becomes_a_failed_one(run: Run) -> None:
    outcome = run("fit", DATA, "--data.good_answers=2")
    assert outcome.status == 1
    record = outcome.record
    assert (record.status, record.steps) == ("failed", 16)
    assert record.error is not None
    assert record.error.startswith("the training ended (complete), but no record can be made of it: KeyError: ")
    assert (outcome.folder / "last.ckpt").exists()
    assert read_record(outcome.folder / "record.json").config_hash == record.config_hash


def test_a_clock_that_is_set_back_costs_no_record(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Backward(datetime):
        """An hour earlier each time that somebody looks."""

        looks = 0

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            cls.looks += 1
            return datetime(2030, 1, 1, tzinfo=UTC) - timedelta(hours=cls.looks)

    monkeypatch.setattr("resbench.training.record.datetime", Backward)
    record = run("fit").record
    assert record.status == "complete"
    assert record.finished == record.started
