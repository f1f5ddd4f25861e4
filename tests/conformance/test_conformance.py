"""Every shared file of test vectors, replayed; and the command that replays them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.__main__ import FORMATS, main, replay

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "../shared/spec"


@pytest.mark.parametrize("name", FORMATS)
def test_shared_vectors(name: str) -> None:
    path = VECTORS / f"vectors_{name}.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here")
    results = replay(json.loads(path.read_text(encoding="utf-8")))
    assert results
    assert [f"{result.id}: {result.detail}" for result in results if not result.passed] == []


def scalar(expected: float) -> dict[str, object]:
    return {
        "id": "G",
        "kind": "scalar",
        "description": "",
        "config": {},
        "inputs": {"items": ["class default SoftBounds"]},
        "quantity": "weight granularity",
        "expected_mean": [expected],
        "expected_std": [0.0],
        "tolerance": {"mean_abs": 1e-9, "std_rel": 0.0},
    }


def test_command_prints_every_vector_and_the_count(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps({"vectors": [scalar(0.001)]}))
    bad.write_text(json.dumps({"vectors": [scalar(0.002)]}))
    run = subprocess.run(
        [sys.executable, "-m", "tests.conformance", good, bad], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stdout.splitlines() == [
        "PASS G",
        "FAIL G: mean[0] 0.001, expected 0.002 +- 1e-09",
        "1 passed, 1 failed",
    ]


@pytest.mark.parametrize("text", ["not json", "{}", '{"vectors": 3}', '{"vectors": [{"id": "x"}]}'])
def test_what_is_no_vector_file_fails(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    assert main([str(path)]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 1 failed\n")


def test_an_operation_that_nobody_knows_fails() -> None:
    vector = {"id": "Z1", "kind": "exact", "op": "levitate", "weight": [[1.0]], "input": [[2.0]], "expected": [[2.0]]}
    (result,) = replay({"vectors": [vector | {"io": None}]})
    assert not result.passed
    assert result.detail == "cannot be interpreted: KeyError('levitate')"


def test_synapses_that_the_network_does_not_have_fail() -> None:
    path = VECTORS / "vectors_cost.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here")
    document = json.loads(path.read_text(encoding="utf-8"))
    (vector,) = [vector for vector in document["vectors"] if vector["id"] == "D.energy.lenet5.mp"]
    vector["inputs"]["synapses"] += 1
    (result,) = [result for result in replay(document) if result.id == vector["id"]]
    assert "80017 synapses of a network that has 80016" in result.detail
