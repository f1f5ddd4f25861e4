"""Statistics over seeds: intervals of means and of differences, and tests that pair runs of one seed.

NumPy is taken where a resampling is asked for, and nothing of SciPy, which takes longer to start than a board to
compile: the tests compare intervals and p-values with those of ``scipy.stats``.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Error probability at which a difference is called one.
ALPHA = 0.05
#: Seeds that a claim needs: the smallest n at which :func:`joint_p_values` can reach it, 2^(1-n) <= ALPHA.
SEEDS_FOR_CLAIM = math.ceil(1 - math.log2(ALPHA))
#: Sign flips are enumerated up to this number of seeds, and as many of them drawn at random beyond.
ENUMERATED_SEEDS = 14
#: Resamples of a bootstrap.
RESAMPLES = 9999
#: Numbers that the test holds at a time: what fits a cache.
BLOCK = 2**18

Interval = tuple[float, float]


def mean(values: Iterable[float]) -> float:
    """Mean, NaN where the sum is beyond any float or infinite both ways."""
    try:
        return fmean(values)
    except (OverflowError, ValueError):
        return math.nan


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, Interval | None]:
    """Mean over seeds and its bootstrap interval (bias-corrected and accelerated, BCa; 9999 resamples, fixed seed).

    The order of ``values`` does not matter. One value, or a value that is not finite, has no interval. The interval of
    two values is the two values, and few seeds give an interval that is too narrow: the bootstrap cannot know what it
    has not seen.

    Args:
        values: One number a seed, at least one.
        confidence: Coverage of the interval.

    Source: Efron, Better bootstrap confidence intervals, JASA 82, 1987.
    """
    values = sorted(values)
    centre = mean(values)
    if len(values) < 2 or not math.isfinite(centre):
        return centre, None
    if values[0] == values[-1]:  # BCa divides by the spread
        return values[0], (values[0], values[0])

    interval = _bca([values], confidence)
    if interval is None:
        return centre, None
    # rounding may leave the range of the values
    return centre, (max(interval[0], values[0]), min(interval[1], values[-1]))


def difference_interval(
    values: Mapping[int, float], reference: Mapping[int, float], confidence: float = 0.95
) -> tuple[float, Interval | None]:
    """Mean of the first minus mean of the reference, both by seed, and the bootstrap interval of that difference.

    Where both have the same seeds the interval is that of the mean of the differences seed by seed, else both sides
    are resampled on their own (BCa). With fewer than two seeds on a side, or a value that is not finite, there is none.
    """
    difference = mean(values.values()) - mean(reference.values())
    if values.keys() == reference.keys():
        return difference, mean_interval([value - reference[seed] for seed, value in values.items()], confidence)[1]
    sides = sorted(values.values()), sorted(reference.values())
    if min(map(len, sides)) < 2 or not math.isfinite(difference):
        return difference, None
    if all(side[0] == side[-1] for side in sides):  # BCa divides by the spread
        return difference, (difference, difference)

    return difference, _bca(sides, confidence)


def _bca(sides: Sequence[Sequence[float]], confidence: float) -> Interval | None:
    """BCa interval of the mean of one side, or of that minus the mean of a second; null where it is beyond any float.

    Each value weighs the same in a mean, so the jackknife of the acceleration has a closed form: what leaving a value
    out does is its distance to the mean of its side.
    """
    import numpy as np

    signed = [sign * np.array(side) for sign, side in zip((1, -1), sides, strict=False)]
    with np.errstate(all="ignore"):
        places = _resamples(tuple(map(len, signed)))
        drawn = sum(side[index].mean(axis=1) for side, index in zip(signed, places, strict=True))
        means: NDArray[np.float64] = np.asarray(drawn)
        centre = sum(side.mean() for side in signed)
        influence = [(side - side.mean()) / len(side) for side in signed]
        cubes, squares = (sum((side**power).sum() for side in influence) for power in (3, 2))
        acceleration = cubes / squares**1.5 / 6
        below = float((means < centre).mean() + (means <= centre).mean()) / 2
        if not (math.isfinite(acceleration) and 0 < below < 1):
            return None
        normal = NormalDist()
        bias = normal.inv_cdf(below)
        shifted = [bias + sign * normal.inv_cdf((1 - confidence) / 2) for sign in (1, -1)]
        levels = [normal.cdf(bias + shift / (1 - acceleration * shift)) for shift in shifted]
        low, high = map(float, np.quantile(means, levels))
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


@lru_cache(maxsize=4)
def _resamples(sizes: tuple[int, ...]) -> "list[NDArray[np.int64]]":
    """Which values the resamples of sides of these sizes take, ``[resamples, size]`` each."""
    import numpy as np

    rng = np.random.default_rng(0)
    return [rng.integers(0, size, (RESAMPLES, size)) for size in sizes]


def joint_p_values(differences: Sequence[Mapping[int, float]], floor: float) -> list[float]:
    """P-values of several paired comparisons, adjusted for each other: those at most α may be claimed together at α.

    Each comparison is the differences of two rows by seed. Were the rows alike, the seeds could have turned out the
    other way round, so all choices of one sign a seed are equally likely, the same choice for all comparisons. The
    statistic is the paired t² with a floor, n mean² / (s² + floor²). From the largest on, p is the share of choices at
    which any of the comparisons that are left reaches it (max-T, step-down), which takes account of how they depend on
    each other. So the smallest p of n seeds is 2^(1-n) whatever the number of comparisons: 0.25 for three seeds,
    0.03125 for six, the first that can reach 0.05. Up to 14 seeds all choices are enumerated, beyond 2^14 are drawn,
    with a fixed seed, and the observed one is counted with them.

    Without a floor, differences of a few seeds that happen to be of one size have no spread at the choice that aligns
    their signs, however small they are. Their t is then beyond that of any real difference, and where many rows are
    compared hardly anything can be claimed. A constant floor keeps the error probability.

    Args:
        differences: By seed, for each comparison; at least one seed each.
        floor: A small difference, more than 0, in the unit of the differences.

    Source: Westfall and Young, Resampling-based multiple testing, 1993, algorithm 4.1; sign flips as in Winkler et al.,
    NeuroImage 92, 2014 (errors that are independent between seeds and symmetric); the floor as in Tusher et al., PNAS
    98, 2001.
    """
    if not differences:
        return []

    import numpy as np

    seeds = sorted(set().union(*differences))
    values = np.array([[comparison.get(seed, 0.0) for seed in seeds] for comparison in differences], dtype=float)
    return step_down(values, np.array(list(map(len, differences))), floor)


def step_down(values: "NDArray[np.float64]", count: "NDArray[np.int64]", floor: float) -> list[float]:
    """As :func:`joint_p_values`, of differences ``[comparisons, seeds]``, 0 where a comparison lacks the seed.

    Memory grows with the comparisons, not with the choices of signs too: these are taken some thousand at a time.

    Args:
        values: The differences.
        count: Seeds of each comparison.
        floor: A small difference.
    """
    import numpy as np

    scale = np.maximum(np.abs(values).max(axis=1), floor)
    values = values / scale[:, np.newaxis]  # no square leaves the floats
    spread = (values**2).sum(axis=1) / count
    # the last term: a spread below what rounding tells is none
    least = (floor / scale) ** 2 + 1e-12

    def statistic(some: "NDArray[np.int64]", signs: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Of some comparisons at some choices, ``[comparisons, choices]``."""
        n = count[some, np.newaxis]
        mean_square = (values[some] @ signs.T / n) ** 2
        variance = (spread[some, np.newaxis] - mean_square) * n / np.maximum(n - 1, 1)
        found: NDArray[np.float64] = n * mean_square / (np.maximum(variance, 0) + least[some, np.newaxis])
        return found

    everything = np.arange(len(values))
    observed = statistic(everything, np.ones((1, values.shape[1])))[:, 0]
    order = np.argsort(-observed, kind="stable")
    threshold = observed * (1 - 1e-9) - 1e-9  # equal but for rounding counts as equal
    reached, choices = np.zeros(len(values), dtype=np.int64), 0
    for signs in _signs(values.shape[1]):
        choices += len(signs)
        largest = np.full(len(signs), -np.inf)  # of the comparisons that are left, from the smallest on
        block = max(1, BLOCK // len(signs))
        for end in range(len(order), 0, -block):
            some = order[max(0, end - block) : end][::-1]
            left = statistic(some, signs)
            np.maximum(left[0], largest, out=left[0])
            np.maximum.accumulate(left, axis=0, out=left)
            largest = left[-1].copy()
            reached[some] += (left >= threshold[some, np.newaxis]).sum(axis=1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate(reached[order] / choices)
    return [float(p) for p in adjusted]


def _signs(seeds: int) -> "Iterator[NDArray[np.float64]]":
    """Choices of signs, some ``[choices, seeds]`` at a time, the first of them all positive."""
    import numpy as np

    rng = np.random.default_rng(0)
    enumerated = seeds <= ENUMERATED_SEEDS
    choices = 2**seeds if enumerated else 2**ENUMERATED_SEEDS + 1
    rows = max(1, BLOCK // max(seeds, 64))
    for start in range(0, choices, rows):
        number = np.arange(start, min(start + rows, choices))[:, np.newaxis]
        bits = number >> np.arange(seeds) & 1 if enumerated else rng.integers(0, 2, (len(number), seeds))
        if start == 0:
            bits[0] = 0
        yield (1 - 2 * bits).astype(np.float64)
