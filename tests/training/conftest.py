"""A fixture that runs a command line in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from resbench.cli import main
from resbench.crossbar.kernels.compiled import NOTICE
from tests.training.runs import CONFIG, SHORT, Outcome, Run


@pytest.fixture(autouse=True)
def leave_torch_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("resbench.training.cli.PATIENCE", 600.0)  # no word on a slow machine
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`resbench COMMAND --config CONFIG ...`, briefly, with its runs under `tmp_path / root`."""

    def run(command: str, *arguments: str, config: Path = CONFIG, root: str = "runs", short: bool = True) -> Outcome:
        folder = tmp_path / root
        limits = SHORT if short else ()
        status = main([command, "--config", str(config), *limits, f"--experiment.root={folder}", *arguments])
        captured = capsys.readouterr()
        err = captured.err.replace(f"{NOTICE}\n", "")  # the first test that needs a kernel compiles it
        return Outcome(status, captured.out, err, folder)

    return run
