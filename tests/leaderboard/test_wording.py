import math

import pytest

from resbench.leaderboard.compile import compile_runs
from resbench.leaderboard.runs import Run
from resbench.leaderboard.wording import facts, precision, steps
from tests.records.factory import make_record


@pytest.mark.parametrize(
    ("states", "text"),
    [(None, "digital"), (2, "2 states (1 bit)"), (10, "10 states (3.3 bits)"), (math.inf, "inf states")],
)
def test_a_precision_is_states_and_bits(states: float | None, text: str) -> None:
    assert precision(states) == text


@pytest.mark.parametrize(
    ("median", "reached", "text"),
    [(None, None, "-"), (2500, 3, "2,500"), (2500, 2, "2,500 (2 of 3)"), (math.inf, 1, "1 of 3 runs"),
     (math.inf, 0, "never")],
)  # fmt: skip
def test_steps_to_a_target_say_how_many_runs_reach_it(median: float | None, reached: int | None, text: str) -> None:
    runs = [Run(file=f"{seed}.json", record=make_record(seed=seed, lr=0.05)) for seed in range(3)]
    (cell,) = compile_runs(runs).tables[0].rows[0].cells
    assert cell is not None
    assert steps(cell.model_copy(update={"steps_to_target": median, "reached": reached})) == text


def test_facts_of_a_track() -> None:
    track = make_record().track
    assert facts(track)[1] == "all layers analog"
    assert facts(track.model_copy(update={"analog_layers": ["layer3", "fc"]}))[1] == "analog layers layer3, fc"
    assert facts(track.model_copy(update={"analog_layers": []}))[1] == "analog layers none"
