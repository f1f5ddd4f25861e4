"""`import resbench as rb`: every name is there, importing it costs nothing, and a training is a function call."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import resbench as rb
from resbench.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[1]


def in_a_process(code: str, folder: Path) -> str:
    """What a script prints, run by a Python of its own."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_name_is_what_types_say_it_is() -> None:
    tree = ast.parse((REPOSITORY / "resbench/__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("resbench")
        for alias in node.names
    }
    assert sorted(typed) == rb.__all__
    for name, module in typed.items():
        whole = importlib.import_module(module)
        expected = getattr(whole, name, None) or importlib.import_module(f"{module}.{name}")
        assert getattr(rb, name) is expected
    with pytest.raises(AttributeError, match="nothing"):
        _ = rb.nothing


def test_the_import_brings_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, resbench; print(sorted({'torch', 'numba', 'lightning', 'numpy'} & set(sys.modules)))"
    assert in_a_process(code, tmp_path) == "[]\n"


def test_fit_returns_the_record_that_lies_in_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config, short = "digits_digital.yaml", ("--trainer.max_epochs=1", "--trainer.enable_progress_bar=false")
    record = rb.fit(config, *short)
    assert record.status == "complete"
    assert record.final["test/acc"] > 0.5
    (path,) = tmp_path.glob("runs/*/*/record.json")
    assert rb.read_record(path) == record
    (table,) = rb.compile_leaderboard("runs").tables
    assert table.rows[0].cells[0] is not None
    assert table.rows[0].cells[0].mean == record.final["test/acc"]
    with pytest.raises(UserError, match="max_epochs"):
        rb.fit(config, "--trainer.max_epochs=-3")
