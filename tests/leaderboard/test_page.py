import base64
import hashlib
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resbench.leaderboard.compile import compile_leaderboard
from resbench.leaderboard.page import to_html
from resbench.records.schema import Record, write_record

MakeRecord = Callable[..., Record]


@pytest.fixture
def html(tmp_path: Path) -> Callable[..., str]:
    def render(*records: Record) -> str:
        (tmp_path / "foreign.json").write_text("{}")
        for index, record in enumerate(records):
            write_record(tmp_path / f"{index}.json", record)
        return to_html(compile_leaderboard(tmp_path))

    return render


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1], parse_constant=lambda literal: pytest.fail(f"{literal} is not JSON"))


def test_the_page_names_nothing_outside_itself(html: Callable[..., str], make_record: MakeRecord) -> None:
    page = html(make_record())
    links = re.findall(r"""(?:src|href|url|import)\s*[=(]\s*["']?([^"'\s>)]+)""", page)
    assert all(link.startswith(("#", "data:")) for link in links), links
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}


def test_only_its_own_script_may_run(html: Callable[..., str], make_record: MakeRecord) -> None:
    page = html(make_record())
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page


def test_what_records_say_is_text(html: Callable[..., str], make_record: MakeRecord) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    page = html(
        make_record(evil, track="</title>" + evil),
        make_record(evil, seed=1, status="failed", error=evil, track="</title>" + evil),
    )
    assert page.count("<script") == 2
    assert "<img" not in page
    assert data_of(page)["tracks"][0]["rows"][0]["label"] == f"{evil}, 4 tiles"


def test_there_is_a_line_for_each_algorithm_and_precision(html: Callable[..., str], make_record: MakeRecord) -> None:
    page = html(
        make_record(states=4),
        make_record(states=math.inf),
        make_record("TT-v1", tiles=2, states=4, status="diverged", final={}),
        make_record("Digital", states=None, tiles=0),
    )
    lines = re.findall(r'<tr data-key="([^"]*)" data-label="([^"]*)"', page)
    assert lines == [
        ("digital", "Digital"),
        ("4", "Residual learning, 4 tiles"),
        ("4", "TT-v1"),
        ("inf", "Residual learning, 4 tiles"),
    ]
    assert "diverged" in page
    assert "foreign.json" in page


@pytest.mark.parametrize(
    ("key", "value", "drawn"),
    [
        ("test/acc", math.nan, 50.0),
        ("test/loss", math.nan, 0.5),
        ("test/loss", math.inf, 0.5),
        ("test/loss", -math.inf, 0.5),
    ],
)
def test_metrics_that_are_not_finite_are_shown_and_not_drawn(
    html: Callable[..., str], make_record: MakeRecord, key: str, value: float, drawn: float
) -> None:
    page = html(make_record(final={key: value}), make_record(states=4, final={key: 0.5}))
    cells = {cell["key"]: cell["mean"] for cell in data_of(page)["tracks"][0]["rows"][0]["cells"]}
    assert cells == {"10": None, "4": drawn}


def test_tracks_of_one_name_have_tabs_of_their_own(html: Callable[..., str], make_record: MakeRecord) -> None:
    page = html(make_record(epochs=2), make_record(epochs=3))
    tabs = re.findall(r'<button role="tab"[^>]*>([^<]*)<', page)
    assert tabs == ["All tracks", "mnist-10k-lenet5, budget 2 epochs", "mnist-10k-lenet5, budget 3 epochs"]


def test_a_folder_without_a_record_has_a_page_too(html: Callable[..., str]) -> None:
    page = html()
    assert "No table: none of the files is a valid record." in page
    assert data_of(page)["tracks"] == []


def test_the_same_records_give_the_same_bytes(html: Callable[..., str], make_record: MakeRecord) -> None:
    records = [make_record(seed=seed) for seed in range(3)]
    assert html(*records) == html(*records)


def test_of_many_rows_the_best_are_shown_and_the_others_counted(
    html: Callable[..., str], make_record: MakeRecord
) -> None:
    rows = [make_record(lr=(index + 1) / 64, accuracy=index / 64) for index in range(60)]
    page = html(make_record("Digital", states=None, tiles=0), *rows)
    labels = [row["label"] for row in data_of(page)["tracks"][0]["rows"]]
    assert labels == [f"Residual learning, 4 tiles (lr={(index + 1) / 64:g})" for index in range(59, 9, -1)]
    assert "Only the best rows are shown: 10 more of this track are in <code>leaderboard.csv</code>." in page


def test_tracks_that_find_no_room_are_named(
    html: Callable[..., str], make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resbench.leaderboard.page.MOST_CELLS", 2)
    page = html(*(make_record(track=f"track{index}", lr=1 / (index + 1)) for index in range(4)))
    assert len(data_of(page)["tracks"]) == 2
    assert "Tracks that found no room on this page: 2" in page
    assert re.findall(r"<li>(track\d)</li>", page) == ["track2", "track3"]
    assert "No table" not in page


def test_a_track_that_finds_no_room_takes_none(
    html: Callable[..., str], make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resbench.leaderboard.page.MOST_CELLS", 3)
    sizes = {"a": 2, "b": 4, "c": 1, "d": 1}
    page = html(
        *(
            make_record(track=track, states=states, lr=1 / (1 + "abcd".index(track)))
            for track, count in sizes.items()
            for states in (2, 4, 8, 16)[:count]
        )
    )
    assert re.findall(r'<button role="tab"[^>]*>([^<]*)<', page) == ["All tracks", "a", "c"]
    assert re.findall(r"<li>([abcd])</li>", page) == ["b", "d"]


def test_of_many_runs_files_and_claims_a_part_is_listed(
    html: Callable[..., str], make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resbench.leaderboard.page_charts.MOST_RUNS", 4)
    monkeypatch.setattr("resbench.leaderboard.page_charts.MOST_CLAIMS", 2)
    monkeypatch.setattr("resbench.leaderboard.page.MOST_FILES", 3)
    rows = [make_record(f"row{row}", seed=seed, accuracy=0.2 * row) for row in range(5) for seed in range(6)]
    failed = [make_record(seed=seed, status="failed", error="x", final={}) for seed in range(5)]
    page = html(*rows, *failed)
    (cell,) = data_of(page)["tracks"][0]["rows"][0]["cells"]
    assert (cell["n"], [seed for seed, *_ in cell["runs"]]) == (6, [0, 1, 2, 3])
    assert cell["claims"][2:] == ["and 2 more claims"]
    assert "and 2 more, in <code>leaderboard.json</code>" in page
