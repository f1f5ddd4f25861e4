"""Checksums of data and code of one's own: two data sets, or two versions of a plug-in, never share a run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.training.runs import REPOSITORY

PLUGIN = '''"""Analog SGD under another name."""

from resbench.algorithms import AnalogSGD


class Mine(AnalogSGD):
    """Analog SGD."""
'''


def resbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as a user starts it in a folder: a process imports a plug-in once."""
    environment = os.environ | {"PYTHONPATH": os.fspath(REPOSITORY)}
    command = [sys.executable, "-m", "resbench", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)


def table(folder: Path, shift: int) -> None:
    folder.mkdir()
    for name, rows in (("train", 40), ("test", 10)):
        lines = [f"{row % 7},{(row + shift) % 3},{row % 2}" for row in range(rows)]
        (folder / f"{name}.csv").write_text("\n".join(["a,b,target", *lines]) + "\n")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Two tables, a plug-in, and a plan that trains the plug-in on both."""
    table(tmp_path / "first", 0)
    table(tmp_path / "second", 1)
    (tmp_path / "plugin.py").write_text(PLUGIN)
    network = {"class_path": "resbench.networks.MLP", "init_args": {"in_features": 2, "classes": 2}}
    run = {
        "name": "mine",
        "config": ["track/digits_mlp.yaml", "data/csv.yaml", "device/softbounds.yaml"],
        "set": {
            "model.network": network,
            "model.algorithm": "plugin.Mine",
            "trainer.max_epochs": 1,
            "data.val_size": 0,
        },
        "grid": {"data.root": ["first", "second"]},
    }
    plan = {"out": "runs", "seeds": [0], "runs": [run]}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    return tmp_path


def test_data_and_code_of_ones_own_identify_a_run(here: Path) -> None:
    done = resbench(here, "sweep", "plan.yaml")
    assert done.returncode == 0, done.stderr
    first, second = (next(here.glob(f"runs/*{name}/*/record.json")) for name in ("first", "second"))
    configs = [json.loads(path.read_text())["config"] for path in (first, second)]
    assert configs[0]["data_sha256"] != configs[1]["data_sha256"]
    assert configs[0]["code_sha256"] == configs[1]["code_sha256"]

    checkpoint = ["--config", str(first.with_name("config.yaml")), "--ckpt_path", str(first.with_name("last.ckpt"))]
    other = resbench(here, "test", *checkpoint, "--data.root=second")
    assert (other.returncode, "data.root: these data have the sha256 " in other.stderr) == (2, True), other.stderr
    shutil.copytree(here / "first", here / "moved")
    moved = resbench(here, "verify", str(first), "--data-root", "moved", "--trust", "plugin")
    assert "equal: " in moved.stdout, moved.stderr

    (here / "plugin.py").write_text(PLUGIN.replace("Analog SGD.", "Analog SGD, with a new remark."))
    planned = resbench(here, "sweep", "plan.yaml", "--plan")
    assert "2 runs: 0 done, 2 left" in planned.stdout, planned.stdout + planned.stderr
    changed = resbench(here, "test", *checkpoint)
    assert (changed.returncode, "code_sha256: plugin has the sha256 " in changed.stderr) == (2, True), changed.stderr
