"""Arithmetic is chosen once, before torch computes; a contradiction is an error of one line. Freed memory is kept."""

from __future__ import annotations

import gc
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from resbench import set_arithmetic
from resbench.errors import UserError
from resbench.training.process import (
    EFFECTIVE,
    HUGE,
    HUGE_PAGES,
    PORTABLE,
    SETTINGS,
    SPINS,
    effective_arithmetic,
    fast_imports,
    is_x86_64,
    share_cores,
    use_huge_pages,
)

x86_64 = pytest.mark.skipif(not is_x86_64(), reason="speaks of x86-64 processors")
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


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


IMPORTS = """
import gc
from resbench.training.process import fast_imports
try:
    with fast_imports():
        during = gc.isenabled()
        import {}
except ModuleNotFoundError:
    pass
print(during, gc.isenabled(), gc.get_freeze_count() > 0)
"""


@pytest.mark.parametrize("module", ["decimal", "no_such_module"])
def test_garbage_is_collected_again_after_an_import(module: str) -> None:
    assert run(IMPORTS.format(module)) == (0, "False True True")


def test_where_torch_is_imported_already_garbage_is_collected_as_before() -> None:
    frozen = gc.get_freeze_count()
    with fast_imports():
        assert gc.isenabled()
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, frozen)


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


FAULTS = """
import resource

import torch

from resbench.training.process import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**22)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
counts = [faults() for _ in range(20)]
print(counts[0], counts[-1])
"""


def faults(**settings: str) -> tuple[int, int]:
    """Page faults of the first and the 20th time that a process asks for as much memory; the heap has settled then."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | settings
    run = subprocess.run([sys.executable, "-c", FAULTS], env=environment, capture_output=True, text=True, check=True)
    first, last = map(int, run.stdout.split())
    return first, last


@glibc
def test_freed_memory_is_kept() -> None:
    first, last = faults()
    assert last < first / 10


@glibc
def test_what_the_environment_says_stays() -> None:
    first, last = faults(MALLOC_MMAP_THRESHOLD_="65536")
    assert last > first / 2


def bytes_in_huge_pages(tensor: torch.Tensor) -> int:
    """Of the mapping that a tensor lies in, from its first whole page on."""
    page, inside = -(-tensor.data_ptr() // HUGE) * HUGE, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if bounds := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(bounds[1], 16) <= page < int(bounds[2], 16)
        elif inside and line.startswith("AnonHugePages:"):
            return 1024 * int(line.split()[1])
    raise AssertionError("no mapping holds the tensor")


@glibc
@pytest.mark.skipif(
    not HUGE_PAGES.exists() or "[never]" in HUGE_PAGES.read_text(), reason="the system has no transparent huge pages"
)
def test_large_tensors_lie_in_huge_pages() -> None:
    tensor = torch.arange(8 * HUGE // 8)
    before = bytes_in_huge_pages(tensor)
    use_huge_pages([torch.ones(3), tensor, tensor[5:]])
    assert bytes_in_huge_pages(tensor) >= max(before, 7 * HUGE)
    assert torch.equal(tensor, torch.arange(8 * HUGE // 8))
