"""The plan of a tuning."""

import json
from pathlib import Path

import pytest

from resbench.errors import UserError
from resbench.sweep.tuning import read_tuning
from resbench.tuning.entry import TRIAL_SEED

TUNING = """
seeds: [0, 1]
base: track/digits_mlp.yaml
runs:
  - spaces: [spaces/digital.yaml]
  - spaces: [spaces/analog_sgd.yaml, spaces/tiki_taka.yaml]
    config: device/softbounds.yaml
    set: {trainer.max_epochs: 3}
    grid: {model.device.states: [4, 10]}
"""


def write(folder: Path, text: str = TUNING) -> Path:
    path = folder / "tuning.yaml"
    path.write_text(text)
    return path


def test_a_search_is_a_space_at_a_precision(tmp_path: Path) -> None:
    folder, searches = read_tuning(write(tmp_path), tmp_path / "out")
    assert folder == tmp_path / "out"
    assert [search.name for search in searches] == [
        *("digital", "analog_sgd-states4", "analog_sgd-states10", "tiki_taka-states4", "tiki_taka-states10")
    ]
    trials = searches[1].trials
    assert [trial.name for trial in trials] == [f"analog_sgd-states4-trial{point:02d}" for point in range(1, 16)]
    assert {trial.seed for trial in trials} == {TRIAL_SEED}
    second = trials[1].arguments
    point = searches[1].space.point(2)
    assert "--trainer.limit_test_batches=0" in second
    assert f"--optimizer.lr={point['optimizer.lr']}" in second
    assert {"--model.device.states=4", "--trainer.max_epochs=3"} < set(second)
    (place,) = (json.loads(text.partition("=")[2]) for text in second if text.startswith("--experiment.tuning="))
    assert (place["space"], place["point"], place["trial"]) == ("analog_sgd", 2, True)


def test_different_searches_of_one_name_are_numbered(tmp_path: Path) -> None:
    more = "  - {spaces: [spaces/digital.yaml], set: {trainer.max_epochs: 2}}\n"
    _, searches = read_tuning(write(tmp_path, TUNING + more))
    assert [search.name for search in searches if search.space.name == "digital"] == ["digital", "digital-2"]
    assert searches[-1].trials[0].name == "digital-2-trial01"
    assert "--experiment.name=digital-2-trial01" in searches[-1].trials[0].arguments


def test_the_best_points_are_trained_with_the_seeds_of_the_board_and_tested(tmp_path: Path) -> None:
    _, searches = read_tuning(write(tmp_path))
    cells = searches[0].finals({1: 3, 3: 14})
    assert [(cell.name, cell.seed) for cell in cells] == [
        ("digital-study1", 0), ("digital-study1", 1), ("digital-study3", 0), ("digital-study3", 1),
    ]  # fmt: skip
    assert all('"point": 14, "trial": false' in cell.arguments[-3] for cell in cells[2:])
    assert not any("limit_test_batches" in argument for cell in cells for argument in cell.arguments)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("spaces: [spaces/digital.yaml]", "spaces: spaces/digital.yaml", "spaces: 'spaces/digital.yaml' is no list"),
        (
            "spaces/digital",
            "spaces/digitall",
            "runs: spaces: there is no spaces/digitall.yaml; did you mean spaces/digi",
        ),
        ("{trainer.max_epochs: 3}", "[1]", r"runs: set: \[1\] is no mapping; write lines such as 'model.device.states"),
        ("{trainer.max_epochs: 3}", "abc", "runs: set: 'abc' is no mapping; write lines such as"),
        ("{trainer.max_epochs: 3}", "0", "runs: set: 0 is no mapping; write lines such as"),
        ("{trainer.max_epochs: 3}", "{1: 2}", "line 8: the key 1 is a number in YAML, no string; write '1' in quotes"),
        ("{trainer.max_epochs: 3}", "{print_config: ''}", "analog_sgd: set: print_config: it is an option of the comm"),
        ("{trainer.max_epochs: 3}", "{experiment.tuning: 3}", "set: experiment.tuning: resbench tune gives it; leave"),
        ("{model.device.states: [4, 10]}", "5", "runs: grid: 5 is no mapping; write lines such as"),
        ("{model.device.states: [4, 10]}", "{1: [2]}", "line 9: the key 1 is a number in YAML, no string"),
        ("config: device/softbounds.yaml", "config: 5", "runs: config: 5 is no list of config files; write"),
        ("{trainer.max_epochs: 3}", "{optimizer.init_args.lr: 3}", "set: optimizer.init_args.lr: the space analog_sgd"),
        (
            "{trainer.max_epochs: 3}",
            "{optimizer: {lr: 3}}",
            "set: optimizer.lr: the space analog_sgd tunes it; take it",
        ),
        ("seeds: [0, 1]", f"seeds: [0, {TRIAL_SEED}]", "seeds: 10000 is the seed of the trials"),
        (
            "[spaces/digital.yaml]",
            "[spaces/digital.yaml, spaces/digital.yaml]",
            "runs: digital is there twice with the same values",
        ),
        ("config: device", "name: device", "runs: name: there is no such key"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_tuning(write(tmp_path, TUNING.replace(old, new)))


def test_a_space_may_not_tune_what_the_plan_gives(tmp_path: Path) -> None:
    keys = "{seed_everything: {choice: [1, 2]}}"
    (tmp_path / "own.yaml").write_text(f"config: algorithm/digital.yaml\nkeys: {keys}")
    with pytest.raises(UserError, match=r"own\.yaml: keys: seed_everything: the sweep gives it; write seeds"):
        read_tuning(write(tmp_path, TUNING.replace("spaces/digital.yaml", "own.yaml")))
