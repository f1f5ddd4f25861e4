import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest

from resbench.leaderboard.statistics import mean_interval

ACCURACIES = [0.866, 0.859, 0.871, 0.868, 0.862, 0.880]


def test_one_value_has_no_interval() -> None:
    assert mean_interval([0.8107]) == (0.8107, None)


def test_two_values_are_their_own_interval() -> None:
    assert mean_interval([0.8671, 0.8590])[1] == (0.8590, 0.8671)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert mean_interval([0.1, 0.1, 0.1]) == (0.1, (0.1, 0.1))


def test_bca_interval_of_six_seeds() -> None:
    # Efron's formula on all 6^6 resamples in place of a random part of them.
    x = np.array([866, 859, 871, 868, 862, 880])  # in thousands: sums of whole numbers tie exactly
    means = x[list(itertools.product(range(6), repeat=6))].mean(axis=1)
    left_out = x.mean() - (x.sum() - x) / 5
    acceleration = (left_out**3).sum() / (6 * (left_out**2).sum() ** 1.5)
    normal = NormalDist()
    bias = normal.inv_cdf(((means < x.mean()).mean() + (means <= x.mean()).mean()) / 2)
    shifted = [bias + normal.inv_cdf(level) for level in (0.025, 0.975)]
    levels = [normal.cdf(bias + z / (1 - acceleration * z)) for z in shifted]
    mean, interval = mean_interval(ACCURACIES)
    assert mean == pytest.approx(x.mean() / 1000)
    assert interval == pytest.approx(tuple(np.quantile(means, levels) / 1000), abs=5e-4)


def test_order_does_not_matter_and_repeats_are_equal() -> None:
    assert mean_interval(ACCURACIES) == mean_interval(ACCURACIES[::-1])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_has_no_interval(value: float) -> None:
    mean, interval = mean_interval([0.5, value])
    assert not math.isfinite(mean)
    assert interval is None
