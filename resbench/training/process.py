"""Settings of a process before it computes: how its threads wait, how it keeps memory, and its arithmetic.

On the CPU, torch computes with three libraries: its own kernels (ATen), oneDNN and MKL. Each chooses its instructions
by the model of the processor. The rounding of sums depends on the instructions, so the same training gives different
numbers on different processors. Portable arithmetic makes all three use instructions with which every x86-64 processor
with AVX2 gives the same bits.
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

#: Number of turns for which a thread of GNU's OpenMP, which torch uses, spins while it waits: at most 0.5 ms.
SPINS = "30000"
#: Variables that fix the choice of the libraries, which read them when they compute for the first time. MKL's AVX2
#: branch cannot be used, because it runs different code on processors of other vendors.
PORTABLE = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}
#: Further variables that change results. Portable arithmetic needs them unset or with these values.
REFUSED = {
    "DNNL_MAX_CPU_ISA": "AVX2",
    "DNNL_DEFAULT_FPMATH_MODE": "STRICT",
    "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
    "NVIDIA_TF32_OVERRIDE": "0",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "0",
}
#: What the libraries report in portable arithmetic.
EFFECTIVE = {"aten": "AVX2", "onednn": "Intel AVX2", "mkl": "COMPATIBLE"}
#: What oneDNN reports on processors without AVX2.
TOO_OLD = ("Intel SSE4.1", "Intel AVX")
#: Names of MKL's branches (``mkl_types.h``), and the bit that its strict mode adds.
MKL_BRANCHES = {
    **{1: "native", 2: "AUTO", 3: "COMPATIBLE", 4: "SSE2", 6: "SSSE3", 7: "SSE4_1", 8: "SSE4_2", 9: "AVX", 10: "AVX2"},
    **{11: "AVX512_MIC", 12: "AVX512", 13: "AVX512_MIC_E1", 14: "AVX512_E1"},
}
MKL_STRICT, MKL_ALL = 0x10000, -1
#: Options of glibc's ``mallopt`` with their values in bytes. The first is the free memory that stays at the end of the
#: heap. The second is the size from which a block is mapped separately, and so always returned when it is freed.
#: Activations of a ResNet have 32 MiB, which is also the largest value that older versions accept.
M_TRIM_THRESHOLD, KEPT = -1, 2**30
M_MMAP_THRESHOLD, MAPPED, MAPPED_BEFORE = -3, 2**26, 2**25
#: Bytes of a huge page, and the advice of Linux's ``madvise`` for huge pages: later, and (since 6.1) immediately.
HUGE, MADV_HUGEPAGE, MADV_COLLAPSE = 2**21, 14, 25
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")

_chosen: Arithmetic | None = None


def share_cores() -> None:
    """Let OpenMP's threads go to sleep soon, unless the environment says otherwise. Call it before importing torch.

    By default they keep their cores busy for some milliseconds, and the threads of the pulsed update need these cores.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


@contextlib.contextmanager
def fast_imports() -> Iterator[None]:
    """Imports in this block run without garbage collection, and their objects are never looked at by it later.

    Importing torch and Lightning creates a million objects, of which hardly any is garbage. The collector would check
    all of them again and again. This is a fifth of the time of the import, and it would slow down each full collection
    of a training. If torch has been imported before, this does nothing.
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # forked processes also share this memory for longer
        atexit.register(gc.unfreeze)  # compiled modules warn about objects that outlive the interpreter
        gc.enable()


def keep_freed_memory() -> None:
    """Let glibc keep freed memory, unless the environment says otherwise. Other C libraries stay as they are.

    Activations are allocated and freed in every mini-batch. By default, the layout of the heap decides whether glibc
    returns their memory to the system. Getting it back, page by page, takes up to a third of an iteration.
    """
    if any(name in os.environ for name in SETTINGS):
        return
    options = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if options is not None:
        options(M_TRIM_THRESHOLD, KEPT)
        if not options(M_MMAP_THRESHOLD, MAPPED):
            options(M_MMAP_THRESHOLD, MAPPED_BEFORE)


def use_huge_pages(tensors: Iterable[Tensor]) -> None:
    """Let Linux keep large tensors in pages of 2 MiB instead of 4 KiB, unless the system is set to never do so.

    Pulses and the images of a mini-batch are spread over a large tensor. With small pages, finding the page takes
    longer than reading it.
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
    """Choose how torch computes in this process. Call it once, before torch computes anything.

    ``portable`` gives the same bits on every x86-64 processor with AVX2, for the same versions of the packages and the
    same number of threads. It switches TF32 off on GPUs. ``native`` uses the fastest instructions of this processor.
    Child processes inherit the choice through the environment. ``resbench fit`` and the other commands call this
    function with the config's ``arithmetic``. In a program of your own, call it first::

        import resbench
        resbench.set_arithmetic("portable")

    Args:
        arithmetic: ``portable`` or ``native``.

    Raises:
        UserError: if the processor has no AVX2, the environment contradicts, or torch has computed before.
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
    leave_memory_unfilled()
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
        return  # no promise there; the record has the instructions that were used
    found = effective_arithmetic()
    if found["onednn"] in TOO_OLD:  # ATen would believe the variable
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


def leave_memory_unfilled() -> None:
    """Let new memory be as it is in deterministic mode: torch fills it there, to show code that reads it before."""
    import torch

    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def c_library() -> dict[str, str]:
    """Name and version of the C library, because Python's floats use its functions; empty if unknown."""
    name, version = platform.libc_ver()
    return {name: version} if name else {}


def is_x86_64() -> bool:
    """Whether portable arithmetic makes its promise for this machine."""
    return platform.machine().lower() in ("x86_64", "amd64")


@functools.cache
def effective_arithmetic() -> dict[str, str | None]:
    """Instruction sets that ATen, oneDNN and MKL report for this process; None for a library that reports none."""
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
    """The instruction set from oneDNN's log on the standard output, which is the only place that shows it."""
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
