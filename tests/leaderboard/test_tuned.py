"""Tables of the ruleset `tuned`."""

import copy
import math
from typing import Any

import pytest

from resbench.leaderboard.compile import compile_runs
from resbench.leaderboard.markdown import to_markdown
from resbench.leaderboard.page import to_html
from resbench.leaderboard.runs import Run
from resbench.leaderboard.submission import check, destination
from resbench.leaderboard.tables import Leaderboard, Table
from resbench.records.identity import config_hash
from tests.leaderboard.tunings import SPACE, WINNERS, final, finals, plain_run, trial, trials


def accuracy(study: int, seed: int) -> float:
    """Study 2 is the median at even seeds, study 1 at odd ones."""
    return {1: 0.70 + 0.10 * (seed % 2 == 0), 2: 0.75, 3: 0.60}[study] + 0.001 * seed


def compiled(*runs: Run) -> Leaderboard:
    return compile_runs(runs)


def tuned(leaderboard: Leaderboard) -> Table:
    (table,) = (table for table in leaderboard.tables if table.ruleset == "tuned")
    return table


def reasons(leaderboard: Leaderboard) -> dict[str, str]:
    return {entry.file: entry.reason for entry in leaderboard.rejected}


def test_the_result_of_a_seed_is_the_median_of_the_studies() -> None:
    leaderboard = compiled(*trials(), *finals(accuracy))
    assert leaderboard.rejected == []
    (row,) = tuned(leaderboard).rows
    (cell,) = row.cells
    assert cell
    assert cell.seeds == [0, 1, 2, 3, 4, 5]
    assert cell.values == pytest.approx([0.75, 0.701, 0.752, 0.703, 0.754, 0.705])
    assert cell.files[:2] == ["final-4-10-0-.json", "final-4-3-1-.json"], "each is one of the three runs"


def test_rulesets_are_tables_of_their_own_and_never_ranked_together() -> None:
    default = [plain_run(seed, accuracy=0.5 + 0.001 * seed) for seed in range(6)]
    leaderboard = compiled(*default, *trials(), *finals(accuracy))
    assert [(table.track.name, table.ruleset) for table in leaderboard.tables] == [
        ("mnist-10k-lenet5", "default"), ("mnist-10k-lenet5", "tuned"),
    ]  # fmt: skip
    for table in leaderboard.tables:
        assert [row.label for row in table.rows] == ["Analog SGD"]
        assert [ranking.comparisons for ranking in table.rankings] == [0]


def test_what_tuning_gained_is_shown_with_what_it_took() -> None:
    default = [plain_run(seed, accuracy=0.5 + 0.001 * seed) for seed in range(6)]
    runs = [*trials()[:-1], trial(15, status="diverged"), *finals(accuracy)]
    (entry,) = tuned(compiled(*default, *runs)).tuned
    assert (entry.label, entry.states, entry.space) == ("Analog SGD", 4, "analog_sgd")
    assert (entry.trials, entry.diverged) == (15, 1)
    assert entry.default == pytest.approx(0.5025)
    assert entry.gain == pytest.approx(0.225, abs=0.001)
    assert entry.gain
    assert entry.gain_low
    assert entry.gain_high
    assert entry.gain_low < entry.gain < entry.gain_high
    assert [(study.study, study.point, study.validation) for study in entry.studies] == [
        (1, 3, 0.7), (2, 10, 0.8), (3, 11, 0.75),
    ]  # fmt: skip
    assert entry.studies[0].settings == SPACE.point(3)
    assert entry.studies[2].mean == pytest.approx(0.6025)
    assert len(entry.expected.mean) == 15
    assert entry.expected.mean[-1] == 0.8


def test_the_default_is_the_run_that_differs_in_the_tuned_keys_only() -> None:
    runs = [*trials(), *finals(accuracy)]
    others = [plain_run(states=10), plain_run(states=4, epochs=3)]
    (entry,) = tuned(compiled(*others, *runs)).tuned
    assert entry.default is None
    both = [plain_run(lr=0.2), plain_run(lr=0.3)]
    (entry,) = tuned(compiled(*both, *runs)).tuned
    assert entry.default is None, "two settings: nobody knows which is the default"
    sound = [plain_run(lr=0.2), plain_run(1, lr=0.2)]
    (entry,) = tuned(compiled(*sound, *runs)).tuned
    assert entry.default == 0.5
    (entry,) = tuned(compiled(*sound, plain_run(2, lr=0.2, status="diverged"), *runs)).tuned
    assert entry.default is None, "a seed diverged: what is left is no reference"


