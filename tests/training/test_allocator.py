"""Freed memory is there for the next mini-batch without the system's help."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from resbench.training.allocator import HUGE, HUGE_PAGES, SETTINGS, use_huge_pages

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


def bytes_in_huge_pages(tensor: torch.Tensor) -> int:
    """Of the mapping that a tensor lies in, from its first whole page on."""
    page, inside = -(-tensor.data_ptr() // HUGE) * HUGE, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if bounds := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(bounds[1], 16) <= page < int(bounds[2], 16)
        elif inside and line.startswith("AnonHugePages:"):
            return 1024 * int(line.split()[1])
    raise AssertionError("no mapping holds the tensor")


@pytest.mark.skipif(
    not HUGE_PAGES.exists() or "[never]" in HUGE_PAGES.read_text(), reason="the system has no transparent huge pages"
)
def test_large_tensors_lie_in_huge_pages() -> None:
    tensor = torch.arange(8 * HUGE // 8)
    before = bytes_in_huge_pages(tensor)
    use_huge_pages([torch.ones(3), tensor, tensor[5:]])
    assert bytes_in_huge_pages(tensor) >= max(before, 7 * HUGE)
    assert torch.equal(tensor, torch.arange(8 * HUGE // 8))
