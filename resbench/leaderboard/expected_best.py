"""The best of k trials that one can expect, from the trials that were made."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Resamples of the trials, and the percentiles of the band.
RESAMPLES = 9999
BAND = (2.5, 97.5)


def expected_best(values: Sequence[float], higher_is_better: bool) -> tuple[list[float], list[float], list[float]]:
    """Expected best of k trials for k = 1 to n, with the ends of a 95 % band.

    The expectation is the mean of the best over all subsets of k of the n trials, without replacement: the i-th
    smallest value is the largest of a subset with probability ``C(i-1, k-1) / C(n, k)``. The band is a bootstrap over
    trials with a fixed seed: 2.5th and 97.5th percentile of the same estimator.

    Args:
        values: result of each trial; infinite for one that has none.
        higher_is_better: whether the best is the largest.

    Returns:
        Mean, lower and upper end for each k; infinite where a subset may have no result.

    Source: Dodge, Gururangan, Card, Schwartz and Smith, Expected validation performance and estimation of a random
    variable's maximum, arXiv:2110.00613, 2021: the estimator without bias.
    """
    import numpy as np

    sign = 1.0 if higher_is_better else -1.0
    trials = sign * np.array([value if math.isfinite(value) else -sign * math.inf for value in values])
    n = len(trials)
    picks = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    resampled = _estimate(trials[picks])
    # Not interpolated, because values may be infinite.
    low, high = np.percentile(resampled, BAND, axis=0, method="nearest")
    mean = _estimate(trials[np.newaxis])[0]
    low, high = (low, high) if higher_is_better else (high, low)
    return (sign * mean).tolist(), (sign * low).tolist(), (sign * high).tolist()


def _estimate(trials: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Expected largest of k for each k, ``[samples, n]``, of samples of n trials, ``[samples, n]``."""
    import numpy as np

    n = trials.shape[1]
    weights = np.array([[math.comb(i, k - 1) / math.comb(n, k) for i in range(n)] for k in range(1, n + 1)])
    ordered = np.sort(trials, axis=1)
    missing = np.isinf(ordered)
    found: NDArray[np.float64] = np.where(missing, 0.0, ordered) @ weights.T
    # The i-th smallest is the largest of some subset of k where i >= k.
    return np.where(missing.sum(axis=1, keepdims=True) >= np.arange(1, n + 1), -np.inf, found)
