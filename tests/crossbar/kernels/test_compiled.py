"""Where compiled kernels are kept, and that old ones never run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import resbench

#: Prints numbers of one small kernel, and where compiled code is kept.
DRAW = """
import torch
from resbench.crossbar.kernels.compiled import cache_directory
from resbench.crossbar.kernels.uniform import row_uniforms
print(row_uniforms(7, 1, 0, torch.arange(2)).flatten().tolist())
print(cache_directory())
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the kernels' package in it, to be changed."""
    source = Path(resbench.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("__init__.py", "errors.py"):
        (tmp_path / "sources" / "resbench").mkdir(parents=True, exist_ok=True)
        shutil.copy(source / part, tmp_path / "sources" / "resbench")
    shutil.copytree(source / "crossbar", tmp_path / "sources" / "resbench" / "crossbar", ignore=ignored)
    return tmp_path / "sources"


def run(package: Path, code: str = DRAW, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_", "PYTHON"))}
    environment = {**clean, "PYTHONPATH": str(package), **variables}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=package, env=environment, capture_output=True, text=True, timeout=300
    )


def drawn(package: Path, **variables: str) -> tuple[str, Path]:
    done = run(package, **variables)
    assert done.returncode == 0, done.stderr
    numbers, folder = done.stdout.splitlines()
    return numbers, Path(folder)


def left_in_the_sources(package: Path) -> list[Path]:
    return [*package.glob("**/*.nbi"), *package.glob("**/*.nbc")]


def test_changed_sources_do_not_run_old_kernels(package: Path, tmp_path: Path) -> None:
    """The file of the kernel stays as it is; what it calls changes."""
    root = tmp_path / "cache"
    before, folder = drawn(package, NUMBA_CACHE_DIR=str(root))
    assert folder.is_relative_to(root)
    assert list(folder.glob("**/*.nbi"))
    again, _ = drawn(package, NUMBA_CACHE_DIR=str(root))
    assert again == before
    source = package / "resbench/crossbar/randomness.py"
    source.write_text(source.read_text().replace("ROUNDS = 10", "ROUNDS = 9"))
    after, other = drawn(package, NUMBA_CACHE_DIR=str(root))
    assert other != folder
    assert other.is_relative_to(root)
    assert after != before
    assert left_in_the_sources(package) == []


def test_a_root_that_cannot_be_written_is_said_and_code_is_kept_in_the_temporary_folder(
    package: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "tmp").mkdir()
    root = tmp_path / "file" / "cache"
    done = run(package, NUMBA_CACHE_DIR=str(root), TMPDIR=str(tmp_path / "tmp"))
    assert done.returncode == 0, done.stderr
    private = tmp_path / "tmp" / f"resbench-{os.getuid()}"
    assert f"resbench: {root} cannot be written, compiled kernels are kept in {private}" in done.stderr.splitlines()
    assert Path(done.stdout.splitlines()[1]).parent == private
    assert private.stat().st_mode & 0o077 == 0, "nobody else may put code there"
    assert list(private.glob("**/*.nbi"))
    assert left_in_the_sources(package) == []


def test_no_place_at_all_is_an_error_that_names_the_setting(package: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = str(tmp_path / "file" / "cache")
    done = run(package, f"import tempfile; tempfile.tempdir = {nowhere!r}\n{DRAW}", NUMBA_CACHE_DIR=nowhere)
    assert f"UserError: NUMBA_CACHE_DIR: {nowhere} cannot be written" in done.stderr.splitlines()[-1]
    assert left_in_the_sources(package) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_code_is_not_taken_from_a_temporary_folder_of_somebody_else(package: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    private = tmp_path / f"resbench-{os.getuid()}"
    private.mkdir()
    os.chown(private, 1, 1)
    done = run(package, NUMBA_CACHE_DIR=str(tmp_path / "file" / "cache"), TMPDIR=str(tmp_path))
    assert "UserError: NUMBA_CACHE_DIR: " in done.stderr.splitlines()[-1]
    assert list(private.iterdir()) == []


def test_numbas_choice_of_places_does_not_count(package: Path, tmp_path: Path) -> None:
    locators = "InTreeCacheLocator"
    _, folder = drawn(package, NUMBA_CACHE_DIR=str(tmp_path / "cache"), NUMBA_CACHE_LOCATOR_CLASSES=locators)
    assert list(folder.glob("**/*.nbi"))
    assert left_in_the_sources(package) == []


def test_kernels_that_shall_not_be_compiled_are_an_error_that_names_the_setting(package: Path) -> None:
    done = run(package, NUMBA_DISABLE_JIT="1")
    assert done.stderr.splitlines()[-1].endswith(
        "UserError: NUMBA_DISABLE_JIT: kernels do not run uncompiled; unset it"
    )
