"""Which rows of one column differ by more than chance, the ranks that follow, and profiles over all columns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite

from resbench.leaderboard.statistics import ALPHA, SEEDS_FOR_CLAIM, mean, step_down
from resbench.leaderboard.tables import Claim, Metric, Ranking

#: The result of each seed of one row in one column.
Scores = Mapping[int, float]


def rank(scores: Mapping[str, Scores], states: float | None, metric: Metric) -> Ranking:
    """Rank the rows of one column; ``docs/rules.md`` has the rules.

    Rows with at least six seeds are compared pair by pair: the differences of their shared seeds by the paired
    sign-flip test, all pairs of the column jointly. The rank of a row is one more than the number of rows that are
    better at level 0.05, so rows that cannot be told apart share one. Rows with fewer seeds have no rank.

    Args:
        scores: Results by row and seed.
        states: The column.
        metric: What is compared; its tolerance is the floor of the spread over seeds.
    """
    compared = {row: values for row, values in scores.items() if all(map(isfinite, values.values()))}
    pairs, p_values = _compare(list(compared.values()), metric.tolerance)
    rows = list(compared)
    claims = []
    for (first, second), p in zip(pairs, p_values, strict=True):
        if p <= ALPHA:
            a, b = rows[first], rows[second]
            differences = [compared[a][seed] - compared[b][seed] for seed in compared[a] if seed in compared[b]]
            difference = mean(differences)
            better, worse = (a, b) if (difference > 0) == metric.higher_is_better else (b, a)
            claims.append(Claim(better=better, worse=worse, difference=abs(difference), p=p, seeds=len(differences)))
    in_a_pair = {row for pair in pairs for row in pair}
    beaten = Counter(claim.worse for claim in claims)
    return Ranking(
        states=states,
        comparisons=len(pairs),
        seeds_needed=SEEDS_FOR_CLAIM if len(scores) > 1 else None,
        ranks={row: 1 + beaten[row] for index, row in enumerate(rows) if index in in_a_pair},
        claims=sorted(claims, key=lambda claim: (claim.p, claim.better, claim.worse)),
    )


def _compare(rows: Sequence[Scores], tolerance: float) -> tuple[list[tuple[int, int]], list[float]]:
    """Pairs of rows that share enough seeds, by their places, and the adjusted p-value of each.

    A pair with fewer shared seeds cannot reach the level, so it is no comparison (Tarone, Biometrics 46, 1990).
    """
    if sum(len(row) >= SEEDS_FOR_CLAIM for row in rows) < 2:
        return [], []

    import numpy as np

    seeds = {seed: place for place, seed in enumerate(sorted(set().union(*rows)))}
    values = np.zeros((len(rows), len(seeds)))
    has = np.zeros(values.shape, dtype=bool)
    for index, row in enumerate(rows):
        places = [seeds[seed] for seed in row]
        values[index, places], has[index, places] = list(row.values()), True
    first, second = np.triu_indices(len(rows), 1)
    shared = (has.astype(np.float32) @ has.T.astype(np.float32))[first, second].astype(np.int64)
    enough = shared >= SEEDS_FOR_CLAIM
    first, second, shared = first[enough], second[enough], shared[enough]
    if not len(first):
        return [], []
    with np.errstate(all="ignore"):  # metrics near the end of the floats
        differences = np.where(has[first] & has[second], values[first] - values[second], 0.0)
        return list(zip(first.tolist(), second.tolist(), strict=True)), step_down(differences, shared, tolerance)


def profile(behind: Sequence[float | None]) -> list[tuple[float, float]]:
    """Performance profile of a row over the precision levels of its table: (τ, share) where the share steps up.

    The share is that of levels at which the row's mean is within τ of the best; a level without a result never is.

    Args:
        behind: Distance of the row's mean to the best of each level, null where it has no result.

    Source: Dolan and Moré, Benchmarking optimization software with performance profiles, Math. Program. 91, 2002,
    with differences in place of ratios, since accuracies are bounded.
    """
    distances = sorted(distance for distance in behind if distance is not None and isfinite(distance))
    return list({distance: (place + 1) / len(behind) for place, distance in enumerate(distances)}.items())
