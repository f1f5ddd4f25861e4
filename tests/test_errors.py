"""Exceptions for users."""

import pickle

from resbench.errors import BadValue, MissingData


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
