"""Which rows of a column differ by more than chance, the ranks that follow from it, and profiles over all columns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite

from resbench.leaderboard.statistics import (
    ALPHA,
    ENUMERATED_SEEDS,
    LARGEST,
    SEEDS_FOR_CLAIM,
    joint_p_values,
    mean,
)
from resbench.leaderboard.tables import Claim, Metric, Ranking

#: Limits for comparing the rows of a column: pairs times seeds (memory), and pairs times choices of signs (time).
MOST_VALUES, MOST_WORK = 2**24, 2**30

#: The result of each seed of one row in one column.
Scores = Mapping[int, float]


def rank(scores: Mapping[str, Scores], states: float | None, metric: Metric) -> Ranking:
    """Rank the rows of one column; ``docs/rules.md`` has the rules.

    Rows with at least six seeds are compared pair by pair. The paired sign-flip test is applied to the differences at
    their shared seeds, jointly for all pairs of the column. The rank of a row is one more than the number of rows that
    are better at level 0.05, so rows that cannot be told apart share a rank. Rows with fewer seeds have no rank.
    Neither has a row with a result that is not finite, or so large that differences to it may not be: one such
    difference would decide all other comparisons of the column.

    Args:
        scores: Results by row and seed.
        states: Number of states of the column.
        metric: The metric that is compared; its tolerance is the floor of the spread over seeds.
    """
    compared = {row: seeds for row, seeds in scores.items() if all(abs(value) <= LARGEST for value in seeds.values())}
    p_values = _compare(compared, metric.tolerance)
    pairs = p_values or {}
    claims = []
    for (a, b), p in pairs.items():
        if p <= ALPHA:
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
        too_many_rows=p_values is None,
        ranks={row: 1 + beaten[row] for row in compared if row in in_a_pair},
        claims=sorted(claims, key=lambda claim: (claim.p, claim.better, claim.worse)),
    )


def _compare(rows: Mapping[str, Scores], tolerance: float) -> dict[tuple[str, str], float] | None:
    """The adjusted p-value of each pair of rows that shares enough seeds; null if there are too many pairs.

    Either all pairs are compared or none, because the p-values are adjusted for the whole column. A pair that shares
    too few seeds cannot reach the level, so it does not count as a comparison (Tarone, Biometrics 46, 1990).
    """
    names = [name for name, row in rows.items() if len(row) >= SEEDS_FOR_CLAIM]
    seeds = {seed: place for place, seed in enumerate(sorted(set().union(*(rows[name] for name in names))))}
    pairs = len(names) * (len(names) - 1) // 2
    if not pairs:
        return {}
    if pairs * len(seeds) > MOST_VALUES or pairs * 2 ** min(len(seeds), ENUMERATED_SEEDS) > MOST_WORK:
        return None

    import numpy as np

    values = np.zeros((len(names), len(seeds)))
    has = np.zeros(values.shape, dtype=bool)
    for index, name in enumerate(names):
        places = [seeds[seed] for seed in rows[name]]
        values[index, places], has[index, places] = list(rows[name].values()), True
    first, second = np.triu_indices(len(names), 1)
    shared = (has[first] & has[second]).sum(axis=1)
    enough = shared >= SEEDS_FOR_CLAIM
    first, second, shared = first[enough], second[enough], shared[enough]
    if not len(first):
        return {}
    with np.errstate(all="ignore"):  # metrics may be close to the largest floats
        differences = np.where(has[first] & has[second], values[first] - values[second], 0.0)
        p_values = joint_p_values(differences, shared, tolerance)
    return {(names[a], names[b]): p for a, b, p in zip(first.tolist(), second.tolist(), p_values, strict=True)}


def profile(behind: Sequence[float | None]) -> list[tuple[float, float]]:
    """Performance profile of a row over the precision levels of its table: the points (τ, share) at which it steps up.

    The share counts the levels at which the row's mean is within τ of the best. A level without a result never counts.

    Args:
        behind: Distance of the row's mean to the best mean, for each level; null if the row has no result there.

    Source: Dolan and Moré, Benchmarking optimization software with performance profiles, Math. Program. 91, 2002,
    with differences instead of ratios, because accuracies are bounded.
    """
    distances = sorted(distance for distance in behind if distance is not None and isfinite(distance))
    return list({distance: (place + 1) / len(behind) for place, distance in enumerate(distances)}.items())
