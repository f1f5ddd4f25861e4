"""Exceptions for users."""

import pickle

import pytest

from resbench.errors import BadValue, MissingData, check_choice, check_whole


def test_a_bad_value_reads_as_one_sentence_and_survives_a_process() -> None:
    error = BadValue("lr", -1, "is negative; write 0 or above")
    assert str(error) == "lr: -1 is negative; write 0 or above"
    assert (
        str(BadValue("gamma", "3 values for 4 tiles", "; write one each"))
        == "gamma: 3 values for 4 tiles; write one each"
    )
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.key, copy.value, copy.hint, str(copy)) == ("lr", -1, "is negative; write 0 or above", str(error))


def test_missing_data_are_a_bad_value_and_a_missing_file() -> None:
    error: Exception = MissingData("root", "no images in data", "(no such folder); write another")
    assert isinstance(error, FileNotFoundError)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.key, str(copy)) == ("root", "root: no images in data (no such folder); write another")


@pytest.mark.parametrize("value", ["GPU", "", None, 1, ["cpu"]])
def test_a_word_that_is_no_choice_is_refused_with_the_words(value: object) -> None:
    check_choice("order", "gpu", ("cpu", "gpu"))
    with pytest.raises(BadValue) as caught:
        check_choice("order", value, ("cpu", "gpu"))
    assert str(caught.value) == f"order: {value!r} is unknown; write one of cpu, gpu"


@pytest.mark.parametrize("value", [0, 2.0, "2", None, float("nan"), float("inf")])
def test_what_counts_nothing_is_refused(value: object) -> None:
    check_whole("tiles", 1, 1, "is no count; write 1 or more")
    with pytest.raises(BadValue) as caught:
        check_whole("tiles", value, 1, "is no count; write 1 or more")
    assert str(caught.value) == f"tiles: {value} is no count; write 1 or more"
