"""The figures of a report as pictures of its page: which figures there are, their headings, and their PNG files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resbench.records.text import file_stems, one_line
from resbench.report import figures
from resbench.report.figures import Line
from resbench.report.runs import Run
from resbench.report.style import to_png, to_svg
from resbench.report.tiles import LayerHistory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What is drawn of the tiles of a layer: the quantity, and the heading.
QUANTITIES = (("share", "share in the weight"), ("saturated", "near a bound"), ("pulses", "pulses"))
#: The parts of the data, and their words.
SPLITS = (("train", "training"), ("val", "validation"), ("test", "test"))


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of the page: the drawing, the name of its PNG file, and whether it is small."""

    svg: str
    file: str
    narrow: bool


@dataclass(frozen=True, slots=True)
class Section:
    """Figures under a heading with an explanation. ``columns`` is 0, or the number of runs that are side by side."""

    title: str
    text: str
    columns: int
    pictures: Sequence[Picture]


class Album:
    """Draws figures, and keeps them as pictures for the page and as PNG files.

    Attributes:
        files: content of the PNG files by name.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, figure: "Figure | None", alt: str, *parts: str) -> Iterator[Picture]:
        """The picture of a figure, if there is one.

        Args:
            figure: what is drawn.
            alt: the same in words.
            parts: give the file its name.
        """
        if figure is None:
            return
        (stem,) = file_stems(["-".join(filter(None, parts))])
        name = f"{stem}.png" if f"{stem}.png" not in self.files else f"{stem}-{len(self.files)}.png"
        self.files[name] = to_png(figure)
        narrow = figure.get_figwidth() < figures.WIDE[0]
        yield Picture(to_svg(figure, f"resbench {len(self.files)}", one_line(alt)), name, narrow)


def letters(runs: Sequence[Run]) -> list[str]:
    """What the figures call the runs: A, B, C, ..., and nothing if there is only one."""
    return [chr(ord("A") + index) for index in range(len(runs))] if len(runs) > 1 else [""]


def curves(runs: Sequence[Run], album: Album) -> Section:
    """One figure for each metric, and one for the learning rate."""
    names = dict.fromkeys(name.rpartition("/")[2] for run in runs for name in run.curves)
    names |= {"lr": names.pop("lr")} if "lr" in names else {}  # the last one
    pictures: list[Picture] = []
    for metric in names:
        drawn = [
            line
            for index, (run, letter) in enumerate(zip(runs, letters(runs), strict=True))
            for line in _metric_lines(run, metric, letter, index)
        ]
        percent = "acc" in metric
        title = {"lr": "learning rate", "acc": "accuracy"}.get(metric, figures.short(metric))
        figure = figures.lines(title, drawn, f"{title}, %" if percent else title, percent=percent)
        pictures += album.add(figure, f"{title} over the epochs", "curves", metric)
    text = "Dashed: training; solid: validation; points: test, with the final weights." if len(runs) > 1 else ""
    return Section("Curves", text, 0, pictures)


def _metric_lines(run: Run, metric: str, letter: str, index: int) -> Iterator[Line]:
    """The lines of one run: one for each split, or one of a metric that belongs to none."""
    if metric in run.curves:
        yield Line(letter, figures.colour(index), sorted(run.curves[metric].items()))
    final = run.record.final if run.record else {}
    last = max((max(values) for values in run.curves.values() if values), default=1)
    for place, (split, word) in enumerate(SPLITS):
        name = f"{split}/{metric}"
        points: Mapping[int, float] = run.curves.get(name, {})
        if split == "test":
            points = {last: final[name]} if name in final else {}
        if points:
            named = "val" if f"val/{metric}" in run.curves else "train"
            label = word if not letter else letter if split == named else ""
            colour = figures.colour(index if letter else place)
            yield Line(label, colour, sorted(points.items()), dashed=split == "train")


def layers(runs: Sequence[Run], names: Sequence[str], album: Album) -> list[Section]:
    """For each layer, the quantities of its tiles over the epochs and then their weights, the runs side by side."""
    sections = []
    for name in names:
        own = [
            (letter, layer)
            for run, letter in zip(runs, letters(runs), strict=True)
            for layer in run.layers
            if layer.name == name
        ]
        shown = [
            picture
            for quantity, title in QUANTITIES
            for letter, layer in own
            for picture in album.add(
                figures.of_tiles(f"{letter}  {title}".strip(), layer, quantity, [layer for _, layer in own]),
                f"{title}, layer {name} {letter}",
                *("tiles", name, quantity, letter),
            )
        ]
        sections.append(Section(figures.short(name), "", len(own) if len(own) > 1 else 0, shown))
        sections += [_weights(name, letter, layer, album) for letter, layer in own]
    return sections


def _weights(name: str, letter: str, layer: LayerHistory, album: Album) -> Section:
    pictures = [
        picture
        for index, tile in enumerate(layer.tiles)
        for picture in album.add(
            figures.ridges(tile, index),
            f"weights of {tile.name} of layer {name} over the epochs {letter}",
            *("weights", name, tile.name, letter),
        )
    ]
    gammas = ", ".join(f"γ {tile.lines[-1].gamma:.3g} of {figures.short(tile.name)}" for tile in layer.tiles)
    return Section("", f"{letter}  Weights, with {gammas}".strip(), 0, pictures)


def wear(runs: Sequence[Run], album: Album) -> Section:
    """One figure for each run that recorded how its pulses are spread over the devices."""
    pictures = [
        picture
        for run, letter in zip(runs, letters(runs), strict=True)
        if run.record and run.record.layers
        for picture in album.add(
            figures.wear(f"{letter}  pulses of the devices".strip(), list(run.record.layers)),
            f"share of devices by their number of pulses {letter}",
            *("wear", letter),
        )
    ]
    return Section("Pulses and wear", "", len(pictures) if len(pictures) > 1 else 0, pictures)
