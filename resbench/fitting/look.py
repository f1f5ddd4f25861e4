"""How figures of devices look."""

from pathlib import Path
from typing import Any

from resbench.errors import BadValue

UP, DOWN, GREY = "#0072B2", "#D55E00", "#777777"  # distinct for every kind of colour vision
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "savefig.dpi": 300,
}


def check_ending(path: Path) -> None:
    """Refuse the name of a figure that has no known ending.

    Raises:
        BadValue: naming the endings that there are.
    """
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise BadValue("plot", path.name, "has no known ending; write .png, .pdf or .svg")
