"""The variant of Tiki-Taka of docs/add-an-algorithm.md does what it says."""

import importlib
import sys
from pathlib import Path

import pytest

from tests.algorithms.helpers import build, drive

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_buffer_leaks_at_every_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Column 0 is read at steps 1 and 4, when A holds 1/8 and 1/2: H is 1/64, then 3/4 of it and 1/16 more."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.delitem(sys.modules, "leaky_tiki_taka", raising=False)
    leaky = importlib.import_module("leaky_tiki_taka").LeakyTikiTaka
    algorithm = build(leaky(leak=0.25, fast_lr=0.125))
    buffer = algorithm.get_buffer("buffer_0")
    drive(algorithm, 1, lr=0.125)
    assert buffer[0, 0] == 0.125 * 0.125
    drive(algorithm, 3, lr=0.125)
    assert buffer[0, 0] == 0.75 * 0.125 * 0.125 + 0.125 * 0.5
