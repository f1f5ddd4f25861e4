import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest
import scipy.stats

from resbench.leaderboard.statistics import (
    ALPHA,
    difference_interval,
    joint_p_values,
    mean_interval,
)

FLOOR = 0.01
SKEWED = [866, 859, 871, 868, 862, 980]
ACCURACIES = [0.866, 0.859, 0.871, 0.868, 0.862, 0.880]


def p_values(pairs: Sequence[Sequence[float]] | np.ndarray, floor: float = FLOOR) -> list[float]:
    values = np.array(pairs, dtype=float)
    return joint_p_values(values, np.full(len(values), values.shape[1]), floor)


def sign_flip_p(differences: Sequence[float]) -> float:
    (p,) = p_values([differences])
    return p


def test_one_value_has_no_interval() -> None:
    assert mean_interval([0.8107]) == (0.8107, None)


def test_two_values_are_their_own_interval() -> None:
    assert mean_interval([0.8671, 0.8590])[1] == (0.8590, 0.8671)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert mean_interval([0.1, 0.1, 0.1]) == (0.1, (0.1, 0.1))


def test_bca_interval_of_six_seeds() -> None:
    # Efron's formula on all 6^6 resamples in place of a random part of them.
    x = np.array(SKEWED)  # in thousands: sums of whole numbers tie exactly
    means = x[list(itertools.product(range(6), repeat=6))].mean(axis=1)
    left_out = x.mean() - (x.sum() - x) / 5
    acceleration = (left_out**3).sum() / (6 * (left_out**2).sum() ** 1.5)
    normal = NormalDist()
    bias = normal.inv_cdf(((means < x.mean()).mean() + (means <= x.mean()).mean()) / 2)
    shifted = [bias + normal.inv_cdf(level) for level in (0.025, 0.975)]
    levels = [normal.cdf(bias + z / (1 - acceleration * z)) for z in shifted]
    mean, interval = mean_interval([value / 1000 for value in SKEWED])
    assert mean == pytest.approx(x.mean() / 1000)
    assert interval == pytest.approx(tuple(np.quantile(means, levels) / 1000), abs=5e-4)


@pytest.mark.parametrize("seeds", [2, 3, 6, 9, 25])
def test_intervals_are_those_of_scipy(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    ours, theirs = (rng.gamma(2, 0.02, size) for size in (seeds, 4))
    expected = scipy.stats.bootstrap((np.sort(ours),), np.mean, rng=np.random.default_rng(0)).confidence_interval
    assert mean_interval(ours.tolist())[1] == pytest.approx(tuple(expected), rel=1e-12)
    expected = scipy.stats.bootstrap(
        (np.sort(ours), np.sort(theirs)),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        vectorized=True,
        rng=np.random.default_rng(0),
    ).confidence_interval
    sides = dict(enumerate(ours.tolist())), dict(enumerate(theirs.tolist(), 100))
    assert difference_interval(*sides)[1] == pytest.approx(tuple(expected), rel=1e-10)


@pytest.mark.parametrize("seeds", [2, 5, 8, 14])
def test_p_values_are_those_of_scipy(seeds: int) -> None:
    differences = np.random.default_rng(seeds).normal(0.01, 0.02, seeds)
    test = scipy.stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=2**14, rng=np.random.default_rng(0)
    )
    assert sign_flip_p(differences.tolist()) == pytest.approx(test.pvalue)


def test_sums_that_tie_but_for_rounding_tie() -> None:
    hits = [3, -1, 4, 1, -5, 9, 2, -6, 5]  # of 360 images
    sums = [abs(np.dot(signs, hits)) for signs in itertools.product((1, -1), repeat=len(hits))]
    accuracies = [(300 + hit) / 360 - 300 / 360 for hit in hits]
    assert sign_flip_p(accuracies) == np.mean(np.array(sums) >= sum(hits))


def test_values_whose_squares_leave_the_floats_have_no_interval() -> None:
    mean, interval = mean_interval([1e200, 2e200, 4e200])
    assert mean == pytest.approx(7e200 / 3)
    assert interval is None


def test_order_does_not_matter_and_repeats_are_equal() -> None:
    assert mean_interval(ACCURACIES) == mean_interval(ACCURACIES[::-1])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_has_no_interval(value: float) -> None:
    mean, interval = mean_interval([0.5, value])
    assert not math.isfinite(mean)
    assert interval is None


def test_a_sum_beyond_any_float_is_no_number() -> None:
    assert math.isnan(mean_interval([1.7e308, 1.7e308])[0])
    assert math.isnan(mean_interval([math.inf, -math.inf])[0])


def test_differences_of_the_same_seeds_are_paired() -> None:
    ours, reference = {0: 0.90, 1: 0.80, 2: 0.70}, {0: 0.95, 1: 0.85, 2: 0.74}
    difference, interval = difference_interval(ours, reference)
    assert difference == pytest.approx(-0.14 / 3)
    assert interval == pytest.approx((-0.05, -0.04))  # the spread of the seeds themselves cancels


def test_differences_of_other_seeds_are_not_paired() -> None:
    rng = np.random.default_rng(1)
    ours, reference = (dict(enumerate(rng.normal(m, 0.01, 40).tolist(), start)) for m, start in ((0.8, 0), (0.9, 100)))
    difference, interval = difference_interval(ours, reference)
    assert interval is not None
    width = 1.96 * math.hypot(*(np.std(list(side.values())) / 40**0.5 for side in (ours, reference)))
    assert interval == pytest.approx((difference - width, difference + width), abs=5e-4)
    assert difference_interval({0: 0.5, 1: 0.5}, {5: 0.7, 6: 0.7})[1] == pytest.approx((-0.2, -0.2))
    assert difference_interval({0: 0.5, 1: 0.6}, {5: 0.7})[1] is None


