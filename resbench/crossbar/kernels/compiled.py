"""How kernels are compiled by Numba, and where the compiled code is kept.

Compiled code lives in a folder named by a hash of the sources of kernels and devices, because Numba looks at the file
of a function only, not at what the function calls. ``NUMBA_CACHE_DIR`` moves it.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core.event import Event, Listener, register, unregister

COMPILING = "numba:compile"
CROSSBAR = Path(__file__).resolve().parents[1]
#: What compiled functions take from modules that compile nothing.
INLINED = ("kernels/functions.py", "kernels/philox.py", "functions.py", "randomness.py")


def cache_directory() -> Path:
    """The folder of compiled code of these sources, made if need be; in a temporary place if home is read-only."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=6)
    kernels = [source for source in CROSSBAR.glob("kernels/*.py") if b"kernels.compiled" in source.read_bytes()]
    for source in sorted([*kernels, Path(__file__), *CROSSBAR.glob("devices/*.py"), *map(CROSSBAR.joinpath, INLINED)]):
        digest.update(source.read_bytes())
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for root in (cache_home, Path(tempfile.gettempdir())):
        directory = root / "resbench" / f"kernels-{digest.hexdigest()}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(directory, os.W_OK):
            return directory
    raise OSError("no writable folder for compiled kernels; set NUMBA_CACHE_DIR to one")


_directory = os.environ.get("NUMBA_CACHE_DIR") or str(cache_directory())


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's ``njit``, cached on disk and without fastmath: decisions need the same rounding everywhere."""
    before = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    numba.config.CACHE_DIR = _directory  # type: ignore[attr-defined]
    try:
        return njit(cache=True, error_model="numpy", nogil=True)(function)
    finally:
        numba.config.CACHE_DIR = before  # type: ignore[attr-defined]


class _Announcement(Listener):
    """Says, once in a process, that something has to be compiled, because that takes seconds."""

    def on_start(self, event: Event) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith("resbench."):
            unregister(COMPILING, self)  # type: ignore[no-untyped-call]
            print(
                "resbench: compiling kernels, which takes a while and is kept ('resbench warmup' compiles all of them)",
                file=sys.stderr,
                flush=True,
            )

    def on_end(self, event: Event) -> None:
        """Nothing to say."""


register(COMPILING, _Announcement())  # type: ignore[no-untyped-call]
