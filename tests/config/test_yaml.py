"""YAML within limits."""

import itertools
import math

import pytest

from resbench.config.yaml import Unfit, dump_yaml, load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.5E+4", 15000.0),
        ("inf", math.inf),
        ("-.inf", -math.inf),
        ("4", 4),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_numbers_as_people_write_them(text: str, value: object) -> None:
    assert load_yaml(text) == value


def test_aliases_are_fine_until_they_multiply() -> None:
    assert load_yaml("a: &a {p: 1}\nb: {<<: *a, p: 2}\nc: [*a, *a]") == {
        "a": {"p": 1},
        "b": {"p": 2},
        "c": [{"p": 1}, {"p": 1}],
    }
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join(9 * [f'*{old}'])}]" for old, new in itertools.pairwise("abcdefghi")]
    with pytest.raises(Unfit, match="more than 100,000 values"):
        load_yaml("\n".join(lines))
    with pytest.raises(Unfit, match="contains itself"):
        load_yaml("a: &a [*a]")


@pytest.mark.parametrize(
    "value", ["1e3", "inf", ".5", "1_000", "2026-01-01", "yes", "null", "1:30", "ü", 1e300, 3, None]
)
def test_what_is_written_is_read_again(value: object) -> None:
    assert load_yaml(dump_yaml({"a": [value]})) == {"a": [value]}
