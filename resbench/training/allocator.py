"""How memory is held: what a mini-batch frees stays for the next one, and large tensors lie in large pages."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

#: Options of glibc's ``mallopt`` and what they become, in bytes: how much free memory stays at the end of the heap, and
#: the size from which a block is mapped for itself and always goes back. Activations of a ResNet have 32 MiB, which is
#: the most that older versions take.
M_TRIM_THRESHOLD, KEPT = -1, 2**30
M_MMAP_THRESHOLD, MAPPED, MAPPED_BEFORE = -3, 2**26, 2**25
#: Bytes of a huge page, and the advice of Linux's ``madvise`` that asks for them, later and (since 6.1) at once.
HUGE, MADV_HUGEPAGE, MADV_COLLAPSE = 2**21, 14, 25
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> None:
    """Have glibc keep freed memory, where the environment does not say otherwise; with other C libraries do nothing.

    Activations come and go with every mini-batch. By default glibc gives them back to the system or not as the heap
    happens to lie, and fetching them again, page by page, takes up to a third of an iteration.
    """
    if any(name in os.environ for name in SETTINGS):
        return
    options = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if options is not None:
        options(M_TRIM_THRESHOLD, KEPT)
        if not options(M_MMAP_THRESHOLD, MAPPED):
            options(M_MMAP_THRESHOLD, MAPPED_BEFORE)


def use_huge_pages(tensors: Iterable[Tensor]) -> None:
    """Have Linux hold large tensors in pages of 2 MiB in place of 4 KiB, unless it is set never to.

    A pulse, or an image of a mini-batch, is anywhere in a large tensor, and finding the page takes longer than reading.
    """
    if not sys.platform.startswith("linux") or not HUGE_PAGES.exists() or "[never]" in HUGE_PAGES.read_text():
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    storages = [tensor.untyped_storage() for tensor in tensors if tensor.device.type == "cpu"]
    for start, size in {(storage.data_ptr(), storage.nbytes()) for storage in storages}:
        first, stop = -(-start // HUGE) * HUGE, (start + size) // HUGE * HUGE
        if first < stop and madvise(first, stop - first, MADV_HUGEPAGE) == 0:
            madvise(first, stop - first, MADV_COLLAPSE)
