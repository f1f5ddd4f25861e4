"""The place of a run in a tuning."""

from pathlib import Path
from typing import Any

import pytest

from resbench.errors import BadValue
from resbench.tuning.entry import Tuning, tuning_of, value_at, wrong_point
from resbench.tuning.space import Axis, Space

SPACE = Space(
    "own",
    Path("own.yaml"),
    ("algorithm/tiki_taka.yaml",),
    {},
    {"optimizer.lr": Axis("log", (0.01, 1.0)), "model.algorithm.pulses.desired_bl": Axis("choice", (5, 31))},
)
ENTRY = {"space": "own", "digest": SPACE.digest, "keys": list(SPACE.axes), "point": 2, "trial": True}


def config(lr: float = 0.026, length: int = 31, **entry: Any) -> dict[str, Any]:
    pulses = {"desired_bl": length}
    return {
        "experiment": {"tuning": ENTRY | entry},
        "optimizer": {"class_path": "SGD", "init_args": {"lr": lr}},
        "model": {"init_args": {"algorithm": {"class_path": "TikiTaka", "init_args": {"pulses": pulses}}}},
    }


def test_a_run_knows_its_place() -> None:
    assert tuning_of({}) is None
    assert tuning_of({"experiment": {"name": "a"}}) is None
    place = tuning_of(config(point=11))
    assert place == Tuning("own", SPACE.digest, list(SPACE.axes), 11, True)
    assert [Tuning("a", "b", [], point, True).study for point in (1, 5, 6, 10, 11, 15)] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"point": 0}, "experiment.tuning.point: 0 is no point; write 1 to 15"),
        ({"point": True}, "experiment.tuning.point: True is no int"),
        ({"point": 16}, "experiment.tuning.point: 16 is no point"),
        ({"space": "../own"}, "experiment.tuning.space: ../own is no name"),
        ({"space": "a" * 101}, "is no name; write up to 100 letters"),
        ({"keys": [1]}, r"experiment.tuning.keys: \[1\] is no list of dotted keys"),
        ({"more": 1}, "is no place in a tuning; it has space, digest, keys, point, trial"),
    ],
)
def test_what_is_no_place_is_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(BadValue, match=message):
        tuning_of(config(**entry))


def test_a_key_may_leave_init_args_out() -> None:
    for key in ("optimizer.lr", "optimizer.init_args.lr"):
        assert value_at(config(), key) == 0.026
    assert value_at(config(), "model.algorithm.pulses.desired_bl") == 31
    for key in ("optimizer.momentum", "model.algorithm.pulses.desired_bl.more", "data", "init_args"):
        with pytest.raises(KeyError):
            value_at(config(), key)


def test_the_values_of_a_config_are_those_of_its_point() -> None:
    place = tuning_of(config())
    assert place
    assert wrong_point(config(), place, SPACE) is None
    assert wrong_point(config(lr=0.03), place, SPACE) == (
        "point 2 of the space own has optimizer.lr 0.026, the config 0.03"
    )
    other = tuning_of(config(point=1))
    assert other
    assert wrong_point(config(), other, SPACE) == "point 1 of the space own has optimizer.lr 0.26, the config 0.026"
    changed = Tuning("own", "0" * 12, [], 2, True)
    assert wrong_point(config(), changed, SPACE) == (
        f"the space own has the digest {SPACE.digest} here and 000000000000 in the record"
    )
    lacking = config()
    del lacking["optimizer"]
    assert wrong_point(lacking, place, SPACE) == "the config has no optimizer.lr, which the space own tunes"
