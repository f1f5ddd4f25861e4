"""Search spaces and their points."""

import re
from pathlib import Path

import pytest

from resbench.errors import UserError
from resbench.tuning.points import COUNT, HALTON
from resbench.tuning.space import Axis, find_space, read_space

SPACE = """
config: algorithm/tiki_taka.yaml
set: {model.algorithm.tiles: 2}
keys:
  optimizer.lr: {log: [0.01, 1.0]}
  model.algorithm.gamma: {linear: [-1, 3]}
  model.algorithm.transfer_every: {choice: [1, 2, 5, 10]}
"""


def write(folder: Path, text: str = SPACE) -> Path:
    path = folder / "own.yaml"
    path.write_text(text)
    return path


def test_the_points_are_those_of_scipy() -> None:
    from scipy.stats import qmc

    expected = qmc.Halton(len(HALTON[0]), scramble=True, rng=0).random(COUNT)
    assert [list(row) for row in HALTON] == [[round(u, 4) for u in row] for row in expected.tolist()]


def test_an_axis_covers_its_range_and_rounds_to_three_digits() -> None:
    assert [Axis("log", (0.01, 1.0)).at(u) for u in (0.0, 0.5, 0.51, 0.9999)] == [0.01, 0.1, 0.105, 1.0]
    assert [Axis("linear", (-1, 3)).at(u) for u in (0.0, 0.25, 0.3333)] == [-1.0, 0.0, 0.333]
    assert [Axis("choice", ("a", None, 3)).at(u) for u in (0.0, 0.34, 0.9999)] == ["a", None, 3]


def test_the_first_points_of_a_space(tmp_path: Path) -> None:
    read = read_space(write(tmp_path))
    assert (read.name, read.config, read.fixed) == (
        "own",
        ("algorithm/tiki_taka.yaml",),
        {"model.algorithm.tiles": 2},
    )
    assert read.points[:2] == [
        {"optimizer.lr": 0.26, "model.algorithm.gamma": 0.876, "model.algorithm.transfer_every": 2},
        {"optimizer.lr": 0.026, "model.algorithm.gamma": 2.21, "model.algorithm.transfer_every": 5},
    ]
    assert len(read.points) == 15


def test_the_digest_is_that_of_keys_and_ranges(tmp_path: Path) -> None:
    digest = read_space(write(tmp_path)).digest
    assert len(digest) == 12
    assert read_space(write(tmp_path, SPACE.replace("tiles: 2", "tiles: 3"))).digest == digest
    assert read_space(write(tmp_path, SPACE.replace("0.01", "0.02"))).digest != digest
    lines = SPACE.splitlines()
    swapped = "\n".join([*lines[:4], lines[5], lines[4], lines[6]])
    assert read_space(write(tmp_path, swapped)).digest != digest, "the order of the keys decides the points"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("config:", "configs:", "configs: there is no such key; did you mean config?"),
        ("config: algorithm/tiki_taka.yaml", "", "config: None is no config file"),
        ("{model.algorithm.tiles: 2}", "4", "set: 4 is no mapping"),
        ("{model.algorithm.tiles: 2}", "[]", r"set: \[\] is no mapping"),
        ("{model.algorithm.tiles: 2}", "{-x: 2}", "own.yaml: set: '-x' is no dotted key; write lines such as"),
        ("{model.algorithm.tiles: 2}", "{optimizer: {lr: 2}}", "set: optimizer.lr: it is one of the keys that are tun"),
        ("  optimizer.lr:", "  1:", "own.yaml, line 5: the key 1 is a number in YAML, no string; write '1' in quotes"),
        ("[1, 2, 5, 10]", "[{on: 1}, {on: 2}]", "line 7: the key on is true or false in YAML, no string; write 'on'"),
        ("  optimizer.lr:", "  print_config:", "own.yaml: keys: print_config: it is an option of the command line"),
        (
            "  optimizer.lr:",
            "  model.init_args.algorithm.gamma:",
            "algorithm.gamma: it is there twice, with and without",
        ),
        ("{log: [0.01, 1.0]}", "0.1", "optimizer.lr: 0.1 is no range; write {log: "),
        ("log: [0.01, 1.0]", "log: [0.1]", r"optimizer.lr: log: \[0.1\] has no two values"),
        ("log: [0.01, 1.0]", "log: [1, 0.1]", r"optimizer.lr: log: \[1, 0.1\] is no range; write its lower"),
        ("log: [0.01, 1.0]", "log: [0, 1]", r"optimizer.lr: log: \[0, 1\] does not lie above 0"),
        ("log: [0.01, 1.0]", "log: [a, b]", "optimizer.lr: log: .* is no range"),
        ("log: [0.01, 1.0]", "log: [true, 2]", r"optimizer.lr: log: \[True, 2\] is no range; write its lower"),
        (
            "log: [0.01, 1.0]",
            "log: [0.0123456, 1]",
            r"log: \[0.0123456, 1\]: the points have 3 digits; write \[0.0123, 1",
        ),
        (
            "log: [0.01, 1.0]",
            "linear: [-1, 1234]",
            r"linear: \[-1, 1234\]: the points have 3 digits; write \[-1, 1230\]",
        ),
        (
            "log: [0.01, 1.0]",
            "log: [0.993, 1.06]",
            r"log: \[0.993, 1.06\] holds 14 values of 3 digits, fewer than the 15",
        ),
        ("log: [0.01, 1.0]", "linear: [-1.13, -1]", r"linear: \[-1.13, -1\] holds 14 values of 3 digits, fewer than"),
        ("log: [0.01, 1.0]", "linear: [-1e308, 1e308]", "optimizer.lr: linear: .* is too wide to compute with; write"),
    ],
)
def test_a_wrong_space_is_refused_with_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_space(write(tmp_path, SPACE.replace(old, new)))


@pytest.mark.parametrize(("name", "other"), [("my.space", "my_space"), ("a b", "a_b"), ("-a", "a"), ("ä", "own")])
def test_a_file_whose_name_no_run_can_have_is_to_be_renamed(tmp_path: Path, name: str, other: str) -> None:
    path = write(tmp_path).rename(tmp_path / f"{name}.yaml")
    message = f"{path}: '{name}' is no name of a space; rename the file, for example to {other}.yaml"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        read_space(path)


def test_a_space_has_at_most_as_many_keys_as_the_points_have_columns(tmp_path: Path) -> None:
    keys = "".join(f"  key{number}: {{linear: [0, 1]}}\n" for number in range(9))
    with pytest.raises(UserError, match="keys: 9 are too many; write at most 8"):
        read_space(write(tmp_path, f"config: a.yaml\nkeys:\n{keys}"))


def test_a_space_is_found_by_its_name() -> None:
    assert find_space("residual4").path.name == "residual4.yaml"
    with pytest.raises(UserError, match="did you mean spaces/residual4"):
        find_space("residual44")


@pytest.mark.parametrize("axis", ["log: [0.993, 1.07]", "linear: [-1.14, -1]", "linear: [0, 0.001]", "choice: [1, 2]"])
def test_a_range_that_holds_the_points_is_read_and_no_point_lies_outside(tmp_path: Path, axis: str) -> None:
    read = read_space(write(tmp_path, SPACE.replace("log: [0.01, 1.0]", axis)))
    low, high = read.axes["optimizer.lr"].values
    assert all(low <= point["optimizer.lr"] <= high for point in read.points)
