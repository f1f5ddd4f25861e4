import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from resbench.leaderboard.compile import compile_leaderboard
from resbench.leaderboard.latex import to_latex
from resbench.leaderboard.markdown import to_markdown
from resbench.leaderboard.records import Record, write_record
from resbench.leaderboard.render import to_csv, to_json, write_leaderboard
from resbench.leaderboard.tables import Leaderboard

MakeRecord = Callable[..., Record]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def leaderboard(tmp_path: Path, make_record: MakeRecord) -> Leaderboard:
    return golden_leaderboard(tmp_path, make_record)


def golden_leaderboard(folder: Path, make_record: MakeRecord) -> Leaderboard:
    """Two tracks with every kind of cell: several seeds, one seed, none; digital, unlimited, diverged, refused."""
    records = [
        *(make_record("Digital", states=None, tiles=0, seed=s, accuracy=a) for s, a in enumerate((0.9818, 0.9830))),
        *(make_record(states=10, seed=s, accuracy=a) for s, a in enumerate((0.8659, 0.8671))),
        make_record(states=4, seed=0, accuracy=0.7123),
        make_record(states=math.inf, seed=0, accuracy=0.98239),
        make_record("Analog SGD", tiles=1, states=10, seed=0, accuracy=0.1004),
        make_record("Analog SGD", tiles=1, states=4, seed=0, status="diverged", final={"train/loss": math.nan}),
        make_record("TT-v1", tiles=2, states=10, status="failed", error="Traceback\nRuntimeError: a|b <c>"),
        make_record("TT-v2 | variant", tiles=2, states=4, track="text", final={"test/loss": 1.84321}),
    ]
    for index, record in enumerate(records):
        write_record(folder / f"{index}.json", record)
    (folder / "notes.txt").touch()
    return compile_leaderboard(folder)


@pytest.mark.parametrize(
    ("render", "name"),
    [
        (to_markdown, "leaderboard.md"),
        (to_csv, "leaderboard.csv"),
        (to_json, "leaderboard.json"),
        (to_latex, "leaderboard.tex"),
    ],
)
def test_golden(leaderboard: Leaderboard, render: Callable[[Leaderboard], str], name: str) -> None:
    assert render(leaderboard) == (GOLDEN / name).read_text(encoding="utf-8")


def test_json_is_strict_and_complete(leaderboard: Leaderboard) -> None:
    text = to_json(leaderboard)
    json.loads(text, parse_constant=lambda literal: pytest.fail(f"{literal} is not JSON"))
    assert Leaderboard.model_validate_json(text) == leaderboard


def test_writes_one_file_a_format(leaderboard: Leaderboard, tmp_path: Path) -> None:
    paths = write_leaderboard(leaderboard, tmp_path / "out")
    assert [path.name for path in paths] == [
        "leaderboard.md",
        "leaderboard.csv",
        "leaderboard.json",
        "leaderboard.tex",
        "leaderboard.html",
    ]
    assert paths[0].read_text(encoding="utf-8") == to_markdown(leaderboard)
