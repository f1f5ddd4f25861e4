"""`resbench cost`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resbench.cli import main
from resbench.records.schema import write_record
from tests.records.factory import make_record

LENET = """
model:
  class_path: resbench.tasks.Classification
  init_args:
    network: {class_path: resbench.networks.LeNet5}
"""
REST = """
compose: [lenet.yaml]
model:
  init_args:
    algorithm: {class_path: resbench.algorithms.MixedPrecision}
data: {class_path: resbench.data.MNISTData, init_args: {batch_size: 8}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "lenet.yaml").write_text(LENET)
    (tmp_path / "run.yaml").write_text(REST)
    return tmp_path / "run.yaml"


def cost(*arguments: str) -> int:
    return main(["cost", *map(str, arguments)])


def test_a_composed_config_prints_a_table(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cost("--config", str(config), "--compare", "--layers", "--kib") == 0
    out = capsys.readouterr().out
    assert "# Hardware cost of LeNet5" in out
    assert "831.909 ns" in out
    assert "c-TTv2" in out
    assert "Layers, MP:" in out


def test_a_later_config_wins(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.yaml").write_text("model: {init_args: {algorithm: {class_path: AnalogSGD}}}")
    assert cost("--config", str(config), "--config", str(tmp_path / "other.yaml")) == 0
    assert "30.8514 ns" in capsys.readouterr().out


def test_assumptions_can_be_changed_and_are_printed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cost("--config", str(config), "--assume", "t_sp=10", "--assume", "phases=2", "--batch-size", "16") == 0
    out = capsys.readouterr().out
    assert "t_sp = 10: ns of one pulse" in out
    assert "batch 16" in out


def test_a_record_is_costed_from_what_it_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(tmp_path / "record.json", make_record())
    assert cost("--record", str(tmp_path / "record.json")) == 0
    out = capsys.readouterr().out
    assert "# Counted in this run" in out
    assert "conv1.tile3" in out
    assert "# Hardware cost of LeNet5()" in out


def test_published_tables_need_no_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert cost("--as-printed") == 0
    assert "+81.88%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "cost of what? Write --config FILE.yaml"),
        (["--config", "missing.yaml"], "missing.yaml: No such file"),
        (["--config", "{config}", "--assume", "speed=2"], "--assume speed=2: there is no constant 'speed'"),
        (["--config", "{config}", "--assume", "t_sp=fast"], "--assume t_sp=fast: 'fast' is not a number"),
        (["--config", "{config}", "--assume", "t_sp=-1"], "pulse_ns: -1.0; write a number above 0, as published 5"),
        (["--config", "{config}", "--assume", "t_sp=inf"], "pulse_ns: inf; write"),
        (["--config", "{config}", "--stack", "0"], "stack: 0.0"),
        (["--record", "{config}"], "{config}: not strict JSON"),
    ],
)
def test_mistakes_end_in_one_line(
    arguments: list[str], message: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cost(*(argument.format(config=config) for argument in arguments)) == 2
    error = capsys.readouterr().err
    assert message.format(config=config) in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("optimizer", ["{class_path: 5}", "{class_path: torch.optim.SGD, init_args: [1]}", "[1]"])
def test_a_config_of_another_form_is_refused_as_in_a_run(
    config: Path, tmp_path: Path, optimizer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = f"init_args: {{optimizer: {optimizer}}}"
    (tmp_path / "other.yaml").write_text(
        f"model: {{init_args: {{algorithm: {{class_path: MixedPrecision, {settings}}}}}}}"
    )
    assert cost("--config", str(config), "--config", str(tmp_path / "other.yaml")) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: model.init_args.algorithm.init_args.optimizer")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"transfer_every_growth": 1e300}, "record.json: no formula takes these settings of the algorithm"),
        ({"transfer_every": {}}, "transfer_every: {} is no number; write one, such as 2"),
        ({"transfer_every": ["a"]}, "transfer_every: ['a'] are no periods; write one number for each hop"),
        ({"transfer_every": []}, "transfer_every: [] are no periods; write one number for each hop"),
        ({"tiles": "four"}, "tiles: 'four' is no number; write a whole number from 1"),
    ],
)
def test_settings_that_no_formula_takes_are_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, Any], said: str
) -> None:
    record = make_record("ResidualLearning", tiles=4)
    changed = {
        "class_path": "resbench.algorithms.ResidualLearning",
        "settings": {"tiles": 4, "transfer_every": 2} | settings,
    }
    entry = record.algorithm.model_copy(update=changed)
    write_record(tmp_path / "record.json", record.model_copy(update={"algorithm": entry}))
    assert cost("--record", str(tmp_path / "record.json")) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert said in streams.err
    assert streams.err.count("\n") == 1


def test_what_a_record_calls_its_optimiser_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = make_record("Mixed precision", tiles=1)
    entry = record.algorithm.model_copy(update={"settings": {"optimizer": "mine.\x1b[2J\nLion" + "x" * 500}})
    write_record(tmp_path / "record.json", record.model_copy(update={"algorithm": entry}))
    assert cost("--record", str(tmp_path / "record.json")) == 0
    out = capsys.readouterr().out
    assert "MP, \\x1b[2J Lionxxx" in out
    assert out.replace("\n", "").isprintable()
    assert "x" * 100 not in out


def test_a_digital_record_has_no_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = make_record("Digital", states=None, tiles=0)
    algorithm = record.algorithm.model_copy(update={"class_path": "resbench.algorithms.DigitalSGD"})
    write_record(tmp_path / "record.json", record.model_copy(update={"algorithm": algorithm}))
    assert cost("--record", str(tmp_path / "record.json")) == 2
    assert "error: algorithm: DigitalSGD has no devices, and so no cost on crossbars" in capsys.readouterr().err


def test_it_imports_neither_torch_nor_lightning(config: Path) -> None:
    code = f"""
import sys
from resbench.cli import main
assert main(["cost", "--config", {str(config)!r}]) == 0
assert not {{"torch", "lightning", "numpy", "numba", "pydantic"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
