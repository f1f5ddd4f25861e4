"""Durations as people write them."""

import pytest

from resbench.config.times import durations
from resbench.errors import BadValue


def test_units_and_order() -> None:
    found = durations("1y, 2 h,90min,1d,7w,1.5e3s, 20")
    assert found == {"20": 20, "1.5e3s": 1500, "90min": 5400, "2 h": 7200, "1d": 86400, "7w": 4233600, "1y": 31557600}
    assert list(found.values()) == sorted(found.values())


def test_one_duration_twice_counts_once() -> None:
    assert durations("60min,1h") == {"60min": 3600}


@pytest.mark.parametrize("text", ["", " , ", "1m", "soon", "0s", "-1h", "1h 2h", "1e999y", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match=r"^after: .*write .*such as 1h,1d,1y"):
        durations(text)
