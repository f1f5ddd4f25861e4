"""The leaderboard is compiled and written, whatever files are in a folder of records."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resbench.leaderboard.compile import compile_leaderboard
from resbench.leaderboard.render import write_leaderboard
from resbench.leaderboard.tables import Leaderboard
from resbench.records.identity import config_hash
from resbench.records.schema import write_record
from tests.records.factory import make_record

DOCUMENT = json.loads(make_record().model_dump_json())
#: It stands for a number that no float can hold.
INFINITE = "INFINITE"
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(["inf", "-inf", "nan", "", "</script>", "a|b`c\n", "\\end{table}", "é\u2028\u0000", "=1+1"]),
    st.sampled_from([0, -1, 2, 10**18, 2**63 - 1, 2**63, 10**400, 0.0, -0.0, 1e-300, 1e308, -1.7e308, 5e-324, 0.5]),
    st.sampled_from(["a" * 300 + ".X", "/etc/x.Y", "resbench.algorithms.MixedPrecision", INFINITE]),
    st.text(max_size=8),
    st.sampled_from([[], {}, [{"class_path": 5}], {"class_path": 5}, {"optimizer": {"class_path": 5}}]),
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [path, *(found for key, item in items for found in paths(item, (*path, key)))]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A record in which one to three values are replaced; its hash matches its config."""
    document: dict[str, Any] = json.loads(json.dumps(DOCUMENT))
    for _ in range(draw(st.integers(1, 3))):
        *parents, key = draw(st.sampled_from(paths(document)[1:]))
        node: Any = document
        for parent in parents:
            node = node[parent]
        node[key] = draw(STRANGE)
    if isinstance(document.get("config"), dict):
        document["config_hash"] = config_hash(document["config"])
    if draw(st.booleans()):
        document["states"] = document["bits"] = "inf"
    return document


def text_of(document: dict[str, Any]) -> str:
    return json.dumps(document).replace(f'"{INFINITE}"', "1e400")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(strange=st.lists(documents(), min_size=1, max_size=4))
def test_no_record_stops_the_compilation(strange: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder, "records")
        write_record(records / "sound.json", make_record(seed=5))
        for index, document in enumerate(strange):
            (records / f"{index}.json").write_text(text_of(document), encoding="utf-8")
        board = compile_leaderboard(records)
        paths = write_leaderboard(board, Path(folder, "out"))
        listed = {entry.file for entry in board.rejected}
        used = {
            file for table in board.tables for row in table.rows for cell in row.cells if cell for file in cell.files
        }
        unfinished = {run.file for table in board.tables for run in table.unfinished}
        assert listed | used | unfinished == {path.name for path in records.iterdir()}
        assert Leaderboard.model_validate_json(paths[2].read_text(encoding="utf-8")).rejected == board.rejected


def changed(*path: str | int, value: Any, **more: Any) -> str:
    """The text of a record with one other value."""
    document: dict[str, Any] = json.loads(make_record(**more).model_dump_json())
    node: Any = document
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    document["config_hash"] = config_hash(document["config"])
    return text_of(document)


ENTRY = {"name": "Q", "class_path": "q.Q", "settings": {}}
MIXED = {"name": "M", "class_path": "resbench.algorithms.MixedPrecision"}


@pytest.mark.parametrize(
    ("texts", "rejected"),
    [
        ([changed("data", "sha256", value=INFINITE)], 1),
        ([changed("config", "own", value=[INFINITE])], 1),
        ([changed("device", value=ENTRY), changed("algorithm", value=ENTRY, seed=1)], 0),
        ([changed("algorithm", "class_path", value="a" * 300 + ".X")], 0),
        ([changed("algorithm", "class_path", value="/etc/x.Y")], 0),
        ([changed("config", "trainer", "callbacks", value=[{"class_path": 5}])], 0),
        ([changed("layers", 0, "tiles", value=[])], 0),
        ([changed("algorithm", value=MIXED | {"settings": {"optimizer": {"class_path": 5}}})], 0),
        ([changed("algorithm", value=MIXED | {"settings": {"optimizer": {"class_path": "SGD", "init_args": "x"}}})], 0),
    ],
)
def test_no_small_record_stops_it(tmp_path: Path, texts: list[str], rejected: int) -> None:
    write_record(tmp_path / "sound.json", make_record(seed=5))
    for index, text in enumerate(texts):
        (tmp_path / f"{index}.json").write_text(text, encoding="utf-8")
    board = compile_leaderboard(tmp_path)
    assert write_leaderboard(board, tmp_path / "out")
    assert len(board.rejected) == rejected
    files = {file for table in board.tables for row in table.rows for cell in row.cells if cell for file in cell.files}
    assert len(files) == 1 + len(texts) - rejected


def test_a_record_cut_at_any_byte_is_listed(tmp_path: Path) -> None:
    text = make_record().model_dump_json().encode()
    for cut in range(0, len(text), 97):
        (tmp_path / f"{cut:05}.json").write_bytes(text[:cut])
    board = compile_leaderboard(tmp_path)
    assert board.tables == []
    assert len(board.rejected) == len(list(tmp_path.iterdir()))
