"""How kernels are compiled by Numba, and where the compiled code is kept.

Compiled code lives in a folder named by a hash of the sources of kernels and devices, because Numba looks at the file
of a function only, not at what the function calls. ``NUMBA_CACHE_DIR`` moves it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba import njit
from numba.core.event import Event, Listener, register, unregister

from resbench.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")
COMPILING = "numba:compile"
CROSSBAR = Path(__file__).resolve().parents[1]
#: Modules that compile nothing themselves, but whose functions and constants become part of compiled code.
INLINED = (
    *("kernels/functions.py", "kernels/philox.py", "kernels/product_lanes.py", "kernels/references.py"),
    *("kernels/responses.py", "kernels/scan_records.py", "kernels/vectors_records.py", "kernels/words.py"),
    *("functions.py", "randomness.py", "views.py"),
)

if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
    raise UserError("NUMBA_DISABLE_JIT: kernels do not run uncompiled; unset it")


@functools.cache
def cache_directory() -> Path:
    """The folder of the compiled code of these sources; it is created if it does not exist.

    It is in ``NUMBA_CACHE_DIR``, or in the user's cache folder if that is not set. If this cannot be written, it is in
    the temporary folder, and a message says so. (Numba itself would then use the folder of the sources, and run code
    that was compiled from older ones.)

    Raises:
        UserError: if there is no place to write to.
    """
    named = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    root = Path(named or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if _can_write(directory := root / "resbench" / _of_these_sources()):
        return directory
    # Others may write to the temporary folder too, and cached code is run: take only what belongs to this user.
    private = Path(tempfile.gettempdir()) / f"resbench-{os.getuid()}"
    if _can_write(private) and private.lstat().st_uid == os.getuid() and _can_write(private / _of_these_sources()):
        print(f"resbench: {root} cannot be written, compiled kernels are kept in {private}", file=sys.stderr)
        return private / _of_these_sources()
    name = "NUMBA_CACHE_DIR" if named else "HOME"
    raise UserError(f"{name}: {root} cannot be written, nor can {private}; set NUMBA_CACHE_DIR to a folder that can")


def _of_these_sources() -> str:
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=6)
    kernels = [source for source in CROSSBAR.glob("kernels/*.py") if b"kernels.compiled" in source.read_bytes()]
    for source in sorted([*kernels, Path(__file__), *CROSSBAR.glob("devices/*.py"), *map(CROSSBAR.joinpath, INLINED)]):
        digest.update(source.read_bytes())
    return f"kernels-{digest.hexdigest()}"


def _can_write(directory: Path) -> bool:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError:
        return False
    return True


@contextmanager
def _numba_settings(**settings: Any) -> Iterator[None]:
    """Change settings of Numba for as long as the context lasts."""
    before = {name: getattr(numba.config, name, None) for name in settings}  # an older Numba lacks some
    try:
        for name, value in settings.items():
            setattr(numba.config, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(numba.config, name, value)


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Numba's ``njit``, cached on disk and without fastmath: decisions need the same rounding everywhere."""
    with _numba_settings(CACHE_DIR=str(cache_directory()), CACHE_LOCATOR_CLASSES=""):
        return cast(Callable[P, R], njit(cache=True, error_model="numpy", nogil=True)(function))


#: What a process prints on stderr when it begins to compile.
NOTICE = "resbench: compiling kernels, which takes a while and is kept ('resbench warmup' compiles all of them)"


class _Announcement(Listener):
    """Prints a notice the first time that this process compiles a kernel, because that takes seconds."""

    def on_start(self, event: Event) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith("resbench."):
            unregister(COMPILING, self)  # type: ignore[no-untyped-call]
            print(NOTICE, file=sys.stderr, flush=True)

    def on_end(self, event: Event) -> None:
        """Required by Numba; nothing to do."""


register(COMPILING, _Announcement())  # type: ignore[no-untyped-call]
