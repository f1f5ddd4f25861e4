"""The command line of a run."""

import subprocess
import sys
from pathlib import Path

import pytest

from resbench.errors import UserError
from resbench.training.cli import RunCLI
from tests.training.runs import CONFIG


@pytest.fixture
def cli() -> RunCLI:
    return RunCLI(["--config", str(CONFIG), "--seed_everything=5"], "resbench fit", build=False)


def test_one_seed_reaches_all(cli: RunCLI) -> None:
    assert cli.resolved["seed_everything"] == 5
    assert cli.resolved["model"]["init_args"]["seed"] == 5
    assert cli.resolved["data"]["init_args"]["seed"] == 5


def test_another_seed_is_the_config_of_that_seed(cli: RunCLI) -> None:
    cli.reseed(7)
    reseeded, resolved = cli.config_hash, cli.resolved
    cli.load(["--config", str(CONFIG), "--seed_everything=7"])
    assert (cli.config_hash, cli.resolved) == (reseeded, resolved)


@pytest.mark.parametrize(
    "flag",
    [
        *("--experiment.name=other", "--experiment.root=elsewhere", "--tile_state.bins=5", "--data.download=false"),
        *("--trainer.enable_progress_bar=false", "--trainer.callbacks+=LearningRateMonitor"),
    ],
)
def test_what_only_watches_does_not_change_the_hash(cli: RunCLI, flag: str) -> None:
    before = cli.config_hash
    data = ["--data=MNISTData"] if "download" in flag else []
    cli.load(["--config", str(CONFIG), "--seed_everything=5", *data])
    plain = cli.config_hash
    cli.load(["--config", str(CONFIG), "--seed_everything=5", *data, flag])
    assert cli.config_hash == plain
    assert (plain == before) == (not data)


@pytest.mark.parametrize(
    "flag", ["--threads=2", "--experiment.track=other", "--optimizer.lr=0.3", "--trainer.precision=64"]
)
def test_what_changes_numbers_changes_the_hash(cli: RunCLI, flag: str) -> None:
    before = cli.config_hash
    cli.load(["--config", str(CONFIG), "--seed_everything=5", flag])
    assert cli.config_hash != before


RULED = """
from __future__ import annotations

import subprocess
import sys
import dataclasses
from resbench.algorithms import AnalogSGD

class Rule:
    def __init__(self, factor: float = 1.0):
        self.factor = factor

@dataclasses.dataclass
class Plain:
    factor: float = 1.0

class ByObject(AnalogSGD):
    def __init__(self, rule: Rule = Rule(0.5)) -> None:
        super().__init__()

class ByDataclass(AnalogSGD):
    def __init__(self, rule: Plain = Plain(0.5)) -> None:
        super().__init__()
"""


def test_values_that_no_file_holds_are_refused(cli: RunCLI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ruled.py").write_text(RULED)
    monkeypatch.syspath_prepend(str(tmp_path))
    arguments = ["--config", str(CONFIG)]
    with pytest.raises(UserError, match=r"model\.init_args\.algorithm\.init_args\.rule: .* is a Rule, which no config"):
        cli.load([*arguments, "--model.algorithm=ruled.ByObject"])
    with pytest.raises(UserError, match=r"trainer\.callbacks\.init_args\.interval: .* is a Interval"):
        cli.load([*arguments, "--trainer.callbacks+=Timer"])
    for algorithm in ("ruled.ByDataclass", "{class_path: ruled.ByObject, init_args: {rule: {class_path: ruled.Rule}}}"):
        cli.load([*arguments, f"--model.algorithm={algorithm}"])
        before = cli.config_hash
        (tmp_path / "again.yaml").write_text(cli.config_yaml())
        cli.load(["--config", str(tmp_path / "again.yaml")])
        assert cli.config_hash == before


def test_a_name_that_looks_like_a_number_stays_a_name(cli: RunCLI, tmp_path: Path) -> None:
    cli.load(["--config", str(CONFIG), "--experiment.track=1e3", "--experiment.name=007"])
    assert (cli.resolved["experiment"]["track"], cli.resolved["experiment"]["name"]) == ("1e3", "007")
    (tmp_path / "again.yaml").write_text(cli.config_yaml())
    cli.load(["--config", str(tmp_path / "again.yaml")])
    assert (cli.resolved["experiment"]["track"], cli.resolved["experiment"]["name"]) == ("1e3", "007")


def test_a_build_that_takes_long_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("resbench.training.cli.PATIENCE", 0.0)
    RunCLI(["--config", str(CONFIG)], "test")
    assert capsys.readouterr().err == "building: the devices of a large network take a while\n"


@pytest.mark.parametrize("before", ["", "import sklearn.datasets"])
def test_one_mini_batch_is_not_all_of_them_whatever_was_imported_before(before: str) -> None:
    """SciPy writes a type that Python then gives Lightning as its own; it reads 1 as 1.0, which means all."""
    code = f"""
{before}
from resbench.training.cli import RunCLI
flags = ["--config=digits_digital.yaml", "--trainer.limit_train_batches=1", "--trainer.limit_val_batches=1.0"]
trainer = RunCLI(flags, "resbench fit", build=False).resolved["trainer"]
print(repr(trainer["limit_train_batches"]), repr(trainer["limit_val_batches"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 1.0\n"
