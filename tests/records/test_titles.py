import ast
from pathlib import Path

import pytest

from resbench.records.titles import TITLES, title

ALGORITHMS = Path(__file__).resolve().parents[2] / "resbench" / "algorithms"


def test_every_algorithm_of_resbench_has_a_title() -> None:
    tree = ast.parse((ALGORITHMS / "__init__.py").read_text(encoding="utf-8"))
    names = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names >= TITLES.keys()
    assert {"AnalogSGD", "TikiTaka", "TikiTakaV2", "ChoppedTikiTaka", "AGAD", "MixedPrecision"} <= TITLES.keys()


@pytest.mark.parametrize(
    ("name", "class_path", "shown"),
    [
        ("TikiTaka", "resbench.algorithms.TikiTaka", "Tiki-Taka (TT-v1)"),
        ("MixedPrecision", "resbench.algorithms.mixed_precision.MixedPrecision", "Mixed precision"),
        ("TikiTaka", "elsewhere.TikiTaka", "TikiTaka"),
        ("RLv2", "two_tile.TwoTileResidual", "RLv2"),
        ("Mine", "resbench.algorithms.AnalogSGD", "Mine"),
    ],
)
def test_a_title_of_its_own_comes_first_then_ours_then_the_class(name: str, class_path: str, shown: str) -> None:
    assert title(name, class_path) == shown
