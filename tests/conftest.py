"""Settings of all tests: no network, no windows, fixed seeds, portable arithmetic."""

import glob
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from resbench import set_arithmetic
from resbench.crossbar import kernels
from tests.records.factory import MakeRecord, make_record

os.environ["WANDB_MODE"] = "offline"
os.environ["MPLBACKEND"] = "Agg"
if not glob.glob("/dev/nvidia[0-9]*"):
    os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton, which looks once

# Torch chooses its arithmetic when it computes for the first time, so it is set before any test does.
set_arithmetic("portable")

#: Files that come first. One worker compiles all kernels, which the tests after it find in the cache; meanwhile another
#: one waits for SLURM, which needs little of the processor. The two long files after them would otherwise keep
#: one worker busy at the end, when the other one has nothing left.
FIRST = (
    "tests/commands/test_warmup.py",
    "tests/sweep/test_slurm.py",
    "tests/training/test_resume.py",
    "tests/training/test_distributed.py",
)

settings.register_profile("resbench", deadline=None, derandomize=True)
settings.load_profile("resbench")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests of :data:`FIRST` in front."""
    places = {config.rootpath / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(FIRST)))


@pytest.fixture(autouse=True)
def default_backend() -> Iterator[None]:
    """Leave no backend to the next test: all tiles of a process have the same, and Triton's interpreter is slow."""
    yield
    kernels.use("auto")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of git with one commit."""

    def git(*arguments: str) -> None:
        author = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *author, *arguments], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "a.py").write_text("a = 1\n")
    git("add", "a.py")
    git("commit", "-qm", "first")
    return tmp_path


@pytest.fixture(name="make_record")
def make_record_fixture() -> MakeRecord:
    return make_record
