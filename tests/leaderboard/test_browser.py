"""The page in a real browser: headless Chromium, driven by WebDriver."""

import json
import math
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from resbench.leaderboard import page_view
from resbench.leaderboard.compile import compile_leaderboard
from resbench.leaderboard.render import write_leaderboard
from resbench.records.schema import Record, write_record
from tests.browser import MISSING, start_chromium
from tests.leaderboard.test_page_view import OF_SCRIPTS
from tests.records.factory import make_record

pytestmark = MISSING
#: Notes which keys of the page's data are read, each with the keys of its object, and which are asked for in vain.
WATCH = """
window.read = new Set(), window.missing = new Set();
const parse = JSON.parse, watched = new WeakMap();
function watch(value) {
  if (value === null || typeof value !== "object") return value;
  if (!watched.has(value)) watched.set(value, new Proxy(value, { get(target, key) {
    const named = !Array.isArray(target) && typeof key === "string";
    if (named) (key in target ? read : missing).add(Object.keys(target) + " " + key);
    return watch(target[key]);
  } }));
  return watched.get(value);
}
JSON.parse = text => watch(parse(text));
"""
MAIN, OTHER = "mnist-10k-lenet5", "other"
STATES = ".legend + .charts figure:first-child"


def records() -> Iterator[Record]:
    for record in _records():
        named = {"network": "LeNet5(classes=10)", "dataset": "MNISTData"}  # published results are known by these
        yield record.model_copy(update={"track": record.track.model_copy(update=named)})


def _records() -> Iterator[Record]:
    """A track with ranks at 4 states, one row that diverged, published results, and a second small track."""
    for seed in range(7):
        wave = seed % 2 / 1000
        yield make_record("Digital", states=None, tiles=0, seed=seed, accuracy=0.98 + wave)
        for name, class_name, tiles, accuracy in (
            ("MP", "MixedPrecision", 1, 0.9),
            ("Residual", "ResidualLearning", 4, 0.8),
            ("Residual", "ResidualLearning", 6, 0.8),
        ):
            for states, better in ((4, 0.0), (10, 0.05), (math.inf, 0.07)):
                record = make_record(name, states=states, tiles=tiles, seed=seed, accuracy=accuracy + better + wave)
                algorithm = record.algorithm.model_copy(update={"class_path": f"resbench.algorithms.{class_name}"})
                yield record.model_copy(update={"algorithm": algorithm})
    yield make_record("TT-v1", tiles=2, states=4, status="diverged", final={})
    yield make_record(track=OTHER, accuracy=0.5)
    yield make_record("TT-v1", tiles=2, track=OTHER, accuracy=0.4)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("board")
    for index, record in enumerate(records()):
        write_record(folder / "records" / f"{index}.json", record)
    (folder / "records" / "foreign.json").write_text("{}")
    paths = write_leaderboard(compile_leaderboard(folder / "records"), folder / "out", folder / "records")
    return next(path for path in paths if path.suffix == ".html").as_uri()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = start_chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(name="board")
def board_fixture(chromium: Any, page: str) -> Iterator[Any]:
    """The page, freshly opened at its main track. At the end, nothing was logged, and nothing else was requested."""
    chromium.get("about:blank")
    chromium.get_log("performance")
    chromium.get(f"{page}#{MAIN}")
    yield chromium
    assert chromium.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    urls = [entry["params"]["request"]["url"] for entry in asked if entry["method"] == "Network.requestWillBeSent"]
    urls = [url for url in urls if not url.startswith(page.replace("out/leaderboard.html", "records/"))]  # a link
    assert {url.split("#")[0] for url in urls} <= {page, "about:blank", "data:,"}


def find(board: Any, selector: str) -> list[Any]:
    """Visible elements of the open panel."""
    return [
        e for e in board.find_elements("css selector", f"[role=tabpanel]:not([hidden]) {selector}") if e.is_displayed()
    ]


def column(board: Any, key: str) -> list[str]:
    return [cell.text.split("\n")[0].split(" [")[0] for cell in find(board, f".results tbody [data-c={key}]")]


def press(board: Any, *keys: str) -> None:
    for key in keys:
        board.switch_to.active_element.send_keys(key)


