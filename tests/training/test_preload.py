"""What sweeps import once: after it nothing has computed, no thread runs, and a training imports nothing more."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from resbench.config.files import PACKAGE

PROGRAM = """
import contextlib, io, json, os, sys
import resbench.training.preload
import torch
from resbench.training.fit import fit
from resbench.training.process import effective_arithmetic, is_x86_64

facts = {"threads": len(os.listdir("/proc/self/task")), "cuda": torch.cuda.is_initialized()}
before = set(sys.modules)
with contextlib.redirect_stdout(io.StringIO()):
    facts["status"] = fit(sys.argv[1:])
facts["imported"] = sorted(set(sys.modules) - before)
facts["aten"] = effective_arithmetic()["aten"] if is_x86_64() else "AVX2"
print(json.dumps(facts))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_a_run_finds_everything_imported_and_chooses_its_arithmetic(tmp_path: Path) -> None:
    configs = ("track/digits_mlp.yaml", "device/softbounds.yaml", "algorithm/residual_digits.yaml")
    command = [
        *(sys.executable, "-c", PROGRAM, *(f"--config={PACKAGE.parent / 'configs' / name}" for name in configs)),
        *("--model.device.states=10", "--trainer.max_epochs=1", "--trainer.limit_train_batches=2"),
        *("--trainer.accelerator=cpu", "--arithmetic=portable", f"--experiment.root={tmp_path}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = {"threads": 1, "cuda": False, "status": 0, "imported": [], "aten": "AVX2"}
    assert json.loads(done.stdout.splitlines()[-1]) == expected
