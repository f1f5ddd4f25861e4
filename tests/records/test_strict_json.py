import math

import pytest

from resbench.records.strict_json import parse


def test_numbers_are_read_bit_for_bit() -> None:
    assert [repr(value) for value in parse(b"[1, 1.0, -0.0, 5e-324, 1.7976931348623157e308, 1e-999]")] == [
        *("1", "1.0", "-0.0", "5e-324", "1.7976931348623157e+308", "0.0"),
    ]
    assert math.copysign(1, parse(b"-0.0")) == -1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[1e400]", '1e400 is beyond the range of floats; write "inf" for infinity'),
        (b'{"a": -1.5e309}', '-1.5e309 is beyond the range of floats; write "-inf" for infinity'),
        (b"1" * 50 + b"e300", "^1{37}... is beyond the range of floats"),
        (b"[Infinity]", "Infinity is no number of JSON"),
        (b"[NaN]", "NaN is no number of JSON"),
        (b'{"a": 1, "a": 2}', "'a' is there twice in one object"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff", "can't decode"),
    ],
)
def test_what_only_python_would_read_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(content)
