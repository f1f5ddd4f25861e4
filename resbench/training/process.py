"""What a process must be told before it computes: how its threads wait, how it holds memory, and its arithmetic.

On the CPU torch computes with three libraries, its own kernels (ATen), oneDNN and MKL, and each chooses its
instructions by the processor. Sums are rounded by them, so the same training ends in other numbers on another
processor. Portable arithmetic holds all three to what every x86-64 processor with AVX2 computes alike.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import gc
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from resbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Arithmetic = Literal["portable", "native"]

#: Turns that a thread of GNU's OpenMP, which torch brings, waits actively for more work: half a millisecond or less.
SPINS = "30000"
#: Variables that hold the libraries to one choice. They read them when they compute for the first time. MKL's AVX2
#: branch is no choice: it runs other code on processors of other vendors.
PORTABLE = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}
#: Further variables that change results; portable arithmetic needs them unset or as here.
REFUSED = {
    "DNNL_MAX_CPU_ISA": "AVX2",
    "DNNL_DEFAULT_FPMATH_MODE": "STRICT",
    "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
    "NVIDIA_TF32_OVERRIDE": "0",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "0",
}
#: What the libraries then say of themselves.
EFFECTIVE = {"aten": "AVX2", "onednn": "Intel AVX2", "mkl": "COMPATIBLE"}
#: What oneDNN says of processors without AVX2.
TOO_OLD = ("Intel SSE4.1", "Intel AVX")
#: Names of MKL's branches (``mkl_types.h``), and the bit that its strict mode adds.
MKL_BRANCHES = {
    **{1: "native", 2: "AUTO", 3: "COMPATIBLE", 4: "SSE2", 6: "SSSE3", 7: "SSE4_1", 8: "SSE4_2", 9: "AVX", 10: "AVX2"},
    **{11: "AVX512_MIC", 12: "AVX512", 13: "AVX512_MIC_E1", 14: "AVX512_E1"},
}
MKL_STRICT, MKL_ALL = 0x10000, -1
#: Options of glibc's ``mallopt`` and what they become, in bytes: how much free memory stays at the end of the heap, and
#: the size from which a block is mapped for itself and always goes back. Activations of a ResNet have 32 MiB, which is
#: the most that older versions take.
M_TRIM_THRESHOLD, KEPT = -1, 2**30
M_MMAP_THRESHOLD, MAPPED, MAPPED_BEFORE = -3, 2**26, 2**25
#: Bytes of a huge page, and the advice of Linux's ``madvise`` that asks for them, later and (since 6.1) at once.
HUGE, MADV_HUGEPAGE, MADV_COLLAPSE = 2**21, 14, 25
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")

_chosen: Arithmetic | None = None


def share_cores() -> None:
    """Have OpenMP's threads go to sleep soon, where the environment does not say otherwise; before torch is imported.

    By default they hold their cores for some milliseconds, and the threads of the pulsed update want them.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


@contextlib.contextmanager
def fast_imports() -> Iterator[None]:
    """Import inside this block without garbage collection, and leave what was imported to it for good.

    Importing torch and Lightning makes a million objects. The collector looks at all of them again and again, which is
    a fifth of the time of the import, and later for each full collection of a training. Hardly any of them is garbage.
    Where torch has been imported before, this does nothing.
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # forked processes also share its memory for longer
        atexit.register(gc.unfreeze)  # compiled modules complain of objects that outlive the interpreter
        gc.enable()


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


def set_arithmetic(arithmetic: Arithmetic = "portable") -> None:
    """Choose how torch computes in this process, once and before it computes anything.

    ``portable`` gives the same bits on every x86-64 processor with AVX2, for the same versions of the packages and the
    same number of threads, and switches TF32 off on GPUs. ``native`` takes what this processor does fastest. Child
    processes inherit the choice through the environment. ``resbench fit`` and the other commands call this with the
    config's ``arithmetic``; in a program of your own call it first::

        import resbench
        resbench.set_arithmetic("portable")

    Args:
        arithmetic: ``portable`` or ``native``.

    Raises:
        UserError: where the processor cannot, a variable of the environment says otherwise, or it comes too late.
    """
    global _chosen
    if arithmetic not in ("portable", "native"):
        raise UserError(f"arithmetic: {arithmetic!r} is unknown; write portable or native")
    if arithmetic == _chosen:
        return
    if _chosen is not None:
        raise UserError(f"arithmetic: this process computes in {_chosen} arithmetic already; start another process")
    if arithmetic == "portable":
        _refuse_contradictions(os.environ)
        os.environ.update(PORTABLE)
        _check_effect()
        _settle_torch()
    _chosen = arithmetic


def _refuse_contradictions(environment: Mapping[str, str]) -> None:
    for name, value in (PORTABLE | REFUSED).items():
        found = environment.get(name)
        if found is not None and found.lower() != value.lower():
            raise UserError(
                f"arithmetic: portable needs {name}={value}, but the environment has {found!r}; "
                f"unset {name}, or write arithmetic: native"
            )


def _check_effect() -> None:
    if not is_x86_64():
        return  # nothing is promised there; the record says what was used
    found = effective_arithmetic()
    if found["onednn"] in TOO_OLD:  # ATen takes the variable at its word
        raise UserError("arithmetic: portable needs a processor with AVX2; write arithmetic: native")
    for library, value in EFFECTIVE.items():
        if found[library] not in (value, None):
            raise UserError(
                f"arithmetic: portable comes too late: {library} computes with {found[library]} already; "
                "call resbench.set_arithmetic before torch computes anything"
            )


def _settle_torch() -> None:
    import torch

    from resbench.training.portable_kernels import replace_kernels

    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if is_x86_64():
        replace_kernels()


def c_library() -> dict[str, str]:
    """Name and version of the C library, whose mathematical functions Python's floats use; empty where unknown."""
    name, version = platform.libc_ver()
    return {name: version} if name else {}


def is_x86_64() -> bool:
    """Whether this machine is one that portable arithmetic speaks of."""
    return platform.machine().lower() in ("x86_64", "amd64")


@functools.cache
def effective_arithmetic() -> dict[str, str | None]:
    """What ATen, oneDNN and MKL compute with in this process, by their own word; None where they do not tell."""
    import torch

    return {"aten": torch.backends.cpu.get_cpu_capability(), "onednn": _onednn(), "mkl": _mkl()}


def _mkl() -> str | None:
    import torch

    if not torch.backends.mkl.is_available():
        return None
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        setting = int(library.mkl_serv_cbwr_get(MKL_ALL))
    except (OSError, AttributeError):  # another build hides it
        return None
    branch = MKL_BRANCHES.get(setting & ~MKL_STRICT, str(setting))
    return f"{branch},STRICT" if setting & MKL_STRICT else branch


def _onednn() -> str | None:
    """What oneDNN says in the log that it writes to the standard output; it tells nowhere else."""
    import torch

    if not torch.backends.mkldnn.is_available() or os.name != "posix":
        return None
    try:
        kept = os.dup(1)
    except OSError:  # there is no standard output
        return None
    with tempfile.TemporaryFile() as log:
        try:
            os.dup2(log.fileno(), 1)
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                torch.nn.functional.conv2d(torch.ones(2, 1, 3, 3), torch.ones(1, 1, 3, 3))
            ctypes.CDLL(None).fflush(None)
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
    return next((line.partition(",cpu,isa:")[2] for line in lines if ",info,cpu,isa:" in line), None)
