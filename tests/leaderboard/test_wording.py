import math

import pytest

from resbench.leaderboard.wording import duration, facts, precision
from tests.leaderboard.conftest import make_record


@pytest.mark.parametrize(
    ("states", "text"),
    [(None, "digital"), (2, "2 states (1 bit)"), (10, "10 states (3.3 bits)"), (math.inf, "inf states")],
)
def test_a_precision_is_states_and_bits(states: float | None, text: str) -> None:
    assert precision(states) == text


def test_facts_of_a_track() -> None:
    track = make_record().track
    assert facts(track)[1] == "all layers analog"
    assert facts(track.model_copy(update={"analog_layers": ["layer3", "fc"]}))[1] == "analog layers layer3, fc"
    assert facts(track.model_copy(update={"analog_layers": []}))[1] == "analog layers none"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"), (59.6, "1 min"), (59.4, "59 s"), (61, "1 min"), (3599, "1 h 0 min"),
        (5 * 3600 + 7 * 60, "5 h 7 min"), (7 * 86400 + 3 * 3600, "7 d 3 h"),
    ],
)  # fmt: skip
def test_durations_are_said_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
