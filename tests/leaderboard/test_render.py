import copy
import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resbench.leaderboard.compile import compile_leaderboard, compile_runs
from resbench.leaderboard.latex import to_latex
from resbench.leaderboard.markdown import to_markdown
from resbench.leaderboard.render import to_csv, to_json, write_leaderboard
from resbench.leaderboard.runs import Run
from resbench.leaderboard.tables import Leaderboard, Rejected
from resbench.records.identity import config_hash
from resbench.records.schema import Record, write_record

MakeRecord = Callable[..., Record]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def leaderboard(tmp_path: Path, make_record: MakeRecord) -> Leaderboard:
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
        make_record("TT-v1", tiles=2, states=4, track="text", final={"test/loss": 2.5}),
    ]
    for index, record in enumerate(records):
        write_record(tmp_path / f"{index}.json", record)
    (tmp_path / "notes.txt").touch()
    return compile_leaderboard(tmp_path)


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


def test_what_records_say_is_text_in_markdown(make_record: MakeRecord) -> None:
    evil = "[![a](http://x/y.png)](http://x) *b* _c_ ~~d~~ `e` $f$ <img> &lt; g\\|h snake_case"
    record = make_record(evil, track=evil, status="failed", error=f"first line\n{evil}")
    text = to_markdown(compile_runs([Run(file="a`b.json", record=record)], [Rejected(file="`c|d`", reason=evil)]))
    escaped = (
        r"\[\!\[a\](http://x/y.png)\](http://x) \*b\* \_c\_ \~\~d\~\~ 'e' \$f\$ &lt;img> &amp;lt; g\\\|h snake_case"
    )
    assert text.count(escaped) == 5
    assert f"## {escaped}\n" in text
    assert f"seed 0: failed: {escaped} (`a'b.json`)" in text
    assert f"- `'c|d'`: {escaped}\n" in text
    assert "<img" not in text


def test_no_line_of_markdown_begins_with_what_a_record_says(make_record: MakeRecord) -> None:
    record = make_record()
    for task in ("# heading", "- item", "1. item", "> quote", "    code", "---"):
        track = record.track.model_copy(update={"task": task})
        text = to_markdown(compile_runs([Run(file="a.json", record=record.model_copy(update={"track": track}))]))
        assert not [line for line in text.splitlines() if line.startswith(task)]


def test_costs_that_differ_between_precisions_are_a_range(make_record: MakeRecord) -> None:
    records = [make_record(states=4), make_record(states=10)]
    layers = [
        layer.model_copy(update={"tiles": [tile.model_copy(update={"max_writes": 2000}) for tile in layer.tiles]})
        for layer in records[1].layers
    ]
    tiles = records[1].algorithm.model_copy(update={"settings": {"tiles": 5}})
    records[1] = records[1].model_copy(update={"layers": layers, "algorithm": tiles})
    board = compile_runs([Run(file=f"{index}.json", record=record) for index, record in enumerate(records)])
    (row,) = board.tables[0].rows
    costs = [cell.cost for cell in row.cells if cell and cell.cost]
    (line,) = [line for line in to_markdown(board).splitlines() if " nJ |" in line]
    _, _, latency, *_, writes, _ = line.split("|")
    assert latency.strip() == f"{costs[0].latency_ns:,.4g}–{costs[1].latency_ns:,.4g} ns"
    assert costs[0].latency_ns < costs[1].latency_ns
    assert writes.strip() == "90–2,000"


@pytest.mark.parametrize("first", "=+-@")
def test_a_spreadsheet_calculates_nothing_of_a_record(make_record: MakeRecord, first: str) -> None:
    formula = f"{first}HYPERLINK(1)"
    record = make_record(formula, track=f" {formula}")
    track = record.track.model_copy(update={"dataset": formula, "network": formula, "analog_layers": [formula]})
    text = to_csv(compile_runs([Run(file="a.json", record=record.model_copy(update={"track": track}))]))
    (line,) = csv.DictReader(io.StringIO(text))
    names = ("track", "dataset", "network", "analog_layers", "row")
    assert [line[name] for name in names] == [f"' {formula}", *[f"'{formula}"] * 3, f"'{formula}, 4 tiles"]
    assert float(line["mean"]) == 0.91


def test_settings_in_a_label_are_short_and_printable(make_record: MakeRecord) -> None:
    runs = []
    for seed, value in enumerate(("\x1b[2J", "b" * 1000)):
        record = make_record()
        config: Any = copy.deepcopy(record.config) | {"k\u202e" + "k" * 1000: value}
        update = {"config": config, "config_hash": config_hash(config)}
        runs.append(Run(file=f"{seed}.json", record=record.model_copy(update=update)))
    labels = [row.label for row in compile_runs(runs).tables[0].rows]
    assert all(label.isprintable() and len(label) < 100 for label in labels)
    assert any("\\x1b[2J" in label for label in labels)