def test_a_result_without_all_of_its_trials_does_not_count() -> None:
    leaderboard = compiled(*trials()[1:], *finals(accuracy, seeds=[0]), trial(1, status="failed"))
    assert leaderboard.tables == []
    found = reasons(leaderboard)
    assert found["final-4-10-0-.json"] == (
        "tuning: without trial 1 of the space analog_sgd; a result comes with all 15"
    )
    assert found["trial-4-1-10000-failed.json"] == "tuning: the trial is failed"


def test_a_point_that_was_not_the_best_does_not_count() -> None:
    leaderboard = compiled(*trials(), *finals(accuracy), final(2, 0, 0.99))
    assert reasons(leaderboard) == {
        "final-4-2-0-.json": "tuning: point 2 is not the best of study 1 by its trials: point 3 is"
    }
    (row,) = tuned(leaderboard).rows
    assert row.mean == pytest.approx(0.7275, abs=0.001)


def test_two_runs_of_one_point_and_seed_with_other_values_are_in_conflict() -> None:
    runs = [*trials(), *finals(accuracy)]
    first, other = final(3, 0, 0.5), final(3, 0, 0.9)
    config: Any = copy.deepcopy(other.record.config)
    config["optimizer"]["init_args"]["lr"] *= 2
    update = {"config": config, "config_hash": config_hash(config)}
    forged = Run(file="forged.json", record=other.record.model_copy(update=update))
    for order in ([*runs, forged], [forged, *runs]):
        leaderboard = compiled(*order)
        found = reasons(leaderboard)
        assert found.keys() >= {first.file, "forged.json"}
        assert found["forged.json"].startswith("tuning: conflicting: the same point and seed, other values of what is")
        (row,) = tuned(leaderboard).rows
        assert row.cells[0]
        assert row.cells[0].seeds == [1, 2, 3, 4, 5]
    problems = [finding.text for finding in check([forged], [], runs) if finding.problem]
    assert any(text.startswith("tuning: conflicting") for text in problems)


def test_a_tested_trial_is_none() -> None:
    tested = trial(7)
    record = tested.record.model_copy(update={"final": {"train/loss": 0.1, "test/acc": 0.5}})
    leaderboard = compiled(*[run for run in trials() if run.file != tested.file], Run(file="7.json", record=record))
    assert reasons(leaderboard)["7.json"] == "tuning: the trial was tested; write trainer.limit_test_batches: 0"


def test_a_run_that_diverged_is_the_worst_of_its_seed() -> None:
    runs = [run for run in finals(accuracy) if run.file != "final-4-10-0-.json"]
    leaderboard = compiled(*trials(), *runs, final(10, 0, 0.0, status="diverged"))
    table = tuned(leaderboard)
    (row,) = table.rows
    assert row.cells[0]
    assert row.cells[0].values[0] == pytest.approx(0.6), "of 0.8, 0.6 and none the second best"
    assert [run.file for run in table.unfinished] == ["final-4-10-0-diverged.json"]


@pytest.mark.parametrize("how", [{"status": "diverged"}, {"validation": math.nan}])
def test_a_study_whose_trials_all_have_no_finite_result_is_the_worst(how: dict[str, Any]) -> None:
    lost = [trial(point, **how) for point in range(6, 11)]
    kept = [run for run in trials() if run.file.split("-")[2] not in ["6", "7", "8", "9", "10"]]
    runs = [run for run in finals(accuracy) if "-10-" not in run.file]
    (row,) = tuned(compiled(*kept, *lost, *runs)).rows
    assert row.cells[0]
    assert row.cells[0].values[:2] == pytest.approx([0.60, 0.601])


def test_a_seed_without_a_run_of_each_study_has_no_result() -> None:
    failed = final(11, 5, 0.0, status="failed")
    runs = [run for run in finals(accuracy) if run.file != "final-4-11-5-.json"]
    table = tuned(compiled(*trials(), *runs, failed))
    (row,) = table.rows
    assert row.cells[0]
    assert row.cells[0].seeds == [0, 1, 2, 3, 4]
    assert row.unfinished == 1


