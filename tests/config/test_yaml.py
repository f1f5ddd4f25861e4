"""YAML within limits."""

import itertools
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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
    ("text", "message"),
    [
        ("1: 2", "the key 1 is a number in YAML, no string; write '1' in quotes"),
        ("a: [{yes: 2}]", "the key yes is true or false in YAML, no string; write 'yes' in quotes"),
        ("1.5: 2", "the key 1.5 is a number in YAML"),
        ("null: 2", "the key null is null in YAML"),
    ],
)
def test_where_keys_are_words_no_other_key_is_read(text: str, message: str) -> None:
    with pytest.raises(Unfit, match=message):
        load_yaml(text, words=True)
    load_yaml(text)  # as in a config that a program has written
    assert load_yaml("<<: {a: 1}\n'1': 2\n2026-01-01: 3", words=True) == {"a": 1, "1": 2, "2026-01-01": 3}


@pytest.mark.parametrize("text", ["!!set {a}", "a: !!binary aGk=", "[!!timestamp 2026-01-01]"])
def test_values_that_no_config_holds_are_refused(text: str) -> None:
    with pytest.raises(Unfit, match=r"no config holds a (set|binary|timestamp); write a list, a string or a number"):
        load_yaml(text)


@pytest.mark.parametrize(
    "value", ["1e3", "inf", ".5", "1_000", "2026-01-01", "yes", "null", "1:30", "ü", 1e300, 3, None]
)
def test_what_is_written_is_read_again(value: object) -> None:
    assert load_yaml(dump_yaml({"a": [value]})) == {"a": [value]}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(PLAIN)
@example([math.inf, {"a": -math.inf}])
@example(["a\nb", "\u2028", "\U0001f600", "", " a ", "'", 3 * ["x" * 100 + " "]])
def test_one_line_is_read_again(value: object) -> None:
    text = dump_yaml(value, one_line=True)
    assert len(text.splitlines()) == 1
    assert load_yaml(text) == value
    assert load_yaml(dump_yaml(value)) == value


def test_nan_is_read_again_wherever_it_stands() -> None:
    assert dump_yaml([math.nan, {"a": math.nan}], one_line=True) == '[.nan, {"a": .nan}]'
    assert math.isnan(load_yaml("[.nan]")[0])


def test_a_value_that_occurs_twice_is_written_twice() -> None:
    shared = [1]
    assert dump_yaml({"a": shared, "b": shared}, one_line=True) == '{"a": [1], "b": [1]}'
