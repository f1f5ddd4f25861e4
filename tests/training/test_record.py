"""A training that has ended leaves a record, also where none can be made of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from resbench.leaderboard.records import read_record
from tests.training.runs import Run

DATA = "--data=tests.training.faults.SilentData"


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
