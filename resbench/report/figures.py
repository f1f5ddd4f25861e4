"""The figures of a report: curves of training, the states of tiles over the epochs, and wear."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

from resbench.leaderboard.figures import COLOURS
from resbench.records.schema import LayerEntry
from resbench.records.text import cut, one_line
from resbench.report.style import PAPER, SOFT
from resbench.report.tiles import LayerHistory, TileHistory

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Item = TypeVar("Item")
#: Inches. Shown at its natural size, the text of a figure has about the size of the page's.
WIDE, NARROW = (4.2, 2.7), (2.1, 2.7)
#: Most curves of a histogram over time; labels are cut at this number of characters.
MOST_RIDGES, LONGEST_LABEL = 12, 34
#: How much a ridge overlaps the next one.
OVERLAP = 1.9
#: Larger values are not drawn, because what the axes compute of them may overflow.
LARGEST = 1e150
#: Positive values that differ by this factor are drawn on a logarithmic axis.
FAR = 50


@dataclass(frozen=True)
class Line:
    """A line of a figure: values by epoch."""

    label: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


def colour(index: int) -> str:
    """The colour of a run or of a tile."""
    return COLOURS[index % len(COLOURS)]


def short(text: str) -> str:
    """A label, cut if it is long."""
    return cut(one_line(text), LONGEST_LABEL)


def lines(
    title: str,
    drawn: Sequence[Line],
    ylabel: str,
    *,
    percent: bool = False,
    log: bool = False,
    also: Sequence[float] = (),
) -> "Figure | None":
    """Lines over the epochs; null if there is no point that can be drawn.

    Args:
        title: heading.
        drawn: the lines.
        ylabel: what the vertical axis shows.
        percent: show fractions in per cent.
        log: take a logarithmic axis, on which only values above zero are drawn. Otherwise the axis is logarithmic if
            all values are positive and far apart, as losses are.
        also: further values that the vertical axis covers.
    """
    values = [value for line in drawn for _, value in line.points if abs(value) < LARGEST]
    log = log or (not percent and len(values) > 1 and min(values) > 0 and max(values) > FAR * min(values))
    kept = [(line, [point for point in line.points if _can_be_drawn(point[1], log)]) for line in drawn]
    kept = [(line, points) for line, points in kept if points]
    if not kept:
        return None
    figure, axes = _new(title)
    for line, points in kept:
        axes.plot(
            *zip(*points, strict=True),
            color=line.colour,
            linestyle="--" if line.dashed else "-",
            marker="o" if len(points) == 1 else "",
            label=short(line.label),
        )
    shown = [y for _, points in kept for _, y in points] + [value for value in also if _can_be_drawn(value, log)]
    low, high = min(shown), max(shown)
    if log:
        axes.set_yscale("log")
        room = max(1.25, (high / low) ** 0.05)
        axes.set_ylim(low / room, high * room)
        _log_ticks(axes)
    else:
        room = 0.05 * (high - low) or 0.02 * abs(high) or 0.02
        axes.set_ylim(low - room, high + room)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g}" if percent else _plain(value))
    _over_epochs(axes, [x for _, points in kept for x, _ in points])
    axes.set_ylabel(ylabel)
    _legend(axes, axes.get_legend_handles_labels()[0])
    return figure


def shares(title: str, layer: LayerHistory) -> "Figure":
    """Share of each tile of a layer in the composite weight, stacked."""
    figure, axes = _new(title)
    epochs = layer.epochs
    values = layer.shares()
    if len(epochs) == 1:  # an area has no width then
        base = 0.0
        for index, (value,) in enumerate(values):
            axes.bar(epochs, value, bottom=base, width=0.5, color=colour(index), alpha=0.75)
            base += value
        axes.set_xlim(0, 2)
    else:
        axes.stackplot(epochs, values, colors=[colour(index) for index in range(len(values))], alpha=0.75, linewidth=0)
    from matplotlib.patches import Patch

    handles = [Patch(color=colour(k), alpha=0.75, label=short(tile.name)) for k, tile in enumerate(layer.tiles)]
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    axes.set_ylabel("share of the weight, %")
    _over_epochs(axes, epochs)
    _legend(axes, handles)
    return figure


def of_tiles(title: str, layer: LayerHistory, quantity: str, alike: Sequence[LayerHistory]) -> "Figure | None":
    """A quantity of the tiles of a layer over the epochs.

    Args:
        title: heading.
        layer: the layer.
        quantity: ``share``, ``saturated`` or ``pulses``.
        alike: layers of the figures beside this one; all get the same vertical axis.
    """
    if quantity == "share":
        return shares(title, layer)
    own = [Line(tile.name, colour(k), _over_time(tile, quantity)) for k, tile in enumerate(layer.tiles)]
    others = [value for other in alike for tile in other.tiles for _, value in _over_time(tile, quantity)]
    if quantity == "pulses":
        return lines(title, own, "pulses a device and epoch", log=True, also=others)
    return lines(title, own, "devices near a bound, %", percent=True, also=others)


def _over_time(tile: TileHistory, quantity: str) -> list[tuple[float, float]]:
    values = tile.pulse_rate if quantity == "pulses" else [line.saturated for line in tile.lines]
    return list(zip(map(float, tile.epochs), values, strict=True))


def ridges(tile: TileHistory, index: int) -> "Figure | None":
    """How the weights of one tile are spread, epoch by epoch: each curve is a histogram, scaled to its own height."""
    kept = [line for line in tile.lines if -LARGEST < line.range[0] < line.range[1] < LARGEST]
    if not kept:
        return None
    chosen = _spread(kept, MOST_RIDGES)
    figure, axes = _new(f"{short(tile.name)}", NARROW)
    for place in reversed(range(len(chosen))):
        line = chosen[place]
        low, high = line.range
        edges = [low + (high - low) * k / len(line.histogram) for k in range(len(line.histogram) + 1)]
        top = max(line.histogram)
        heights = [place + OVERLAP * count / top for count in line.histogram]
        axes.stairs(heights, edges, baseline=place, fill=True, facecolor=colour(index), edgecolor=PAPER, linewidth=0.6)
    ticks = sorted({0, (len(chosen) - 1) // 2, len(chosen) - 1})
    axes.set_yticks(ticks, [str(chosen[place].epoch + 1) for place in ticks])
    axes.set_ylim(-0.15, len(chosen) - 1 + OVERLAP + 0.1)
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=3)
    axes.set_ylabel("epoch")
    axes.set_xlabel("weight")
    return figure


def wear(title: str, layers: Sequence[LayerEntry]) -> "Figure | None":
    """Share of the devices that got so many pulses, by the place of their tile in its layer; null if not recorded."""
    found: dict[str, list[list[int]]] = {}
    for tile in (tile for layer in layers for tile in layer.tiles):
        if tile.write_histogram:
            found.setdefault(one_line(tile.name), []).append(tile.write_histogram)
    totals = {name: [sum(counts) for counts in zip_longest(*own, fillvalue=0)] for name, own in found.items()}
    if not any(counts[1:] for counts in totals.values()):
        return None
    figure, axes = _new(title)
    longest = max(map(len, totals.values()))
    for index, (name, counts) in enumerate(totals.items()):
        values = [100 * count / sum(counts) for count in counts]
        axes.stairs(
            values, [k - 0.5 for k in range(len(values) + 1)], color=colour(index), linewidth=1.6, label=short(name)
        )
    every = -(-longest // 7)
    axes.set_xticks(range(0, longest, every), [_from(k) for k in range(0, longest, every)])
    axes.set_xlim(-0.6, longest - 0.4)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("pulses of a device, at least")
    axes.set_ylabel("share of devices, %")
    _legend(axes, axes.patches)
    return figure


def _from(place: int) -> str:
    """The least number of pulses of a bin."""
    return _plain(0 if place == 0 else 2 ** (place - 1))


def _plain(value: float) -> str:
    """A number as an axis shows it: "0.01", "10", "4k", "1M"."""
    for factor, unit in ((1e6, "M"), (1e3, "k")):
        if 1e9 > value >= 10 * factor or value == factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.4g}".replace("e+", "e").replace("e-0", "e-")


def _new(title: str, size: tuple[float, float] = WIDE) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes


def _over_epochs(axes: "Axes", epochs: Iterable[float]) -> None:
    from matplotlib.ticker import MaxNLocator

    last = max(epochs)
    axes.set_xlim(left=min(1, last) - (0.02 * last if last > 1 else 0.5), right=last * 1.02 if last > 1 else 1.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")


def _log_ticks(axes: "Axes") -> None:
    """Plain numbers at decades, and between them where there are few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    low, high = axes.get_ylim()
    few = high / low < 30
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=7))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _legend(axes: "Axes", handles: "Sequence[Artist]") -> None:
    """Below the axes, so that it covers nothing; a single line needs none."""
    figure = axes.get_figure(root=True)
    if figure is not None and len(handles) > 1:
        longest = max(len(str(handle.get_label())) for handle in handles)
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=4 if longest < 10 else 3 if longest < 14 else 2,
            labelcolor=SOFT,
            handlelength=1.4,
            columnspacing=1.2,
        )


def _can_be_drawn(value: float, log: bool) -> bool:
    return abs(value) < LARGEST and (not log or value > 1 / LARGEST)


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items, evenly spread, with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]
