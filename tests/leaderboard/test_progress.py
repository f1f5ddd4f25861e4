import math
from collections.abc import Callable

import pytest

from resbench.leaderboard.compile import compile_runs
from resbench.leaderboard.progress import MAX_POINTS, curve, steps_to_target, target
from resbench.leaderboard.runs import Run
from resbench.leaderboard.tables import METRICS
from resbench.leaderboard.wording import steps
from resbench.records.schema import EpochMetrics, Record

MakeRecord = Callable[..., Record]
ACCURACY, LOSS = METRICS


def run(make_record: MakeRecord, values: list[float], seed: int = 0, key: str = "val/acc") -> Record:
    epochs = [EpochMetrics(epoch=e, step=100 * (e + 1), values={key: value}) for e, value in enumerate(values)]
    return make_record(seed=seed).model_copy(update={"epochs": epochs})


def test_the_target_is_95_percent_of_the_digital_validation_accuracy(make_record: MakeRecord) -> None:
    digital = [run(make_record, [0.5, final], seed) for seed, final in enumerate((0.98, 0.96))]
    assert target(digital, ACCURACY) == pytest.approx(0.95 * 0.97)
    assert target([run(make_record, [2.0], key="val/loss")], LOSS) == pytest.approx(2.1)
    assert target([], ACCURACY) is None
    assert target([*digital, run(make_record, [])], ACCURACY) is None
    assert target([run(make_record, [2.0], key="val/loss")], ACCURACY) is None


def test_steps_are_the_median_over_seeds_to_the_first_epoch_that_reaches_it(make_record: MakeRecord) -> None:
    runs = [run(make_record, values, seed) for seed, values in enumerate(([0.9, 0.8], [0.1, 0.9], [0.1, 0.2]))]
    assert steps_to_target(runs, ACCURACY, 0.85) == (200, 2)
    assert steps_to_target(runs, ACCURACY, 0.95) == (math.inf, 0)
    assert steps_to_target(runs[:2], ACCURACY, 0.9) == (150, 2)
    losses = [run(make_record, [3.0, math.nan, 2.0], key="val/loss")]
    assert steps_to_target(losses, LOSS, 2.5) == (300, 1)


def test_runs_that_diverged_are_among_the_seeds(make_record: MakeRecord) -> None:
    runs = [run(make_record, values, seed) for seed, values in enumerate(([0.9], [0.1, 0.9]))]
    assert steps_to_target(runs, ACCURACY, 0.85, diverged=1) == (200, 2)
    assert steps_to_target(runs[:1], ACCURACY, 0.85, diverged=5) == (math.inf, 1)
    track = [make_record("Digital", states=None, tiles=0), make_record()]
    lost = [make_record(seed=seed, status="diverged", final={}) for seed in range(1, 6)]
    runs_of = [Run(file=str(index), record=record) for index, record in enumerate([*track, *lost])]
    cell = compile_runs(runs_of).tables[0].rows[1].cells[0]
    assert cell
    assert steps(cell) == "1 of 6 runs"


def test_a_curve_has_the_mean_and_the_range_at_shared_steps(make_record: MakeRecord) -> None:
    runs = [run(make_record, [0.1, 0.5, 0.7]), run(make_record, [0.3, 0.6], seed=1)]
    result = curve(runs, ACCURACY)
    assert result
    assert (result.steps, result.low, result.high) == ([100, 200], [0.1, 0.5], [0.3, 0.6])
    assert result.mean == pytest.approx([0.2, 0.55])
    assert result.key == "val/acc"
    assert curve(runs, LOSS) is None


def test_without_validation_data_the_curve_is_that_of_training(make_record: MakeRecord) -> None:
    result = curve([run(make_record, [3.0, 2.5], key="train/loss")], LOSS)
    assert result
    assert (result.key, result.mean) == ("train/loss", [3.0, 2.5])


@pytest.mark.parametrize("epochs", [99, 100, 101, 400])
def test_a_long_curve_is_thinned_and_keeps_its_end(make_record: MakeRecord, epochs: int) -> None:
    result = curve([run(make_record, [e / epochs for e in range(epochs)])], ACCURACY)
    assert result
    assert result.steps[-1] == 100 * epochs
    assert MAX_POINTS / 2 <= len(result.steps) <= MAX_POINTS
