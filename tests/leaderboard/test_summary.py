"""The summary over tracks."""

from collections.abc import Callable

import pytest

from resbench.leaderboard.compile import compile_runs
from resbench.leaderboard.markdown import to_markdown
from resbench.leaderboard.page import to_html
from resbench.leaderboard.runs import Run
from resbench.leaderboard.standings import standings
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


def test_a_mean_one_point_behind_is_close_however_it_is_rounded() -> None:
    results = (("A", 0.98), ("B", 0.97), ("C", 0.9699))
    board = compile_runs([run(name, track, 4, value) for name, value in results for track in ("easy", "hard")])
    (summary,) = summaries(board.tables)
    assert [(row.label, row.close) for row in summary.rows] == [("A", 2), ("B", 2), ("C", 0)]
    assert [row.close_levels(0.01) for row in board.tables[0].rows] == [1, 1, 0]


def test_a_row_is_summarised_by_a_share_and_its_worst_case() -> None:
    (summary,) = summaries(compile_runs([*RUNS, run("C", "hard", 10, 0.55)]).tables)
    assert (summary.ruleset, summary.tables, summary.levels) == ("default", 2, 4)
    first, second, _ = summary.rows
    assert (first.label, first.close, first.results) == ("A", 3, 4)
    assert words(first.worst) == "15.00 points behind: easy, 10 states"
    assert (second.label, second.close, second.results) == ("B", 2, 3), "no result is not close"
    assert words(second.worst) == "7.00 points behind: hard, 4 states"


def test_a_precision_that_only_one_row_has_run_does_not_count() -> None:
    """Else whoever runs one row at one more precision makes all others not close there."""
    (before,) = summaries(compile_runs(RUNS[:6]).tables)
    (after,) = summaries(compile_runs(RUNS).tables)
    assert after == before
    assert (before.levels, [(row.label, row.close, row.results) for row in before.rows]) == (
        3, [("B", 2, 3), ("A", 2, 3)]
    )  # fmt: skip


def test_a_row_that_diverged_has_run_too() -> None:
    record = make_record("B", tiles=2, track="hard", states=10, lr=0.06, status="diverged", final={})
    (summary,) = summaries(compile_runs([*RUNS, Run(file="diverged.json", record=record)]).tables)
    assert (summary.levels, [(row.label, row.close, row.results) for row in summary.rows]) == (
        4, [("A", 3, 4), ("B", 2, 3)]
    )  # fmt: skip


def test_what_is_left_of_a_row_is_neither_best_nor_close() -> None:
    """A on easy at 4 states is the best only as long as its seed that diverged is not counted."""
    record = make_record("A", tiles=2, track="easy", states=4, seed=1, status="diverged", final={}, lr=0.05)
    board = compile_runs([*RUNS, Run(file="diverged.json", record=record)])
    (summary,) = summaries(board.tables)
    assert [(row.label, row.close, row.results) for row in summary.rows] == [("B", 2, 3), ("A", 1, 2)]
    found = standings(board.tables, "default")
    assert found is not None
    assert dict(found.answers())[4].startswith("B is best on 1 of 2 tracks; A on 1. On easy it reaches 89.50 %.")
    assert "90.00 n=1, 1 diverged" in to_markdown(board)
    page = to_html(board)
    assert "4: B 89.50" in page
    assert "4: A 90.00" not in page


def test_one_track_needs_no_summary() -> None:
    assert summaries(compile_runs(RUNS[:4]).tables) == []


def test_the_answer_names_the_best_its_distance_to_digital_and_the_next() -> None:
    digital = make_record("Digital", tiles=0, states=None, track="easy", accuracy=0.97, lr=0.05)
    found = standings(compile_runs([*RUNS, Run(file="digital.json", record=digital)]).tables, "default")
    assert found is not None
    (states, text), *others = found.answers()
    assert (states, others) == (4, [])  # of 4 and 10, only 4 is told
    assert text == (
        "A is best on all 2 tracks. On easy it reaches 90.00 %, 7.00 points behind digital. "
        "Next is B with 89.50 %. A takes 90 pulses on the most written device against 90."
    )


def test_tracks_with_another_metric_are_named() -> None:
    texts = [
        Run(file=f"{name}.json", record=make_record(name, tiles=2, track="text", final={"test/loss": loss}, lr=0.07))
        for name, loss in (("A", 2.5), ("B", 2.4))
    ]
    found = standings(compile_runs([*RUNS, *texts]).tables, "default")
    assert found is not None
    assert found.left_out == "Only tracks with test accuracy count here, so not text."
    assert next(found.answers())[1].startswith("A is best on all 2 tracks.")


def test_the_chart_shows_means_over_the_tracks_that_compare_rows() -> None:
    found = standings(compile_runs(RUNS).tables, "default")
    assert found is not None
    behind = {
        row.label: {states: (round(mean, 9), tracks) for states, (mean, tracks) in row.behind.items()}
        for row in found.rows()
    }
    assert behind == {
        "B": {4: (0.0375, 2), 10: (0.0, 1)},
        "A": {4: (0.0, 2), 10: (0.15, 1)},  # on the hard track only A has run 10 states
    }


def test_who_ran_alone_is_not_the_best() -> None:
    assert standings(compile_runs(RUNS[6:]).tables, "default") is None


@pytest.mark.parametrize("render", [to_markdown, to_html])
def test_the_summary_is_shown(render: Callable[[Leaderboard], str]) -> None:
    assert "15.00 points behind: easy, 10 states" in render(compile_runs(RUNS))
