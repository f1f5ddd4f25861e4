"""The search for pulses vector by vector finds those of the search in a mini-batch, in the same order."""

from __future__ import annotations

import numpy as np
import pytest

from resbench.crossbar.kernels.scan import NO_STOP, scan
from resbench.crossbar.kernels.scan_records import POINT, Sides, Train
from resbench.crossbar.kernels.scan_vectors import room_for_vector, scan_vectors


@pytest.mark.parametrize(
    ("rate", "longest", "managed", "shortened"),
    [
        (0.1, 31.0, True, True),
        (0.3, 31.0, False, False),
        (3.0, 100.0, True, True),  # more slots than are drawn at once
        (0.05, 5.0, True, False),
    ],
)
@pytest.mark.parametrize(("vectors", "rows", "columns"), [(1, 1, 1), (4, 10, 70), (3, 33, 5)])
def test_the_pulses_of_vectors_are_those_of_the_mini_batch(
    rate: float, longest: float, managed: bool, shortened: bool, vectors: int, rows: int, columns: int
) -> None:
    draw = np.random.default_rng(vectors + rows)
    x = draw.standard_normal((vectors, columns), np.float32) * (draw.random((vectors, columns)) < 0.7)
    d = draw.standard_normal((vectors, rows), np.float32)
    x[-1] *= vectors != 3  # a vector without pulses
    factors = draw.random(vectors, np.float32) if rows == 33 else np.empty(0, np.float32)
    keys = np.uint64(12345678901), np.uint64(987654321)
    train = Train(POINT, *keys, 7, vectors == 4, rate, 0.1, longest, 1.0, False, managed, shortened)

    found = scan_vectors(room_for_vector(rows, columns), x, d, factors, train)
    sides = Sides(x[:, :, None, None], np.ascontiguousarray(d.T)[None], factors)
    truth = scan(sides, train, 0, NO_STOP, 2**40, False)

    assert truth.slots > 0
    assert (found.slots, found.fired) == (truth.slots, truth.fired)
    np.testing.assert_array_equal(found.visits, truth.visits)
    np.testing.assert_array_equal(found.columns, truth.columns)
