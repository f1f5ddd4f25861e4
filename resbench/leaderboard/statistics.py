"""Statistics over seeds: intervals of means and of differences, and tests that pair runs of one seed.

Of SciPy only ``scipy.special`` is taken, and NumPy where a resampling is asked for: ``scipy.stats`` gives the same
numbers (the tests compare them), and takes a second to start.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Error probability at which a difference is called one.
ALPHA = 0.05
#: Sign flips are enumerated up to this number of seeds, and as many of them drawn at random beyond.
ENUMERATED_SEEDS = 14
#: Resamples of a bootstrap.
RESAMPLES = 9999

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
    from scipy.special import ndtr, ndtri

    rng = np.random.default_rng(0)
    signed = [sign * np.array(side) for sign, side in zip((1, -1), sides, strict=False)]
    with np.errstate(all="ignore"):
        drawn = sum(side[rng.integers(0, len(side), (RESAMPLES, len(side)))].mean(axis=1) for side in signed)
        means: NDArray[np.float64] = np.asarray(drawn)
        centre = sum(side.mean() for side in signed)
        influence = [(side - side.mean()) / len(side) for side in signed]
        cubes, squares = (sum((side**power).sum() for side in influence) for power in (3, 2))
        acceleration = cubes / squares**1.5 / 6
        bias = ndtri(((means < centre).mean() + (means <= centre).mean()) / 2)
        shifted = bias + np.array([1, -1]) * ndtri((1 - confidence) / 2)
        low, high = np.quantile(means, np.nan_to_num(ndtr(bias + shifted / (1 - acceleration * shifted)), nan=0.5))
    return (float(low), float(high)) if np.isfinite([acceleration, low, high]).all() else None


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of the paired sign-flip test: could these differences, one a seed, have either sign by chance?

    Under the null hypothesis each difference is as likely as its negative, so all 2^n choices of signs are equally
    likely, and p is the share of them whose mean is at least as far from 0. Up to 14 seeds all are enumerated, beyond
    2^14 of them are drawn, with a fixed seed, and the observed one is counted with them. The smallest p of n seeds is
    2^(1-n): 0.25 for three, 0.03125 for six, the first that can reach 0.05.

    Source: Fisher, The design of experiments, section 21, 1935.
    """
    if not any(differences):
        return 1.0

    import numpy as np

    values = np.array(sorted(differences))
    distances = np.abs(_signs(len(values)) @ values)
    slack = 1e-12 * np.abs(values).sum()  # sums that are equal but for rounding
    reached = np.count_nonzero(distances >= abs(values.sum()) - slack)
    return float(reached / len(distances))


def _signs(seeds: int) -> "NDArray[np.float64]":
    """Choices of signs ``[choices, seeds]``, the first of them all positive."""
    import numpy as np

    if seeds <= ENUMERATED_SEEDS:
        bits = np.arange(2**seeds)[:, np.newaxis] >> np.arange(seeds) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, (2**ENUMERATED_SEEDS + 1, seeds))
        bits[0] = 0
    signs: NDArray[np.float64] = (1 - 2 * bits).astype(np.float64)
    return signs


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the order given: those at most α may be claimed together at level α.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def seeds_for_claim(comparisons: int = 1) -> int:
    """Seeds that :func:`sign_flip_p` and :func:`holm` need before one of so many comparisons can reach :data:`ALPHA`.

    The smallest n with comparisons · 2^(1-n) <= α: 6 for one comparison, 7 for three, 8 for six, 9 for ten.
    """
    return math.ceil(1 + math.log2(max(1, comparisons) / ALPHA))
