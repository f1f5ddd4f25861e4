"""The template of the page reads all that the view holds and nothing else; test_browser.py checks the scripts."""

import re
from dataclasses import fields, is_dataclass
from typing import Any

from jinja2 import nodes

from resbench.leaderboard import page_view
from resbench.leaderboard.page import TEMPLATES, environment
from resbench.leaderboard.page_lines import COLUMNS
from resbench.leaderboard.tables import Rejected

#: What jinja2 itself offers inside a loop.
OF_LOOPS = {"index0", "first"}
#: The view of the scripts, of which the template knows nothing.
OF_SCRIPTS = (
    "PageData",
    "CostAxis",
    "ChartTrack",
    "ChartRow",
    "ChartCell",
    "ChartCurve",
    "ChartSummary",
    "StandingRow",
)


def named(*without: str) -> set[str]:
    """Names of all fields of the view, but for some of its classes."""
    classes: list[Any] = [kind for name, kind in vars(page_view).items() if is_dataclass(kind) and name not in without]
    return {field.name for kind in classes for field in fields(kind)}


def test_the_template_reads_every_field_of_the_view_and_no_other_name() -> None:
    read = set()
    for name in ["look.css", "page.css", *(path.name for path in TEMPLATES.glob("*.jinja"))]:
        tree = environment().parse((TEMPLATES / name).read_text(encoding="utf-8"))
        read |= {node.attr for node in tree.find_all(nodes.Getattr)}
    assert read - OF_LOOPS == named(*OF_SCRIPTS) | set(Rejected.model_fields)


def test_scripts_and_styles_name_columns_that_there_are() -> None:
    text = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    assert {"row", "mean"} <= set(re.findall(r"\[data-c=(\w+)\]", text)) <= {column.key for column in COLUMNS}
