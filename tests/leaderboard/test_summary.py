"""The summary over tracks."""

from collections.abc import Callable

import pytest

from resbench.leaderboard.compile import compile_runs
from resbench.leaderboard.markdown import to_markdown
from resbench.leaderboard.page import to_html
from resbench.leaderboard.runs import Run
from resbench.leaderboard.summary import summaries, words
from resbench.leaderboard.tables import Leaderboard
from tests.records.factory import make_record


def run(algorithm: str, track: str, states: float, accuracy: float) -> Run:
    lr = {"easy": 0.05, "hard": 0.06}[track]  # a config of its own
    record = make_record(algorithm, tiles=2, track=track, states=states, accuracy=accuracy, lr=lr)
    return Run(file=f"{algorithm}-{track}-{states}.json", record=record)


RUNS = [
    run("A", "easy", 4, 0.90), run("B", "easy", 4, 0.895),
    run("A", "easy", 10, 0.80), run("B", "easy", 10, 0.95),
    run("A", "hard", 4, 0.50), run("B", "hard", 4, 0.43),
    run("A", "hard", 10, 0.60),
]  # fmt: skip


def test_a_row_is_summarised_by_a_share_and_its_worst_case() -> None:
    (summary,) = summaries(compile_runs(RUNS).tables)
    assert (summary.ruleset, summary.tables, summary.levels) == ("default", 2, 4)
    first, second = summary.rows
    assert (first.label, first.close, first.results) == ("A", 3, 4)
    assert words(first.worst) == "15.00 points behind: easy, 10 states"
    assert (second.label, second.close, second.results) == ("B", 2, 3), "no result is not close"
    assert words(second.worst) == "7.00 points behind: hard, 4 states"


def test_one_track_needs_no_summary() -> None:
    assert summaries(compile_runs(RUNS[:4]).tables) == []


@pytest.mark.parametrize("render", [to_markdown, to_html])
def test_the_summary_is_shown(render: Callable[[Leaderboard], str]) -> None:
    assert "15.00 points behind: easy, 10 states" in render(compile_runs(RUNS))
