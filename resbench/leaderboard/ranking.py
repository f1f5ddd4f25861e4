"""Which rows of one column differ by more than chance, the ranks that follow, and profiles over all columns."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import isfinite

from resbench.leaderboard.statistics import ALPHA, SEEDS_FOR_CLAIM, joint_p_values, mean
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
    differences = {
        (a, b): {
            seed: compared[a][seed] - compared[b][seed] for seed in sorted(compared[a].keys() & compared[b].keys())
        }
        for a, b in combinations(compared, 2)
    }
    # A pair with fewer shared seeds cannot reach the level, so it is no comparison (Tarone, Biometrics 46, 1990).
    differences = {pair: values for pair, values in differences.items() if len(values) >= SEEDS_FOR_CLAIM}
    claims = []
    p_values = joint_p_values(list(differences.values()), metric.tolerance)
    for ((a, b), values), p in zip(differences.items(), p_values, strict=True):
        difference = mean(values.values())
        if p <= ALPHA:
            better, worse = (a, b) if (difference > 0) == metric.higher_is_better else (b, a)
            claims.append(Claim(better=better, worse=worse, difference=abs(difference), p=p, seeds=len(values)))
    in_a_pair = {row for pair in differences for row in pair}
    return Ranking(
        states=states,
        comparisons=len(differences),
        seeds_needed=SEEDS_FOR_CLAIM if len(scores) > 1 else None,
        ranks={row: 1 + sum(claim.worse == row for claim in claims) for row in compared if row in in_a_pair},
        claims=sorted(claims, key=lambda claim: (claim.p, claim.better, claim.worse)),
    )


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