def test_a_tuning_that_is_under_way_has_no_result_yet_and_loses_none() -> None:
    one_study = [run for run in finals(accuracy) if run.file.startswith("final-4-3-")]
    leaderboard = compiled(*trials(), *one_study)
    table = tuned(leaderboard)
    assert (table.rows, [entry.label for entry in table.tuned]) == ([], ["Analog SGD"])
    assert table.cell_of(table.tuned[0]) is None
    assert reasons(leaderboard)["final-4-3-5-.json"] == "tuning: seed 5 has not ended in every study"
    assert "| Analog SGD | 4 states (2 bits) | - | - | - | 15 |" in to_markdown(leaderboard)
    assert "seed 5 has not ended in every study" in to_html(leaderboard)


def test_a_study_that_lacks_a_seed_takes_the_seed_out_of_the_others_and_says_so() -> None:
    runs = [run for run in finals(accuracy) if run.file != "final-4-10-5-.json"]
    assert reasons(compiled(*trials(), *runs)) == {
        f"final-4-{point}-5-.json": "tuning: seed 5 has not ended in every study" for point in (3, 11)
    }


def test_trials_of_another_precision_are_not_those_of_a_training() -> None:
    leaderboard = compiled(*trials(states=16.0), *finals(accuracy))
    assert leaderboard.tables == []
    assert "without trial 1, 2, 3" in reasons(leaderboard)["final-4-3-0-.json"]


def test_a_complete_tuning_can_be_submitted_in_two_parts() -> None:
    runs = [*trials(), *finals(accuracy)]
    assert [finding.text for finding in check(runs) if finding.problem] == []
    board = [Run(file=f"board/{destination(run)}", record=run.record) for run in trials()]
    assert [finding.text for finding in check(finals(accuracy), board=board) if finding.problem] == []
    assert destination(trial(3)).startswith("mnist-10k-lenet5/trials/Analog_SGD-4-seed10000-")


@pytest.mark.parametrize(
    ("runs", "problem"),
    [
        ([*trials()[:-1], *finals(accuracy)], "tuning: without trial 15 of the space analog_sgd; a result comes with"),
        (trials(), "tuning: a trial, and no run of the points that were chosen"),
        ([*trials(), *finals(accuracy)[:-1]], "tuning: seed 5 missing of study 3"),
        ([*trials(), *finals(accuracy), final(WINNERS[0] + 1, 0, 0.9)], "tuning: point 4 is not the best of study 1"),
    ],
)
def test_an_incomplete_tuning_is_refused(runs: list[Run], problem: str) -> None:
    assert any(finding.text.startswith(problem) for finding in check(runs) if finding.problem)


def test_values_that_are_not_those_of_the_point_are_refused() -> None:
    own = [final(point, 0, 0.9) for point in WINNERS]
    optimizer = {"class_path": "resbench.nn.AnalogOptimizer", "init_args": {"lr": 0.123}}
    config = own[0].record.config | {"optimizer": optimizer}
    forged = Run(file="forged.json", record=own[0].record.model_copy(update={"config": config}))
    found = [finding for finding in check([*trials(), forged, *own[1:]]) if finding.problem]
    wanted = f"point 3 of the space analog_sgd has optimizer.lr {SPACE.point(3)['optimizer.lr']}, the config 0.123"
    assert ("forged.json", f"tuning: {wanted}") in [(finding.file, finding.text) for finding in found]


def test_default_tuned_and_difference_stand_side_by_side() -> None:
    default = [plain_run(seed, accuracy=0.5 + 0.001 * seed) for seed in range(6)]
    leaderboard = compiled(*default, *trials(), *finals(accuracy))
    text = to_markdown(leaderboard)
    assert "## mnist-10k-lenet5, tuned" in text
    assert "| Analog SGD | 4 states (2 bits) | 50.25 [50.10, 50.38] | 72.75 [" in text
    assert "| 15 | 3, 75.25; 10, 75.25; 11, 60.25 |" in text
    page = to_html(leaderboard)
    assert "What tuning changed" in page
    assert page.count('class="band"') == 1, "one algorithm at one precision"
    assert "What tuning changed" not in to_html(compiled(*default))