def test_tabs_show_one_track_at_a_time(board: Any) -> None:
    tabs = {tab.text: tab for tab in board.find_elements("css selector", "[role=tab]")}
    assert list(tabs) == ["All tracks", MAIN, OTHER]
    assert [panel.text for panel in find(board, "h2")] == [MAIN]
    tabs[OTHER].click()
    assert [panel.text for panel in find(board, "h2")] == [OTHER]
    assert column(board, "mean") == ["50.00", "40.00"]
    assert board.current_url.endswith(f"#{OTHER}")
    tabs["All tracks"].click()
    assert [link.text for link in find(board, "tbody a")] == [MAIN, OTHER]
    find(board, "tbody a")[0].click()
    assert tabs[MAIN].get_attribute("aria-selected") == "true"


def test_tabs_follow_the_arrow_keys(board: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    board.execute_script("document.querySelector('[role=tab][aria-selected=true]').focus()")
    press(board, Keys.ARROW_RIGHT)
    assert board.switch_to.active_element.text == OTHER
    press(board, Keys.ARROW_RIGHT, Keys.END, Keys.HOME)
    assert [panel.text for panel in find(board, "h2")] == ["What to use", "All tracks"]


def test_every_column_sorts_both_ways_with_missing_values_last(board: Any) -> None:
    given = column(board, "mean")
    assert given[0].startswith("98.0")
    header = find(board, "th[data-c=mean] button")[0]
    header.click()
    values = [float(text) for text in column(board, "mean") if text]
    assert values == sorted(values, reverse=True)
    assert column(board, "mean")[-1] == ""
    header.click()
    values = [float(text) for text in column(board, "mean") if text]
    assert values == sorted(values)
    assert column(board, "mean")[-1] == ""
    assert find(board, "th[aria-sort]")[0].get_attribute("aria-sort") == "ascending"
    keys = [cell.get_attribute("data-c") for cell in find(board, ".results thead th:has(button)")]
    assert {"rank", "row", "states", "gap", "paper", "steps", "time", "energy", "area", "writes"} <= set(keys)
    for key in keys:
        find(board, f"th[data-c={key}] button")[0].click()
        assert len(find(board, "th[aria-sort]")) == 1
        texts = [cell.get_attribute("data-v") for cell in find(board, f".results tbody [data-c={key}]")]
        assert texts == sorted(texts, key=lambda text: text == ""), key


def test_published_results_stand_beside_ours(board: Any) -> None:
    published = dict(
        zip(zip(column(board, "row"), column(board, "states"), strict=True), column(board, "paper"), strict=True)
    )
    assert published["MP", "10"] == "99.13 ± 0.02"
    assert published["Residual, 6 tiles", "10"] == "98.53 ± 0.09"
    assert published["MP", "4"] == ""


def test_the_filter_leaves_one_precision_and_the_reference(board: Any) -> None:
    boxes = {box.get_attribute("value"): box for box in board.find_elements("css selector", ".levels input")}
    for key in ("10", "inf"):
        find(board, f".levels .chip:has([value='{key}'])")[0].click()
    assert not boxes["10"].is_selected()
    assert set(column(board, "states")) == {"-", "4"}
    ticks = [text.text for text in find(board, f"{STATES} svg text")]
    assert "4" in ticks
    assert "inf" not in ticks
    find(board, ".levels .chip:has([value='inf'])")[0].click()
    assert set(column(board, "states")) == {"-", "4", "inf"}


def test_rank_groups_are_shaded_and_ties_alike(board: Any) -> None:
    shades = {}
    for row in find(board, ".results tbody tr[data-key='4']"):
        shades[row.get_attribute("data-label")] = row.value_of_css_property("background-color")
    assert shades["Residual, 4 tiles"] == shades["Residual, 6 tiles"] != shades["MP"]
    ranks = dict(zip(column(board, "row"), column(board, "rank"), strict=True))
    assert (ranks["MP"], ranks["Residual, 4 tiles"], ranks["Digital"]) == ("1", "2", "")


def test_columns_can_be_hidden_and_shown(board: Any) -> None:
    assert column(board, "gap")
    assert not column(board, "storage")
    find(board, ".menu summary")[0].click()
    for key in ("gap", "storage"):
        find(board, f".columns label:has([value={key}])")[0].click()
    assert not column(board, "gap")
    assert any("kB" in cell.text for cell in find(board, "th[data-c=storage]"))
    from selenium.webdriver.common.keys import Keys

    press(board, Keys.ESCAPE)
    assert not find(board, ".columns")


def test_charts_are_drawn_with_markers_intervals_and_fronts(board: Any) -> None:
    titles = [caption.text for caption in find(board, "figcaption")]
    assert titles[1].startswith("performance profile")
    against = [title.partition(" against ")[2].split()[0] for title in [titles[0], *titles[2:]]]
    assert against == ["states", "tiles", "latency", "energy", "area", "writes"]
    assert len(find(board, f"{STATES} .marker")) == 9
    assert len(find(board, f"{STATES} .published")) == 3  # at 10 states, where the paper has them
    panel = board.find_element("css selector", "[role=tabpanel]:not([hidden])")
    assert len(panel.find_elements("css selector", f"{STATES} .whisker")) == 9
    find(board, ".legend button")[0].click()
    assert len(find(board, f"{STATES} .marker")) == 6


def test_results_at_one_precision_stand_side_by_side(board: Any) -> None:
    placed = [group.get_attribute("transform") for group in find(board, f"{STATES} g:has(> .marker)")]
    across = {float(place.removeprefix("translate(").split()[0]) for place in placed}
    assert len(across) == 9  # three rows at three precisions
    plot = board.find_element("css selector", f"[role=tabpanel]:not([hidden]) {STATES} .grid")
    assert float(plot.get_attribute("x1")) < min(across) < max(across) < float(plot.get_attribute("x2"))


def test_costs_are_compared_at_one_precision_or_at_all(board: Any) -> None:
    tiles = ".at ~ .charts figure:first-child .marker"
    assert len(find(board, tiles)) == 3
    assert find(board, ".at ~ .charts figure:nth-child(2) .ring")
    find(board, ".at .chip:last-child")[0].click()
    assert len(find(board, tiles)) == 9


def test_the_filter_reaches_profile_and_cost_charts(board: Any) -> None:
    chosen = board.find_element("css selector", "[role=tabpanel]:not([hidden]) .at input:checked").get_attribute(
        "value"
    )
    find(board, f".levels .chip:has([value='{chosen}'])")[0].click()
    assert chosen not in [chip.text.split()[0] for chip in find(board, ".at .chip")]
    assert "share of the chosen 2 precisions" in find(board, "figcaption")[1].text
    find(board, ".at .chip:last-child")[0].click()
    assert len(find(board, ".at ~ .charts figure:first-child .marker")) == 6


def test_errors_can_be_shown_on_a_log_axis(board: Any) -> None:
    find(board, ".chip.error")[0].click()
    assert find(board, "figcaption")[0].text.startswith("test error against states")
    ticks = [float(text.text) for text in find(board, f"{STATES} svg text[text-anchor=end]")]
    assert ticks == [1, 3, 10]
    from selenium.webdriver.common.action_chains import ActionChains

    (marker, *_) = find(board, f"{STATES} .marker")
    ActionChains(board).scroll_to_element(marker).move_to_element(marker).perform()
    assert board.find_element("id", "tip").text.startswith("MP\n4 states: 9.96 [")
    ActionChains(board).click().perform()
    dialog = board.find_element("css selector", "dialog[open]")
    assert dialog.find_element("css selector", "tbody td:nth-child(2)").text == "90.00"


def test_a_click_on_a_row_shows_its_training_curves_and_runs(board: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    button = find(board, ".results tbody tr[data-key='4'][data-label=MP] button.label")[0]
    button.send_keys(Keys.ENTER)
    dialog = board.find_element("css selector", "dialog[open]")
    assert dialog.find_element("css selector", "h2").text == "MP, 4 states"
    assert len(dialog.find_elements("css selector", "path.curve")) == 3
    assert len(dialog.find_elements("css selector", "tbody tr")) == 7
    said = [item.text for item in dialog.find_elements("css selector", "li")]
    assert said[0].startswith("better than Residual, 4 tiles by 10.00")
    assert said[-1] == "pulses a device: 0.85 in the mean, 90 on the most written"
    press(board, Keys.ESCAPE)
    assert not board.find_elements("css selector", "dialog[open]")
    assert board.switch_to.active_element == button


def test_the_curves_of_the_dialog_have_names_and_the_records_have_links(board: Any) -> None:
    (button,) = find(board, "tr[data-label='Residual, 4 tiles'][data-key='4'] button.label")
    board.execute_script("arguments[0].click()", button)
    names = [key.text for key in board.find_elements("css selector", "#runs .key .label")]
    assert sorted(names) == ["MP", "Residual, 4 tiles", "Residual, 6 tiles"]
    markers = board.find_elements("css selector", "#runs .plot use")
    assert len({marker.get_attribute("href") for marker in markers}) == len(names)
    (link, *others) = board.find_elements("css selector", "#runs td a")
    assert len(others) == 6
    board.get(link.get_attribute("href"))
    assert '"schema_version"' in board.page_source


def test_the_small_table_has_a_cell_for_each_precision_and_follows_the_arrow_keys(board: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    assert [cell.text for cell in find(board, ".glance thead th")][1:] == ["4", "10", "inf"]
    assert "1 diverged" in [cell.text for cell in find(board, ".glance td")]
    assert len(board.find_elements("css selector", ".glance button[tabindex='0']")) == 1
    find(board, ".glance button")[0].send_keys(Keys.ARROW_DOWN)
    press(board, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert board.switch_to.active_element.get_attribute("title").startswith("97.04 [")
    press(board, Keys.ENTER)
    dialog = board.find_element("css selector", "dialog[open]")
    assert dialog.find_element("css selector", "h2").text == "MP, inf states"
    press(board, Keys.ESCAPE, Keys.ARROW_LEFT, Keys.ENTER)
    said = [item.text for item in board.find_elements("css selector", "dialog[open] li")]
    assert said[0] == "published: 99.13 ± 0.02 (arXiv:2510.02516, T1, 100 epochs)"
    press(board, Keys.ESCAPE)
    find(board, ".levels .chip:has([value='10'])")[0].click()
    assert [cell.text for cell in find(board, ".glance thead th")][1:] == ["4", "inf"]


def test_a_point_says_what_it_is(board: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    (marker, *_) = find(board, f"{STATES} .marker")
    ActionChains(board).scroll_to_element(marker).move_to_element(marker).perform()
    tip = board.find_element("id", "tip")
    assert tip.is_displayed()
    assert tip.text.startswith("MP\n4 states: 90.04 [")


def test_the_scripts_read_every_key_of_the_data_and_no_other(board: Any) -> None:
    added = board.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    try:
        board.refresh()
        for tab in board.find_elements("css selector", "[role=tab]")[:2]:  # all tracks, and the main one
            tab.click()
        find(board, ".glance button")[-1].click()
        read, missing = (set(board.execute_script(f"return [...window.{name}]")) for name in ("read", "missing"))
    finally:
        board.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    kinds = (getattr(page_view, name) for name in (*OF_SCRIPTS, "Style"))
    keys = [[field.name for field in fields(kind)] for kind in kinds]
    assert read == {f"{','.join(names)} {name}" for names in keys for name in names}
    assert not missing


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 22, 26)")])
def test_it_follows_the_colours_of_the_system_and_turns_them(board: Any, scheme: str, paper: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    board.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    body = board.find_element("css selector", "body")
    colour = "return getComputedStyle(document.body).backgroundColor"
    assert board.execute_script(colour) == paper
    body.find_element("id", "theme").click()
    assert board.execute_script(colour) != paper
    body.find_element("id", "theme").click()
    assert board.execute_script(colour) == paper


def test_it_fits_a_phone(board: Any) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    board.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        board.refresh()
        assert board.execute_script("return document.documentElement.scrollWidth") <= 390
        assert column(board, "mean")
        assert not column(board, "writes")
        widths = [chart.size["width"] for chart in find(board, "svg.plot")]
        assert len(widths) == 7
        assert max(widths) <= 390
    finally:
        board.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_without_scripts_every_table_can_be_read(page: str, chromium: Any) -> None:
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chromium.get("about:blank")
        chromium.get(page)
        tables = chromium.find_elements("css selector", "table.results")
        assert [table.is_displayed() for table in tables] == [True, True]
    finally:
        chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
