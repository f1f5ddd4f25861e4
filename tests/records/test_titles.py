import pytest

from resbench import algorithms
from resbench.algorithms import Algorithm
from resbench.records.titles import title
from resbench.registry import offers


@pytest.mark.parametrize("path", [offer.path for offer in offers("algorithms")])
def test_every_algorithm_of_resbench_has_its_title_and_citation_on_its_class(path: str) -> None:
    name = path.rpartition(".")[2]
    kind: type[Algorithm] = getattr(algorithms, name)
    assert {"title", "citation"} <= vars(kind).keys()
    assert title(name, path) == kind.title


@pytest.mark.parametrize(
    ("name", "class_path", "shown"),
    [
        ("TikiTaka", "resbench.algorithms.TikiTaka", "Tiki-Taka (TT-v1)"),
        ("MixedPrecision", "resbench.algorithms.mixed_precision.MixedPrecision", "Mixed precision"),
        ("TikiTaka", "elsewhere.TikiTaka", "TikiTaka"),
        ("Sign update", "sign_update.SignUpdate", "Sign update"),
        ("Mine", "resbench.algorithms.AnalogSGD", "Mine"),
    ],
)
def test_a_title_of_its_own_comes_first_then_ours_then_the_class(name: str, class_path: str, shown: str) -> None:
    assert title(name, class_path) == shown
