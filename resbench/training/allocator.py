"""What the C library does with memory that a mini-batch frees: it keeps it for the next one."""

from __future__ import annotations

import ctypes
import os

#: Options of glibc's ``mallopt`` and what they become, in bytes: how much free memory stays at the end of the heap, and
#: the size from which a block is mapped for itself and always goes back. Activations of a ResNet have 32 MiB, which is
#: the most that older versions take.
M_TRIM_THRESHOLD, KEPT = -1, 2**30
M_MMAP_THRESHOLD, MAPPED, MAPPED_BEFORE = -3, 2**26, 2**25
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
