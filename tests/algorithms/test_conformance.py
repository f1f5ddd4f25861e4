import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.algorithms import replay

VECTORS = Path(__file__).resolve().parents[2] / "../shared/spec/vectors_algorithms.json"
DOCUMENT: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8")) if VECTORS.exists() else {"vectors": []}
pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason="the vectors of the algorithms are not on this machine")


@pytest.mark.parametrize(
    ("vector", "path", "value", "complaint"),
    [
        ("ttv1_basic_det", ("parameters", "transfer_lr"), 0.5, "step 1: visible is off by 0.125"),
        ("ttv1_basic_det", ("parameters", "transfer_bits"), 3, "cannot be interpreted: .*transfer_bits"),
        ("ttv1_basic_det", ("algorithm",), "ttv9", "cannot be interpreted: KeyError"),
        ("ttv1_basic_det", ("variant",), "tpu", "cannot be interpreted: .*tpu"),
        ("ttv1_softbounds_stat", ("parameters", "transfer_lr"), 1.3, "tile_1: mean is off by .* tolerances"),
        ("sgd_saturating_bl_stat", ("update", "desired_bl"), 30, "visible: mean is off"),
        ("resl_fork_cpu_warmstart_det", ("variant",), "forkcuda", "is off by"),
        ("mp_mbatch2_det", ("variant",), "cuda", "chi is off by"),
    ],
)
def test_a_wrong_or_foreign_vector_fails(vector: str, path: tuple[str, ...], value: Any, complaint: str) -> None:
    entry = copy.deepcopy(next(entry for entry in DOCUMENT["vectors"] if entry["id"] == vector))
    *parents, last = path
    place = entry
    for name in parents:
        place = place[name]
    place[last] = value
    (result,) = replay({"vectors": [entry]})
    assert not result.passed
    assert re.search(complaint, result.detail), result.detail
