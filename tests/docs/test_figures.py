"""The figures of docs/concepts.md are what their script draws."""

import re
from pathlib import Path

import matplotlib
import pytest

from docs.scripts.figures import FIGURES, IMAGES, svg
from resbench.training.process import is_x86_64

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_page_shows_all_of_them_and_says_what_is_seen() -> None:
    page = (REPOSITORY / "docs/concepts.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"!\[([^\]]*)\]\(images/(\w+)\.svg\)", page))
    assert sorted(shown.values()) == sorted(FIGURES)
    assert all(len(text) > 40 for text in shown)


@pytest.mark.skipif(not is_x86_64(), reason="portable arithmetic speaks of x86-64 processors")
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_what_is_computed_today(name: str) -> None:
    """Other versions of matplotlib write the same curves in other words."""
    kept = (IMAGES / f"{name}.svg").read_text(encoding="utf-8")
    if f"Matplotlib v{matplotlib.__version__}," not in kept:
        pytest.skip("drawn by another version of matplotlib")
    assert svg(name) == kept
