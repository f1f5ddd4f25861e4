"""The page of a report and its figures."""

import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from resbench.cli import main
from resbench.records.schema import TileEntry
from resbench.report.page import write_report
from resbench.report.runs import Run, read_run
from tests.browser import MISSING, start_chromium
from tests.records.factory import MakeRecord, make_record
from tests.report.runs import tile_line, write_run

#: A name that would be markup, a formula, or a command.
HOSTILE = "<script>alert(1)</script>&\"'$x_{$"
METRICS = "epoch,lr,train/acc,train/loss,val/acc\n0,0.1,0.5,3.0,0.4\n1,0.05,0.6,nan,0.5\n"


class Tags(HTMLParser):
    """Collects start tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def worn(tile: TileEntry, devices: int) -> TileEntry:
    """The tile with one device that has the most pulses, and all others without a pulse."""
    counts = [devices - 1, *([0] * (tile.max_writes.bit_length() - 1)), 1]
    return tile.model_copy(update={"write_histogram": counts})


def residual(folder: Path, layer: str = "fc1") -> Path:
    lines = [
        tile_line(epoch, layer, tile, pulses=9 * epoch, share=share)
        for epoch in range(3)
        for tile, share in (("tile0_W1", 1.0), ("tile1_W0", 2.0))
    ]
    record = make_record()
    layers = [
        entry.model_copy(update={"tiles": [worn(tile, entry.out_features * entry.in_features) for tile in entry.tiles]})
        for entry in record.layers
    ]
    return write_run(folder, record.model_copy(update={"layers": layers}), lines, METRICS)


def written(folder: Path, *runs: Run, layers: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    page, *files = write_report(runs, folder, layers)
    for file in files:
        assert file.read_bytes().startswith(b"\x89PNG")
    return page.read_text(), [file.name for file in files]


def test_one_run_has_curves_tiles_weights_and_wear(tmp_path: Path) -> None:
    page, files = written(tmp_path / "out", read_run(residual(tmp_path / "run")))
    assert files == [
        *("curves-acc.png", "curves-loss.png", "curves-lr.png"),
        *("tiles-fc1-share.png", "tiles-fc1-saturated.png", "tiles-fc1-pulses.png"),
        *("weights-fc1-tile0_W1.png", "weights-fc1-tile1_W0.png", "wear.png"),
    ]
    tags = Tags(page).found
    assert sum(tag == "svg" and "drawn" in (at.get("class") or "") for tag, at in tags) == len(files)
    for text in ("learning rate", "near a bound", "tile1_W0", "resbench.algorithms", "energy of the whole training"):
        assert text in page


def test_it_loads_nothing_and_its_figures_follow_the_theme(tmp_path: Path) -> None:
    page, _ = written(tmp_path / "out", read_run(residual(tmp_path / "run")))
    for tag, attributes in Tags(page).found:
        link = attributes.get("href") or attributes.get("xlink:href") or attributes.get("src") or "#"
        assert link.startswith(("#", "data:")), (tag, link)
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    drawn = "".join(re.findall(r'<svg class="drawn".*?</svg>', page, re.DOTALL))
    assert not re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", drawn)  # every colour is a variable
    assert {"var(--s0)", "var(--soft)", "var(--grid)"} <= set(re.findall(r"var\(--\w+\)", drawn))


def test_several_runs_stand_side_by_side(make_record: MakeRecord, tmp_path: Path) -> None:
    digital = write_run(tmp_path / "digital", make_record("Digital", states=None, tiles=0))
    killed = write_run(tmp_path / "killed.attempt", None, [tile_line(0)], METRICS, config={"seed_everything": 0})
    places = (residual(tmp_path / "run"), digital, killed)
    page, files = written(tmp_path / "out", *map(read_run, places))
    assert {"tiles-fc1-share-A.png", "tiles-fc1-share-C.png", "wear-A.png"} <= set(files)
    assert [at.get("title") for tag, at in Tags(page).found if at.get("class") == "letter s1" and at.get("title")]
    assert "Where the configs differ" in page
    assert "it was killed" in page


def test_names_from_a_run_are_text_and_nothing_else(tmp_path: Path) -> None:
    place = residual(tmp_path / "run", HOSTILE)
    quoted = HOSTILE.replace('"', '""')
    (place / "metrics.csv").write_text(f'epoch,"val/{quoted}"\n0,1.0\n')
    page, files = written(tmp_path / "out", read_run(place))
    assert [tag for tag, _ in Tags(page).found].count("script") == 1
    assert "alert(1)" in page
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in files)


def test_layers_can_be_chosen_and_the_others_are_named(tmp_path: Path) -> None:
    place = write_run(tmp_path / "run", make_record(), [tile_line(0, f"conv{k}") for k in range(8)])
    page, files = written(tmp_path / "few", read_run(place))
    assert sum("share" in name for name in files) == 6
    assert "Not drawn: conv6, conv7." in page
    _, files = written(tmp_path / "chosen", read_run(place), layers=("conv[67]",))
    assert [name for name in files if "share" in name] == ["tiles-conv6-share.png", "tiles-conv7-share.png"]


def test_a_second_report_removes_the_figures_that_only_the_first_one_has(tmp_path: Path) -> None:
    run, out = read_run(residual(tmp_path / "run")), tmp_path / "out"
    _, first = written(out, run)
    for name in ("tiles-mine.png", "notes.txt"):
        (out / name).write_text("of somebody else")
    bare = read_run(write_run(tmp_path / "bare", make_record(), [], METRICS))
    _, second = written(out, bare)
    assert set(first) - set(second) == {name for name in first if name.startswith(("tiles", "weights", "wear"))}
    assert {path.name for path in out.iterdir()} == {*second, "report.html", "tiles-mine.png", "notes.txt"}


@pytest.mark.filterwarnings("error")
def test_numbers_that_no_axis_has_are_left_out(tmp_path: Path) -> None:
    lines = [tile_line(0, range=[-1e308, 1e308], share=math.nan), tile_line(1, saturated=math.inf, share=math.inf)]
    metrics = "epoch,val/loss,val/acc\n0,nan,1e308\n1,1e-320,0.5\n2,1e299,\n1e300,1,1\n"
    place = write_run(tmp_path / "run", make_record(), lines, metrics)
    page, files = written(tmp_path / "out", read_run(place))
    assert "metrics.csv: 1 lines without an epoch are left out" in page
    assert {"curves-loss.png", "curves-acc.png", "tiles-fc1-saturated.png", "weights-fc1-A.png"} <= set(files)


def test_a_run_that_logged_nothing_has_a_page(tmp_path: Path) -> None:
    page, files = written(tmp_path / "out", read_run(write_run(tmp_path / "run", None, config={})))
    assert files == []
    assert "No epoch was completed" in page


def test_the_command_says_where_the_page_is_and_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    opened: list[str] = []

    def browser(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr("webbrowser.open", browser)
    run = write_run(tmp_path / "run", make_record())
    assert main(["report", str(run), "--open"]) == 0
    assert capsys.readouterr().out == "report/report.html, and 2 figures as PNG files beside it\n"
    assert opened == [(tmp_path / "report" / "report.html").as_uri()]


def test_it_needs_no_torch(tmp_path: Path) -> None:
    arguments = ["report", str(residual(tmp_path / "run")), f"--out={tmp_path / 'out'}"]
    code = f"""
import sys
from resbench.cli import main
main({arguments!r})
assert not {{"torch", "lightning", "numba"}} & sys.modules.keys()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: there is no such file or folder; name the folder of a run, as runs/NAME/HASH"),
        (["run", "--layers=x"], "--layers x: no such layer; the tiles are those of fc1"),
        (["run", "--out=file"], "--out file: File exists; name a folder that can be written"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    write_run(Path("run"), make_record(), [tile_line(0)])
    assert main(["report", *arguments]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


@MISSING
def test_it_fits_a_phone_and_logs_nothing(tmp_path: Path) -> None:
    runs = [read_run(residual(tmp_path / name)) for name in ("a", "b")]
    page, *_ = write_report(runs, tmp_path / "out")
    chromium: Any = start_chromium(tmp_path / "profile")
    try:
        metrics = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        chromium.get(page.as_uri())
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= 390
        sizes = chromium.execute_script(
            "return [...document.querySelectorAll('.drawn text')].map(text => text.getBoundingClientRect().height)"
        )
        assert min(sizes) > 8  # pixels, so that it can be read
        assert chromium.get_log("browser") == []
    finally:
        chromium.quit()
