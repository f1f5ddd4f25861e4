"""How torch computes is chosen once, before it computes; what contradicts the choice is an error of one line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from resbench import set_arithmetic
from resbench.errors import UserError
from resbench.training.process import EFFECTIVE, PORTABLE, SPINS, effective_arithmetic, is_x86_64, share_cores

x86_64 = pytest.mark.skipif(not is_x86_64(), reason="speaks of x86-64 processors")


def run(program: str, **environment: str) -> tuple[int, str]:
    """Exit status and the last line of a fresh process in which no variable chooses."""
    clean = {name: value for name, value in os.environ.items() if name not in PORTABLE}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**clean, **environment}, capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("said", "spins"),
    [({}, SPINS), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)],
    ids=["nothing", "turns", "policy"],
)
def test_waiting_threads_sleep_soon_unless_the_environment_says_otherwise(
    said: dict[str, str], spins: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    share_cores()
    assert os.environ.get("GOMP_SPINCOUNT") == spins


@x86_64
def test_portable_holds_all_three_libraries() -> None:
    assert effective_arithmetic() == EFFECTIVE
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


@x86_64
def test_native_leaves_the_choice_to_the_processor_and_says_what_it_was() -> None:
    program = (
        "from resbench.training.process import *\n"
        "set_arithmetic('native'); found = effective_arithmetic(); print(found['mkl'], sorted(found))"
    )
    assert run(program) == (0, "native ['aten', 'mkl', 'onednn']")
    assert run(program, MKL_CBWR="COMPATIBLE") == (0, "COMPATIBLE ['aten', 'mkl', 'onednn']")


@x86_64
def test_a_choice_that_comes_too_late_is_an_error() -> None:
    program = "import torch, resbench\ntorch.eye(9).mm(torch.eye(9))\nresbench.set_arithmetic()"
    status, line = run(program, ATEN_CPU_CAPABILITY="avx2")
    assert status == 1
    assert "arithmetic: portable comes too late: " in line
    assert "already; call resbench.set_arithmetic before torch computes anything" in line


def test_another_choice_in_the_same_process_is_an_error() -> None:
    with pytest.raises(UserError, match="computes in portable arithmetic already; start another process"):
        set_arithmetic("native")
    with pytest.raises(UserError, match="'fast' is unknown; write portable or native"):
        set_arithmetic("fast")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [("ATEN_CPU_CAPABILITY", "avx512"), ("MKL_CBWR", "AVX2"), ("ONEDNN_DEFAULT_FPMATH_MODE", "BF16")],
)
def test_a_variable_that_contradicts_is_an_error(name: str, value: str) -> None:
    status, line = run("import resbench; resbench.set_arithmetic()", **{name: value})
    assert status == 1
    assert f"but the environment has '{value}'; unset {name}, or write arithmetic: native" in line
