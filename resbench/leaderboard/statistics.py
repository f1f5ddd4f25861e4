"""Statistics over seeds: intervals of means and of differences, and tests that pair runs of one seed.

SciPy does the resampling; it is imported where it is needed, because that takes longer than the rest of this room.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

#: Error probability at which a difference is called one.
ALPHA = 0.05
#: Sign flips are enumerated up to this number of them (14 seeds), and drawn at random beyond.
MAX_FLIPS = 2**14

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

    import numpy as np
    from scipy.stats import bootstrap

    result = bootstrap((np.array(values),), np.mean, confidence_level=confidence, rng=np.random.default_rng(0))
    low, high = result.confidence_interval
    # rounding may leave the range of the values
    return centre, (max(float(low), values[0]), min(float(high), values[-1]))


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

    import numpy as np
    from scipy.stats import bootstrap

    result = bootstrap(
        tuple(map(np.array, sides)),
        lambda ours, theirs, axis: ours.mean(axis) - theirs.mean(axis),
        vectorized=True,
        confidence_level=confidence,
        rng=np.random.default_rng(0),
    )
    return difference, (float(result.confidence_interval.low), float(result.confidence_interval.high))


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of the paired sign-flip test: could these differences, one a seed, have either sign by chance?

    Under the null hypothesis each difference is as likely as its negative, so all 2^n choices of signs are equally
    likely, and p is the share of them whose mean is at least as far from 0. All are enumerated up to 14 seeds. The
    smallest p of n seeds is 2^(1-n): 0.25 for three, 0.03125 for six, the first that can reach 0.05.

    Source: Fisher, The design of experiments, section 21, 1935.
    """
    if not any(differences):
        return 1.0

    import numpy as np
    from scipy.stats import permutation_test

    result = permutation_test(
        (np.array(sorted(differences)),),
        np.mean,
        permutation_type="samples",
        n_resamples=MAX_FLIPS,
        rng=np.random.default_rng(0),
    )
    return min(1.0, float(result.pvalue))


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
