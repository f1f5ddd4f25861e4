"""How the figures of a report look, and how they become SVG that follows the light or dark mode of the page."""

import html
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from resbench.leaderboard.figures import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT, LINE, GRID, REFERENCE, PAPER = "#1b1d21", "#5d626b", "#dcdcd6", "#ececea", "#6d6d6d", "#fefefe"
#: The names that the style sheet of the page has for the colours of a figure.
NAMES = {
    **{colour: f"s{index}" for index, colour in enumerate(COLOURS)},
    **{INK: "ink", SOFT: "soft", LINE: "line", GRID: "grid", REFERENCE: "reference", PAPER: "paper"},
}
RC: dict[Any, Any] = {
    "font.size": 9,
    "font.sans-serif": ["DejaVu Sans"],
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelcolor": SOFT,
    "axes.labelsize": 9,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": GRID,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 3.5,
    "svg.fonttype": "none",  # text stays text
}


@contextmanager
def drawing() -> Iterator[None]:
    """In this block, matplotlib draws in the style of reports. Characters that its font lacks are drawn as boxes."""
    import matplotlib

    matplotlib.use("Agg")
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def to_svg(figure: "Figure", name: str, description: str) -> str:
    """The figure as an ``<svg>`` element, whose colours are variables of the style sheet.

    Args:
        figure: what is drawn with the colours of this module.
        name: is part of the identifiers inside, so no two figures of a page share one.
        description: for readers who do not see it.
    """
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<style type="text/css">.*?</style>', "", svg, flags=re.DOTALL)  # it would hold for the whole page
    svg = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", svg)  # every figure has the same
    svg = re.sub(r"#[0-9a-f]{6}", lambda found: _variable(found[0]), svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    start = f'<svg class="drawn" role="img" aria-label="{html.escape(description)}" {box[0] if box else ""}>'
    return start + svg[svg.index(">") + 1 :]


def to_png(figure: "Figure") -> bytes:
    """The figure on white, for slides and messages."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return content.getvalue()


def _variable(colour: str) -> str:
    return f"var(--{NAMES[colour]})" if colour in NAMES else colour
