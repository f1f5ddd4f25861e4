"""The command line of a run."""

import pytest

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


def test_a_build_that_takes_long_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("resbench.training.cli.PATIENCE", 0.0)
    RunCLI(["--config", str(CONFIG)], "test")
    assert capsys.readouterr().err == "building: the devices of a large network take a while\n"
