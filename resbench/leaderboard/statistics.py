"""Statistics over seeds."""

import math
from collections.abc import Sequence
from statistics import fmean


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, tuple[float, float] | None]:
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
    mean = fmean(values)
    if len(values) < 2 or not math.isfinite(mean):
        return mean, None
    if values[0] == values[-1]:  # BCa divides by the spread
        return values[0], (values[0], values[0])

    import numpy as np
    from scipy.stats import bootstrap  # takes longer to import than the rest of this room together

    result = bootstrap((np.array(values),), np.mean, confidence_level=confidence, rng=np.random.default_rng(0))
    low, high = result.confidence_interval
    return mean, (
        max(float(low), values[0]),
        min(float(high), values[-1]),
    )  # rounding may leave the range of the values
