"""Reading CSV files of pulse responses, and what is said of those that cannot be fitted."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from resbench.errors import BadValue
from resbench.fitting import table
from resbench.fitting.table import read


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "data.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "up_pulse,down_pulse\n1,4\n2,3\n3,2\n4,1\n",
        "1,4\n2,3\n3,2\n4,1\n",
        "\ufeffDown;Up\r\n4;1\r\n3;2\r\n2;3\r\n1;4\r\n",
        "direction\tconductance\nup\t1\nup\t2\nup\t3\nup\t4\ndown\t4\ndown\t3\ndown\t2\ndown\t1\n",
    ],
    ids=["aihwkit", "no header", "semicolons", "rows"],
)
def test_the_two_forms(text: str, tmp_path: Path) -> None:
    up, down = read(written(tmp_path, text)).branches
    assert (up.sign, down.sign) == (1, -1)
    assert up.readings.tolist() == [1, 2, 3, 4]
    assert down.readings.tolist() == [4, 3, 2, 1]
    assert up.pulses.tolist() == [0, 1, 2, 3]


def test_a_branch_may_be_shorter(tmp_path: Path) -> None:
    up, down = read(written(tmp_path, "up,down\n1,5\n2,4\n3,3\n4,2\n5,\n6,\n")).branches
    assert (len(up.readings), len(down.readings)) == (6, 4)


def test_devices_cycles_and_pulses(tmp_path: Path) -> None:
    rows = [
        f"{device},{cycle},{direction},{pulse},{pulse if direction == 'up' else -pulse}"
        for device in "ab"
        for cycle in (1, 2)
        for direction in ("up", "down")
        for pulse in (0, 10, 20, 50)
    ]
    found = read(written(tmp_path, "device,cycle,direction,pulse,conductance\n" + "\n".join(rows)))
    assert {name: len(branches) for name, branches in found.devices.items()} == {"a": 4, "b": 4}
    assert np.diff(found.branches[0].pulses).tolist() == [10, 10, 30]
    assert found.ends() == (-25.0, 25.0)  # up from 0 to 50, down from 0 to -50


def test_two_columns_may_skip_pulses(tmp_path: Path) -> None:
    text = "pulse,up_pulse,down_pulse\n0,1,5\n10,2,4\n20,3,3\n50,4,2\n60,5,\n"
    up, down = read(written(tmp_path, text)).branches
    assert (up.pulses.tolist(), up.readings.tolist()) == ([0, 10, 20, 50, 60], [1, 2, 3, 4, 5])
    assert (down.pulses.tolist(), down.readings.tolist()) == ([0, 10, 20, 50], [5, 4, 3, 2])


ROWS = "direction,conductance\n"
GOOD = "up_pulse,down_pulse\n1,4\n2,3\n3,2\n4,1\n"
COUNTS = "".join(f"{k},{20 - k}\n" for k in range(10))
WRONG: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty; write the columns up_pulse,down_pulse"),
    "header only": ("up_pulse,down_pulse\n", "the up branch has 0 readings; write at least 4"),
    "one point": ("up_pulse,down_pulse\n1,2\n", "the up branch has 1 reading; write at least 4"),
    "missing column": ("direction,current\nup,1\n", "have no conductance; write the columns"),
    "other columns": ("a,b,c\n1,2,3\n", "columns a,b,c have no direction and no conductance"),
    "column twice": ("direction,conductance,conductance\nup,1,2\n", "have a name twice"),
    "text": (GOOD.replace("3,2", "three,2"), "line 4, up column: 'three' is no number"),
    "decimal comma": (GOOD.replace(",", ";").replace("3;2", "3,5;2"), "line 4, up column: '3,5' is no number"),
    "NaN": (GOOD.replace("3,2", "nan,2"), "line 4, up column: nan is not finite; remove the reading"),
    "infinite": (GOOD.replace("3,2", "3,-inf"), "line 4, down column: -inf is not finite"),
    "gap": ("up,down\n1,4\n,3\n3,2\n4,1\n", "line 3: the up column is empty, but goes on below"),
    "constant": ("up,down\n1,4\n1,3\n1,2\n1,1\n", "the up branch is 1 throughout"),
    "decreasing": ("up,down\n4,1\n3,2\n2,3\n1,4\n", "the up branch falls from 4 to 1; write conductances (not resist"),
    "rising down": ("up,down\n1,1\n2,2\n3,3\n4,4\n", "the down branch rises from 1 to 4"),
    "direction": (ROWS + "sideways,1\n", "line 2, direction: 'sideways' is unknown; write up or down"),
    "no value": (ROWS + "up,\n", "line 2, conductance: '' is missing"),
    "no down": (ROWS + "up,1\nup,2\nup,3\nup,4\n", "device 1 has no down branch; write both"),
    "pulse twice": ("direction,conductance,pulse\nup,1,1\nup,2,1\n", "line 3, pulse: 1 after 1 does not rise"),
    "part of a pulse": ("direction,conductance,pulse\nup,1,0.5\n", "line 2, pulse: 0.5 is no pulse number"),
    "counted": (
        COUNTS,
        "the first column counts from 0 to 9 like pulse numbers; give the columns names",
    ),
    "pulse column": ("pulse,up,down\n1,1,4\n1,2,3\n", "line 3, pulse: 1 after 1 does not rise"),
    "years of pulses": (
        "pulse,up,down\n0,1,4\n9,2,3\n10,3,2\n100001,4,1\n",
        "200002 pulses from the first to the last readings are more than 200000; leave out branches",
    ),
    "other bytes": (b"\xff\xfe1\x00", "are no UTF-8 text"),
    "not CSV": ("a,b\n" + "x" * 200_000 + "\n", "is no CSV"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_data_is_one_line_that_says_what_to_write(case: str, tmp_path: Path) -> None:
    text, says = WRONG[case]
    with pytest.raises(BadValue, match=re.escape(says)) as error:
        read(written(tmp_path, text))
    assert "\n" not in str(error.value)


def test_files_that_are_no_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadValue, match=r"none.csv cannot be read \(No such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(BadValue, match=r"cannot be read \(Is a directory"):
        read(tmp_path)
    path = written(tmp_path, "up,down\n" + "1,2\n" * (table.MOST + 1))
    with pytest.raises(BadValue, match="100002 lines are more than 100000; keep every tenth"):
        read(path)
    monkeypatch.setattr(table, "MOST_BYTES", 1000)
    with pytest.raises(BadValue, match="keep every tenth reading"):
        read(path)
