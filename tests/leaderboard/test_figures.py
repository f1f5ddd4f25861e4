import math
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from resbench.leaderboard.compile import compile_runs
from resbench.leaderboard.figures import figure, write_figures
from resbench.leaderboard.runs import Run
from resbench.leaderboard.tables import Leaderboard
from resbench.records.schema import Record

MakeRecord = Callable[..., Record]


def board(*records: Record) -> Leaderboard:
    return compile_runs(Run(file=f"{index}.json", record=record) for index, record in enumerate(records))


def texts(path: Path) -> list[str]:
    """What is written in a figure."""
    elements = ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(element.itertext()) for element in elements]


def test_a_name_of_a_track_stays_in_the_folder(tmp_path: Path, make_record: MakeRecord) -> None:
    names = ["../outside", "/tmp/resbench-outside", "a/b", ".", "x" * 300]
    records = [make_record(track=name, lr=0.1 + index) for index, name in enumerate(names)]
    paths = write_figures(board(*records), tmp_path / "in" / "figures")
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(paths)
    assert {path.parent for path in paths} == {tmp_path / "in" / "figures"}
    assert {path.name for path in paths} == {
        *("outside.svg", "tmp_resbench-outside.svg", "a_b.svg", "_.svg", f"{'x' * 100}.svg"),
    }


def test_tracks_of_one_name_have_figures_of_their_own(tmp_path: Path, make_record: MakeRecord) -> None:
    records = [make_record(track="same", epochs=epochs) for epochs in (2, 3)]
    records += [make_record(track="Same", lr=0.3), make_record(track="s/ame", lr=0.4)]
    paths = write_figures(board(*records), tmp_path)
    assert sorted(path.name for path in paths) == ["Same.svg", "s_ame.svg", "same-2.svg", "same-3.svg"]
    titles = {text for path in paths for text in texts(path) if "ame" in text}
    assert titles == {"Same", "s/ame", "same, budget 2 epochs", "same, budget 3 epochs"}


def test_devices_without_pulses_have_no_wear_and_stop_no_figure(tmp_path: Path, make_record: MakeRecord) -> None:
    records = [
        make_record(track="a", states=math.inf),
        make_record(track="b", states=4),
        make_record(track="c", states=4, tiles=0),
    ]
    drawn = write_figures(board(*records), tmp_path)
    assert [path.name for path in drawn] == ["a.svg", "b.svg", "c.svg"]
    wear = [any("most written" in text for text in texts(path)) for path in drawn]
    assert wear == [False, True, False]


def test_names_are_text_to_the_figure(tmp_path: Path, make_record: MakeRecord) -> None:
    named = make_record("_hidden $\\nothing$", track="$\\frac{$ --> <g>")
    (path,) = write_figures(board(named), tmp_path)
    found = texts(path)
    assert "_hidden $\\nothing$, 4 tiles" in found
    assert any(text.startswith("$\\frac{$") for text in found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("test/loss", value) for value in (1e308, -1e300, math.inf, math.nan, 5e-324)),
        *(("test/acc", value) for value in (math.nan, 5e-324)),
    ],
)
def test_metrics_that_cannot_be_drawn_stop_nothing(
    tmp_path: Path, make_record: MakeRecord, key: str, value: float
) -> None:
    odd = [make_record(seed=seed, final={key: number}) for seed, number in enumerate((value, 0.5))]
    digital = make_record("Digital", states=None, tiles=0, final={key: value})
    (path,) = write_figures(board(*odd, digital, make_record(states=4, final={key: 0.5})), tmp_path)
    assert texts(path)


def test_of_many_rows_the_best_are_drawn(make_record: MakeRecord) -> None:
    records = [make_record(lr=(index + 1) / 64, accuracy=index / 64) for index in range(64)]
    (table,) = board(*records).tables
    drawn = figure(table, "many")
    assert drawn.get_suptitle() == "many (the best 40 of 64 rows)"
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert labels[0] == "Residual learning, 4 tiles (lr=1.0)"
    assert len(labels) == 40