@pytest.mark.parametrize(
    "differences", [[0.3, 0.1, -0.05, 0.2], [1, 2, 3, 4, 5, 6], [0.1, -0.1], [2, 2, -1, 0, 5, -3, 1]]
)
def test_sign_flips_are_enumerated(differences: list[float]) -> None:
    means = [np.dot(signs, differences) for signs in itertools.product((1, -1), repeat=len(differences))]
    p = np.mean(np.abs(means) >= abs(sum(differences)) - 1e-12)
    assert sign_flip_p(differences) == sign_flip_p(differences[::-1]) == pytest.approx(p)


def test_differences_of_zero_are_no_evidence() -> None:
    assert sign_flip_p([0.0] * 8) == 1


@pytest.mark.parametrize("seeds", range(2, 16))
def test_six_seeds_are_the_first_that_can_support_a_claim(seeds: int) -> None:
    p = sign_flip_p([0.01 * (1 + seed) for seed in range(seeds)])
    if seeds <= 14:
        assert p == pytest.approx(2.0 ** (1 - seeds))
    assert (p <= ALPHA) == (seeds >= 6)


@pytest.mark.parametrize("floor", [1e-9, 0.01])
def test_comparisons_are_adjusted_jointly_from_the_largest_on(floor: float) -> None:
    # Max-T over all choices of signs, with SciPy's paired t and the floor.
    rng = np.random.default_rng(3)
    rows = rng.normal([[0.9], [0.899], [0.88], [0.6]], 0.004, (4, 7))
    pairs = np.array([a - b for a, b in itertools.combinations(rows, 2)])
    signs = np.array(list(itertools.product((1, -1), repeat=7)))
    drawn = signs[:, np.newaxis, :] * pairs
    error = scipy.stats.sem(drawn, axis=2)
    t = np.abs(np.asarray(scipy.stats.ttest_1samp(drawn, 0, axis=2)[0])) / np.sqrt(1 + floor**2 / 7 / error**2)
    largest, expected = 0.0, np.empty(len(pairs))
    order = np.argsort(-t[0])
    for place, index in enumerate(order):
        largest = max(largest, float(np.mean(t[:, order[place:]].max(axis=1) >= t[0, index] - 1e-9)))
        expected[index] = largest
    assert p_values(pairs, floor) == pytest.approx(expected)


def test_small_differences_of_one_size_do_not_hide_a_large_one() -> None:
    # 9 rows on 360 test images, apart by one image or two, and one that is 7 points worse.
    rng = np.random.default_rng(1)
    rows = np.vstack([353 + rng.integers(-1, 2, (9, 6)), 328 + rng.integers(-14, 15, (1, 6))]) / 360
    pairs = {pair: rows[pair[0]] - rows[pair[1]] for pair in itertools.combinations(range(10), 2)}
    for floor, claims in ((1e-9, 0), (FLOOR, 9)):
        p = p_values([*pairs.values()], floor)
        assert [pair[1] for pair, value in zip(pairs, p, strict=True) if value <= ALPHA] == [9] * claims


def test_many_clear_differences_are_all_claims_with_six_seeds() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(np.linspace(0.1, 0.9, 12)[:, np.newaxis], 0.002, (12, 6))
    pairs = [a - b for a, b in itertools.combinations(rows, 2)]
    assert p_values(pairs) == [2.0**-5] * 66


@pytest.mark.parametrize("draw", ["normal", "laplace", "gumbel"])
@pytest.mark.parametrize("floor", [1e-9, 1, 10])
def test_rows_that_are_alike_are_seldom_told_apart(draw: str, floor: float) -> None:
    rng = np.random.default_rng(0)
    mistakes = 0
    for _ in range(400):
        rows = getattr(rng, draw)(size=(5, 6))
        pairs = [a - b for a, b in itertools.combinations(rows, 2)]
        mistakes += min(p_values(pairs, floor)) <= ALPHA
    assert mistakes / 400 <= ALPHA


def test_rows_that_are_alike_are_seldom_told_apart_where_others_differ() -> None:
    rng = np.random.default_rng(0)
    mistakes = 0
    for _ in range(400):
        rows = rng.normal([[0]] * 4 + [[4], [8], [12]], [[1]] * 5 + [[5]] * 2, (7, 6))
        pairs = {pair: rows[pair[0]] - rows[pair[1]] for pair in itertools.combinations(range(7), 2)}
        p = p_values([*pairs.values()], 1)
        mistakes += min(value for (_, second), value in zip(pairs, p, strict=True) if second < 4) <= ALPHA
    assert mistakes / 400 <= ALPHA


def test_units_do_not_matter() -> None:
    first, second = [0.3, 0.1, -0.05, 0.2, 0.4, 0.1, 0.2], [0.1, -0.2, 0.1, 0.05, -0.1, 0.1, 0.01]
    plain = p_values([first, second])
    assert p_values(1e6 * np.array([first, second]), 1e6 * FLOOR) == pytest.approx(plain)
    huge = p_values([[1e200 * value for value in first], second])
    assert huge[1] == plain[1]


def test_choices_of_signs_are_the_same_however_many_are_taken_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    for seeds in (8, 16):
        pairs = rng.normal(0.01, 0.02, (9, seeds))
        whole = p_values(pairs)
        monkeypatch.setattr("resbench.leaderboard.statistics.BLOCK", 1000)
        assert p_values(pairs) == whole
        monkeypatch.undo()
