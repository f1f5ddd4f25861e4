"""Every benchmark runs at its smallest size and writes JSON; what they compare is the same work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import arithmetic, compare, gpu, history, iteration, memory, report, scaling, trainer, update
from benchmarks.cases import DEVICE
from benchmarks.worker import REPOSITORY
from resbench.algorithms import ResidualLearning
from resbench.crossbar.randomness import Stream

UNPACK = Path(__file__).resolve().parents[3] / "shared" / "data" / "unpack.py"


@pytest.fixture(autouse=True)
def _threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_iteration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, figure = tmp_path / "iteration.json", tmp_path / "iteration.png"
    small = ["--batches", "64", "--threads", "1", "--rounds", "2", "--cases", "AnalogSGD"]
    assert iteration.main([*small, "--data", str(tmp_path), "--json", str(file), "--plot", str(figure)]) == 0
    results = json.loads(file.read_text())["results"]
    assert [(series["case"], len(series["cpu"])) for series in results] == [("DigitalSGD", 2), ("AnalogSGD", 2)]
    assert "AnalogSGD" in capsys.readouterr().out
    assert figure.stat().st_size > 0


def test_iteration_with_converters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--noisy", "--batches", "256", "--threads", "1", "--rounds", "1", "--data", str(tmp_path)]
    assert iteration.main(small) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in printed[1:]] == [
        *("DigitalSGD", "AnalogSGD", "AnalogSGD, noisy"),
        *("perceptron DigitalSGD", "perceptron AnalogSGD", "perceptron AnalogSGD, noisy"),
    ]


def test_arithmetic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "arithmetic.json"
    small = ["--threads", "1", "--rounds", "1", "--networks", "LeNet-5, 8"]
    assert arithmetic.main([*small, "--json", str(file)]) == 0
    results = json.loads(file.read_text())["results"]
    assert [(case["analog"], len(case["native"]), len(case["portable"])) for case in results] == [
        (False, 1, 1),
        (True, 1, 1),
    ]
    assert "portable / native" in capsys.readouterr().out


def test_update(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "update.json"
    small = ["--sizes", "32x64x16", "--pulses", "0.5", "4", "--rounds", "3"]
    assert update.main([*small, "--json", str(file)]) == 0
    cases = json.loads(file.read_text())["cases"]
    assert [len(case["ours"]) for case in cases] == [3, 3]
    assert [case["counted"] for case in cases] == pytest.approx([0.5, 4.0], rel=0.1)
    assert "32 x 64" in capsys.readouterr().out


def test_scaling(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, figure = tmp_path / "scaling.json", tmp_path / "scaling.png"
    small = ["--axes", "size", "--largest", "256", "--rounds", "2", "--iterations", "1"]
    assert scaling.main([*small, "--json", str(file), "--plot", str(figure)]) == 0
    found = json.loads(file.read_text())
    assert [point["size"] for point in found["axes"]["size"]] == [128, 256]
    assert all(point["pulses"] > 0 for points in found["axes"].values() for point in points)
    # Four times the crosspoints are four times the memory.
    assert found["exponents"]["size"]["bytes"] == pytest.approx([2.0, 2.0], abs=0.01)
    assert "exponent (of the work)" in capsys.readouterr().out


def test_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "memory.json"
    assert memory.main(["--size", "64", "--cases", "ResidualLearning", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    sizes = found["algorithms"]["ResidualLearning"]
    assert (sizes["tiles"], sizes["composite"]) == (6, 4)
    assert sizes["total"] == sum(sizes[part] for part in memory.PARTS[1:-1])
    assert found["devices"]["SoftBounds"]["counters"] == 8


def test_bytes_are_those_of_the_buffers() -> None:
    algorithm = ResidualLearning(3).build((8, 16), DEVICE, Stream.from_seed(0))
    total = sum(buffer.numel() * buffer.element_size() for buffer in algorithm.buffers())
    assert memory.bytes_by_part(algorithm)["total"] == total / 128


def test_trainer(tmp_path: Path) -> None:
    if not UNPACK.exists():
        pytest.skip(f"no offline copy of the data: {UNPACK} is missing")
    subprocess.run([sys.executable, UNPACK, tmp_path, "mnist"], check=True, capture_output=True)
    file = tmp_path / "trainer.json"
    arguments = ["--rounds", "1", "--cases", "AnalogSGD", "--data", str(tmp_path), "--json", str(file)]
    assert trainer.main(arguments) == 0
    (result,) = json.loads(file.read_text())["results"]
    assert len(result["trainer"]) == len(result["bare"]) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="the sizes are those of a GPU, where the benchmark itself is run")
def test_gpu_runs_in_the_interpreter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("triton")
    file = tmp_path / "gpu.json"
    code = gpu.main(["--minutes", "6", "--json", str(file)])
    parts = json.loads(file.read_text())["parts"]
    assert code == 0, {name: part.get("failed") for name, part in parts.items()}
    assert list(parts) == list(gpu.SHARES)
    assert all(layer["equal"] and layer["hashes"] == 1 and layer["pulses"] > 0 for layer in parts["races"]["found"])
    assert "1 passed" in parts["tests"]["found"]["said"]


def test_a_part_of_gpu_is_ended_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "GRACE", 0.0)
    found = gpu.in_process("tests", 0.2, os.environ)
    assert found["failed"].startswith("took more than 0 s")


def test_tests_on_a_gpu_that_are_ended_say_how_far_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    from benchmarks import gpu_parts

    commands = []

    def ended(command: list[str], timeout: float, **_: Any) -> None:
        commands.append(command)
        raise subprocess.TimeoutExpired(command, timeout, output=b"test_together.py::test_one PASSED\ntest_two ")

    monkeypatch.setattr(subprocess, "run", ended)
    monkeypatch.setattr(gpu_parts, "IS_GPU", True)
    with pytest.raises(RuntimeError, match=r"^took more than 87 s\n.*test_one PASSED\ntest_two $"):
        gpu_parts.tests(gpu_parts.Clock(87.0))
    (command,) = commands
    assert command[-2:] == ["-k", "not compile_for_a_gpu"]
    assert not [word for word in command if "launches" in word]


@pytest.mark.parametrize(("given", "expected"), [({}, ":4096:8"), ({"CUBLAS_WORKSPACE_CONFIG": ":16:8"}, ":16:8")])
def test_parts_of_gpu_may_compute_deterministically(
    given: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def run(command: list[str], env: dict[str, str], **_: Any) -> Any:
        found.append(env)
        return subprocess.CompletedProcess(command, 1, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    gpu.in_process("algorithms", 1.0, {"PATH": "here", **given})
    assert found == [{"PATH": "here", "CUBLAS_WORKSPACE_CONFIG": expected}]


def test_exponents_are_those_of_powers() -> None:
    sizes = [10.0, 20.0, 50.0]
    assert report.exponent(sizes, [3 * size**1.5 for size in sizes]) == pytest.approx(1.5)
    assert report.quartiles([4.0]) == (4.0, 4.0, 4.0)
    assert np.isclose(report.quartiles([1.0, 2.0, 3.0])[1], 2.0)


def test_history_keeps_the_ratios_of_a_commit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, kept, figure = tmp_path / "report.json", tmp_path / "history.jsonl", tmp_path / "history.png"
    series = [
        iteration.Series("DigitalSGD", 8, 1, "resbench", cpu=[2.0, 4.0, 2.0]),
        iteration.Series("AnalogSGD", 8, 1, "resbench", cpu=[2.0, 5.0, 3.0]),
        iteration.Series("AnalogSGD", 8, 1, "aihwkit", cpu=[8.0, 15.0, 12.0]),
    ]
    report.write_json(file, {"results": []}, iteration.ratios(series))
    written = json.loads(file.read_text())
    for commit in ("a" * 40, "b" * 40):
        command = ["benchmarks.iteration", "--data", "here", "--rounds", "3", "--json", str(file)]
        file.write_text(json.dumps({**written, "commit": commit, "dirty": False, "command": command}))
        assert history.main(["--file", str(kept), "add", str(file)]) == 0
    lines = history.read(kept)
    assert [line["commit"] for line in lines] == ["a" * 40, "b" * 40]
    assert lines[0]["command"] == ["benchmarks.iteration", "--rounds", "3"]
    # Quartiles of 1, 1.25, 1.5 and of 4, 3, 4.
    assert lines[1]["ratios"] == {
        "AnalogSGD, batch 8, 1 thread: ours / digital": [1.125, 1.25, 1.375],
        "AnalogSGD, batch 8, 1 thread: aihwkit / ours": [3.5, 4.0, 4.0],
    }
    assert history.main(["--file", str(kept), "plot", str(figure)]) == 0
    assert figure.stat().st_size > 0
    file.write_text(json.dumps({**written, "commit": "c" * 40, "dirty": True}))
    with pytest.raises(SystemExit, match="measured on code that is in no commit"):
        history.main(["--file", str(kept), "add", str(file)])
    with pytest.raises(SystemExit, match="name a file that a benchmark wrote"):
        history.main(["--file", str(kept), "add", str(tmp_path / "nothing.json")])
    assert len(history.read(kept)) == 2


def test_published_history_can_be_read() -> None:
    for line in history.read(history.HISTORY):
        assert set(line) == set(history.KEPT)
        assert all(low <= middle <= high for low, middle, high in line["ratios"].values())


def test_compare_with_the_same_commit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("this is no checkout")
    file = tmp_path / "compare.json"
    cases = ["perceptron DigitalSGD", "Nonsense"]
    assert compare.main(["HEAD", "--cases", *cases, "--batches", "64", "--rounds", "2", "--json", str(file)]) == 0
    (result,) = json.loads(file.read_text())["results"]
    assert (result["case"], len(result["ours"]), len(result["other"])) == ("perceptron DigitalSGD", 2, 2)
    printed = capsys.readouterr()
    assert "perceptron DigitalSGD" in printed.out
    assert "Nonsense: left out" in printed.err
    with pytest.raises(SystemExit, match="rev-parse"):
        compare.main(["no-such-commit"])
