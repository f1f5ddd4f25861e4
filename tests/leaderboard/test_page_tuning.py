"""What the page draws of results that are too large to be drawn beside others."""

from collections.abc import Callable, Iterator

import pytest

from resbench.leaderboard.compile import compile_runs
from resbench.leaderboard.page import to_html
from resbench.leaderboard.page_tuning import _ticks, summary_views, tuning_view
from resbench.leaderboard.runs import Run
from resbench.records.schema import EpochMetrics
from tests.leaderboard.tunings import final, trial
from tests.records.factory import make_record


def tuning(validation: Callable[[int], float]) -> Iterator[Run]:
    """A tuning on losses: all trials with these results on validation data, and a training of each best point."""
    best = [min(range(first, first + 5), key=validation) for first in (1, 6, 11)]
    for run, point in [*((trial(p), p) for p in range(1, 16)), *((final(p, 0, 0.5), p) for p in best)]:
        epochs = [EpochMetrics(epoch=0, step=9, values={"val/loss": validation(point)})]
        tested = {"test/loss": 0.5} if "test/loss" in run.record.final else {"train/loss": 0.5}
        yield Run(run.file, run.record.model_copy(update={"epochs": epochs, "final": tested}))


def test_trials_that_lie_too_far_apart_are_left_out_of_the_chart() -> None:
    board = compile_runs(tuning(lambda point: 1.7e308 * (-1) ** point))
    assert to_html(board)
    (table,) = board.tables
    view = tuning_view(table)
    assert view
    assert view.charts == []


def test_trials_of_drawn_sizes_are_drawn() -> None:
    (table,) = compile_runs(tuning(lambda point: point / 10)).tables
    view = tuning_view(table)
    assert view
    (chart,) = view.charts
    assert [text for _, text in chart.ticks] == ["0.0", "0.5", "1.0", "1.5"]
    assert len(chart.curves[0].line.split()) == 15
    assert (
        chart.curves[0].line.split()[-1] == f"470.0,{222 - 212 * 0.1 / 1.5:.1f}"
    )  # the best of all 15 has a loss of 0.1
    assert [text for _, text in chart.counts] == ["1", "5", "10", "15"]


@pytest.mark.parametrize("size", [1.0, 1e17, -1e17, 1e300])
def test_all_but_equal_results_have_ticks_around_them(size: float) -> None:
    for high in (size, size + abs(size) * 1e-12):
        ticks = _ticks(size, high)
        assert ticks[0] < size <= high < ticks[-1]
        assert len(set(ticks)) == len(ticks) <= 6


def test_distances_that_cannot_be_drawn_are_left_out_of_the_summary() -> None:
    """A loss whose distance to the best is finite in one track may be infinite in the mean over two."""
    results = {"best": 0.5, "near": 0.7, "huge": 1.7e308, "infinite": float("inf")}
    runs = [
        Run(f"{track}-{name}.json", make_record(name, states=4, track=track, lr=lr, final={"test/loss": loss}))
        for track, lr in (("a", 0.1), ("b", 0.2))
        for name, loss in results.items()
    ]
    board = compile_runs(runs)
    assert to_html(board)
    ((_, chart),) = summary_views(board.tables)
    assert {row.name: [place.mean for place in row.places] for row in chart.standing} == {
        "best, 4 tiles": [0.0],
        "near, 4 tiles": [0.2],
        "huge, 4 tiles": [],
    }
