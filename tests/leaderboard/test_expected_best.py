"""The best of k trials that one can expect."""

import itertools
import math

import numpy as np
import pytest

from resbench.leaderboard.expected_best import expected_best

VALUES = [0.3, 0.9, 0.5, 0.1, 0.7]


@pytest.mark.parametrize("higher", [True, False])
def test_it_is_the_mean_of_the_best_over_all_subsets(higher: bool) -> None:
    best, low, high = expected_best(VALUES, higher)
    for k in range(1, 6):
        subsets = [(max if higher else min)(subset) for subset in itertools.combinations(VALUES, k)]
        assert best[k - 1] == pytest.approx(sum(subsets) / len(subsets), abs=1e-12)
        assert low[k - 1] <= best[k - 1] <= high[k - 1]
    assert best[-1] == (0.9 if higher else 0.1)


def test_the_band_of_one_trial_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(size=40).tolist()
    _, low, high = expected_best(values, higher_is_better=True)
    half = 1.96 * np.std(values) / math.sqrt(40)
    assert low[0] == pytest.approx(np.mean(values) - half, abs=0.05)
    assert high[0] == pytest.approx(np.mean(values) + half, abs=0.05)


def test_a_loss_without_a_value_is_infinite_until_every_subset_has_one() -> None:
    best, low, _ = expected_best([1.0, math.inf, 3.0, math.inf, 2.0], higher_is_better=False)
    assert best[:2] == [math.inf, math.inf]
    assert best[2:] == pytest.approx([_mean_of_least(3), _mean_of_least(4), 1.0])
    assert low[-1] == 1.0


def _mean_of_least(k: int) -> float:
    subsets = list(itertools.combinations([1.0, math.inf, 3.0, math.inf, 2.0], k))
    return sum(map(min, subsets)) / len(subsets)
