"""Trainings give the digests of golden.json, whatever x86-64 processor runs them.

A digest that differs is a bug of portable arithmetic, or a change of the draws that the CHANGELOG has to name: then
`python -m tests.portable --write` makes them anew.
"""

from __future__ import annotations

import json

import pytest

from resbench.training.process import is_x86_64
from tests.portable.__main__ import GOLDEN, golden, versions
from tests.portable.cases import CASES, digest

EXPECTED = golden()


def test_every_case_has_a_golden_digest() -> None:
    assert list(json.loads(GOLDEN.read_text(encoding="utf-8"))["digests"]) == CASES


@pytest.mark.skipif(not is_x86_64(), reason="portable arithmetic speaks of x86-64 processors")
@pytest.mark.skipif(not EXPECTED, reason=f"golden.json is of other versions than {versions()}")
@pytest.mark.parametrize("case", CASES)
def test_a_training_has_the_bits_of_every_other_processor(case: str) -> None:
    assert digest(case) == EXPECTED[case]
