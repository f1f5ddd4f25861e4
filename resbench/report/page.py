"""A report as one HTML file that needs nothing else, and the same figures as PNG files."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from resbench.config.yaml import dump_yaml
from resbench.errors import UserError
from resbench.leaderboard.page import TEMPLATES as SHARED
from resbench.leaderboard.page import environment, script_hash
from resbench.leaderboard.page_charts import SERIES
from resbench.records.files import real_path, replacing, write_text_atomically
from resbench.records.text import one_line, printable
from resbench.report.comparison import Group, Row, config_differences, groups
from resbench.report.pictures import Album, Section, curves, layers, letters, wear
from resbench.report.runs import Run
from resbench.report.style import drawing

TEMPLATES = Path(__file__).parent / "templates"
#: The page.
PAGE = "report.html"
#: How the page names the PNG file of a figure.
FIGURE = re.compile(r'<figure title="((?:curves|tiles|weights|wear)[\w.-]*\.png)">')
#: Most layers that are drawn if nothing else is asked for; most rows of the table of tiles.
MOST_LAYERS, MOST_TILES = 6, 400


@dataclass(frozen=True, slots=True)
class Head:
    """A run at the top of the page: its letter if there are several, its name, status, notes and config."""

    letter: str
    colour: int
    name: str
    status: str
    notes: Sequence[str]
    config: str


@dataclass(frozen=True, slots=True)
class TileRow:
    """Pulses and wear of one tile of one run."""

    letter: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class ReportPage:
    """What the template shows."""

    title: str
    heads: Sequence[Head]
    groups: Sequence[Group]
    differences: Sequence[Row]
    curves: Section
    layers: Sequence[Section]
    left_out: Sequence[str]
    wear: Section
    tiles: Sequence[TileRow]
    more_tiles: int
    series: int
    script: str
    script_hash: str


def write_report(runs: Sequence[Run], out: Path, patterns: Sequence[str] = ()) -> list[Path]:
    """Write ``report.html`` and the PNG files of its figures into a folder, each atomically.

    Figures of an earlier report in this folder that the new one does not have are removed, and no other files.

    Args:
        runs: the runs, side by side.
        out: the folder.
        patterns: shell patterns of the layers whose tiles are drawn; by default the first six of each run.

    Returns:
        Their paths, that of the page first.

    Raises:
        UserError: if no layer has a name that was asked for.
        OSError: if the folder cannot be written.
    """
    with drawing():
        album = Album()
        page = _page(runs, album, patterns)
    html = environment(TEMPLATES).get_template("report.html.jinja").render(page=page)
    for name, content in album.files.items():
        with replacing(out / name) as file:
            file.write(content)
    new = {name.lower() for name in album.files}  # two names may be one file, but for upper and lower case
    for name in _figures(out / PAGE):
        if name.lower() not in new and (out / name).is_file():
            (out / name).unlink()
    write_text_atomically(out / PAGE, html)  # the last one, because the earlier page tells what is to be removed
    return [out / PAGE, *(out / name for name in album.files)]


def _figures(page: Path) -> set[str]:
    """Names of the PNG files of an earlier report, as its page has them; none if there is no page."""
    if not page.is_file():
        return set()
    return set(FIGURE.findall(page.read_text(encoding="utf-8", errors="replace")))


def _page(runs: Sequence[Run], album: Album, patterns: Sequence[str]) -> ReportPage:
    names = letters(runs)
    chosen, left_out = _chosen(runs, patterns)
    tiles = list(_tile_rows(runs))
    script = (SHARED / "theme.js").read_text(encoding="utf-8")
    return ReportPage(
        title=_name(runs[0]) if len(runs) == 1 else f"{len(runs)} runs",
        heads=[_head(run, letter, index) for index, (run, letter) in enumerate(zip(runs, names, strict=True))],
        groups=groups(runs),
        differences=config_differences(runs) if len(runs) > 1 else [],
        curves=curves(runs, album),
        layers=layers(runs, chosen, album),
        left_out=left_out,
        wear=wear(runs, album),
        tiles=tiles[:MOST_TILES],
        more_tiles=max(0, len(tiles) - MOST_TILES),
        series=SERIES,
        script=script,
        script_hash=script_hash(script),
    )


def _head(run: Run, letter: str, index: int) -> Head:
    notes = [printable(note) for note in run.notes]
    return Head(letter, index, _name(run), run.status, notes, dump_yaml(dict(run.config)) if run.config else "")


def _name(run: Run) -> str:
    """The experiment and the hash, as the last parts of the path."""
    place = real_path(run.place)
    return one_line(f"{place.parent.name}/{place.name}")


def _chosen(runs: Sequence[Run], patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the layers that are drawn, and of those that are not."""
    names = list(dict.fromkeys(layer.name for run in runs for layer in run.layers))
    if not patterns:
        return names[:MOST_LAYERS], names[MOST_LAYERS:]
    chosen = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if names and not chosen:
        raise UserError(f"--layers {' '.join(patterns)}: no such layer; the tiles are those of {', '.join(names)}")
    return chosen, [name for name in names if name not in chosen]


def _tile_rows(runs: Sequence[Run]) -> Iterator[TileRow]:
    """Counts of each tile: those of the record, or else the last ones that were logged."""
    for run, letter in zip(runs, letters(runs), strict=True):
        if run.record and run.record.layers:
            for layer in run.record.layers:
                for tile in layer.tiles:
                    mean = (tile.pulses_up + tile.pulses_down) / (layer.out_features * layer.in_features)
                    counts = (tile.pulses_up, tile.pulses_down, tile.transfers)
                    most = f"{tile.max_writes:,}"
                    yield TileRow(letter, [layer.name, tile.name, *(f"{n:,}" for n in counts), f"{mean:,.4g}", most])
        else:
            for history in run.layers:
                for own in history.tiles:
                    line = own.lines[-1]
                    counts = (line.pulses_up, line.pulses_down, line.transfers_in)
                    mean = line.pulses / line.devices
                    yield TileRow(letter, [history.name, own.name, *(f"{n:,}" for n in counts), f"{mean:,.4g}", "-"])
