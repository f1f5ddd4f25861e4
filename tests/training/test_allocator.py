"""Freed memory is there for the next mini-batch without the system's help."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from resbench.training.allocator import SETTINGS

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")

FAULTS = """
import resource

import torch

from resbench.training.allocator import keep_freed_memory

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


def test_freed_memory_is_kept() -> None:
    first, last = faults()
    assert last < first / 10


def test_what_the_environment_says_stays() -> None:
    first, last = faults(MALLOC_MMAP_THRESHOLD_="65536")
    assert last > first / 2
