import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from resbench.costs import LayerShape, lenet5, resnet
from tests.conformance.cost import replay

VECTORS = Path(__file__).resolve().parents[2] / "../shared/spec/vectors_cost.json"
pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason="the vectors of the cost model are not on this machine")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(VECTORS.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def test_every_vector_is_reproduced(document: dict[str, Any]) -> None:
    results = replay(document)
    assert len(results) == len(document["vectors"]) > 0
    assert not [result for result in results if not result.passed]


def test_the_networks_are_those_of_the_vectors(document: dict[str, Any]) -> None:
    ours = {
        "lenet5": lenet5(),
        **{f"resnet{depth}_c{classes}": resnet(depth, classes) for depth in (18, 34) for classes in (10, 100)},
    }
    for name, layers in ours.items():
        theirs = [
            LayerShape(layer["name"], layer["in"], layer["out"], layer["reuse"]) for layer in document["models"][name]
        ]
        assert list(layers) == theirs


@pytest.mark.parametrize(
    ("vector", "change", "complaint"),
    [
        ("T5.time.ttv2", {"computed": 56.2771}, "computed: 56.277142857"),
        ("T7.lenet5.mp_half", {"tool_should_print": 457.41714285714284}, "tool_should_print: 831.9"),
        ("T5.time.ttv2", {"printed": 56.4}, "does not match 56.4"),
        ("T7.lenet5.mp", {"match": True}, "does not match 457.4"),
        ("T5.time.ttv2", {"inputs": {"D": 512, "temperature": 300}}, "cannot be interpreted: .*temperature"),
        ("T5.time.ttv2", {"metric": "noise"}, "cannot be interpreted: .*noise"),
        ("T5.time.ttv2", {"inputs": {"model": "vgg"}}, "cannot be interpreted: KeyError\\('vgg'\\)"),
    ],
)
def test_a_wrong_or_foreign_vector_fails(
    document: dict[str, Any], vector: str, change: dict[str, Any], complaint: str
) -> None:
    entry = copy.deepcopy(next(entry for entry in document["vectors"] if entry["id"] == vector)) | change
    (result,) = replay(document | {"vectors": [entry]})
    assert not result.passed
    assert re.search(complaint, result.detail)
