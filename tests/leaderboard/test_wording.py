import math

import pytest

from resbench.leaderboard.wording import facts, precision
from tests.records.factory import make_record


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
