"""Statistics over seeds: intervals of means and of differences, and tests that pair runs of one seed.

NumPy is imported only for resampling. SciPy is not used, because importing it takes longer than compiling a board; the
tests compare intervals and p-values with those of ``scipy.stats``.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Error probability at which a difference is claimed.
ALPHA = 0.05
#: Seeds that a claim needs: the smallest n for which :func:`joint_p_values` can reach ALPHA, 2^(1-n) <= ALPHA.
SEEDS_FOR_CLAIM = math.ceil(1 - math.log2(ALPHA))
#: Up to this number of seeds all sign flips are enumerated; for more seeds, as many are drawn at random.
ENUMERATED_SEEDS = 14
#: Resamples of a bootstrap.
RESAMPLES = 9999
#: Results up to this size are compared and drawn: differences, and sums of many of them, stay finite.
LARGEST = 1e300
#: Numbers that the test computes at a time, chosen to fit into a cache.
BLOCK = 2**18

Interval = tuple[float, float]


def mean(values: Iterable[float]) -> float:
    """Mean; NaN if the sum exceeds the range of floats, or is infinite in both directions."""
    try:
        return fmean(values)
    except (OverflowError, ValueError):
        return math.nan


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, Interval | None]:
    """Mean over seeds and its bootstrap interval (bias-corrected and accelerated, BCa; 9999 resamples, fixed seed).

    The order of ``values`` does not matter. There is no interval for a single value, or if a value is not finite. The
    interval of two values is their range. With few seeds the interval is too narrow, because the bootstrap knows only
    the values that occurred.

    Args:
        values: One number for each seed, at least one.
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
    # rounding may exceed the range of the values
    return centre, (max(interval[0], values[0]), min(interval[1], values[-1]))


def difference_interval(
    values: Mapping[int, float], reference: Mapping[int, float], confidence: float = 0.95
) -> tuple[float, Interval | None]:
    """Mean of ``values`` minus mean of ``reference``, both by seed, and the bootstrap interval of that difference.

    If both have the same seeds, the interval is that of the mean of the differences seed by seed. Otherwise each side
    is resampled on its own (BCa). There is no interval if a side has fewer than two seeds, or a value is not finite.
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
    """BCa interval of the mean of one side, or of the difference to the mean of a second side; null if it overflows.

    All values have the same weight in a mean, so the jackknife of the acceleration has a closed form: the effect of
    leaving out a value is its distance to the mean of its side.
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
    """Indices of the values in each resample, ``[resamples, size]`` for each side."""
    import numpy as np

    rng = np.random.default_rng(0)
    return [rng.integers(0, size, (RESAMPLES, size)) for size in sizes]


def joint_p_values(values: "NDArray[np.float64]", count: "NDArray[np.int64]", floor: float) -> list[float]:
    """P-values of several paired comparisons, adjusted jointly: all with p <= α may be claimed together at level α.

    A comparison consists of the differences between two rows, seed by seed. If the rows were equally good, each
    difference could as well have had the opposite sign. So all choices of one sign for each seed are equally likely;
    the same choice is applied to all comparisons. The statistic is the paired t² with a floor,
    n mean² / (s² + floor²). The comparisons are handled in the order of their statistics, the largest first. The p of a
    comparison is the share of choices at which any of the remaining comparisons reaches its statistic (max-T,
    step-down), so dependence between the comparisons is taken into account. The smallest p of n seeds is 2^(1-n),
    whatever the number of comparisons: 0.25 for three seeds, and 0.03125 for six, the fewest that can reach 0.05. Up to
    14 seeds all choices are enumerated. For more seeds, 2^14 choices are drawn with a fixed seed, and the observed one
    is counted as one more.

    The floor is needed because a few differences may happen to be of the same size. At the choice that aligns their
    signs they have no spread, however small they are. Without a floor their t would exceed that of any real difference,
    and hardly anything could be claimed when many rows are compared. A constant floor keeps the error probability.

    Memory grows with the number of comparisons, but not with the number of sign choices, which are handled a few
    thousand at a time.

    Args:
        values: The differences, ``[comparisons, seeds]``, all of them finite; 0 where a comparison lacks a seed.
        count: Number of seeds of each comparison, at least one.
        floor: A small positive difference, in the unit of the differences.

    Source: Westfall and Young, Resampling-based multiple testing, 1993, algorithm 4.1; sign flips as in Winkler et al.,
    NeuroImage 92, 2014 (errors that are independent between seeds and symmetric); the floor as in Tusher et al., PNAS
    98, 2001.
    """
    import numpy as np

    scale = np.maximum(np.abs(values).max(axis=1), floor)
    values = values / scale[:, np.newaxis]  # so that squares do not overflow
    spread = (values**2).sum(axis=1) / count
    # the last term: a spread smaller than rounding errors counts as none
    least = (floor / scale) ** 2 + 1e-12

    def statistic(some: "NDArray[np.int64]", signs: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """The statistic of some comparisons for some choices of signs, ``[comparisons, choices]``."""
        n = count[some, np.newaxis]
        mean_square = (values[some] @ signs.T / n) ** 2
        variance = (spread[some, np.newaxis] - mean_square) * n / np.maximum(n - 1, 1)
        found: NDArray[np.float64] = n * mean_square / (np.maximum(variance, 0) + least[some, np.newaxis])
        return found

    everything = np.arange(len(values))
    observed = statistic(everything, np.ones((1, values.shape[1])))[:, 0]
    order = np.argsort(-observed, kind="stable")
    threshold = observed * (1 - 1e-9) - 1e-9  # equal up to rounding counts as equal
    reached, choices = np.zeros(len(values), dtype=np.int64), 0
    for signs in _signs(values.shape[1]):
        choices += len(signs)
        largest = np.full(len(signs), -np.inf)  # of the remaining comparisons, from the smallest on
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
    """Choices of signs in blocks ``[choices, seeds]``; in the very first choice all signs are positive."""
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
