import math
import tracemalloc

import pytest

from resbench.leaderboard.ranking import profile, rank
from resbench.leaderboard.tables import METRICS, Metric, Ranking, Row

ACCURACY, LOSS = METRICS


def scores(mean: float, seeds: int, spread: float = 0.001) -> dict[int, float]:
    return {seed: mean + spread * (-1) ** seed for seed in range(seeds)}


def ranks(metric: Metric = ACCURACY, **rows: dict[int, float]) -> Ranking:
    return rank(rows, 4, metric)


def test_rows_that_cannot_be_told_apart_share_a_rank() -> None:
    mixed = {seed: 0.9 + 0.01 * (-1) ** seed for seed in range(10)}
    ranking = ranks(best=scores(0.9, 10), tie=mixed, worse=scores(0.8, 10), worst=scores(0.7, 10))
    assert ranking.ranks == {"best": 1, "tie": 1, "worse": 3, "worst": 4}
    assert {(claim.better, claim.worse) for claim in ranking.claims} == {
        ("best", "worse"),
        ("best", "worst"),
        ("tie", "worse"),
        ("tie", "worst"),
        ("worse", "worst"),
    }
    assert ranking.claims[0].seeds == 10
    assert ranking.claims[0].p == pytest.approx(2.0**-9)


def test_six_seeds_rank_two_rows_and_five_do_not() -> None:
    assert ranks(a=scores(0.9, 6), b=scores(0.8, 6)).ranks == {"a": 1, "b": 2}
    five = ranks(a=scores(0.9, 5), b=scores(0.8, 5))
    assert (five.ranks, five.claims, five.seeds_needed) == ({}, [], 6)


def test_six_seeds_rank_many_rows_too() -> None:
    ranking = rank({f"row{place}": scores(0.9 - place / 20, 6) for place in range(12)}, 4, ACCURACY)
    assert (ranking.comparisons, ranking.seeds_needed) == (66, 6)
    assert ranking.ranks == {f"row{place}": place + 1 for place in range(12)}


def test_a_row_with_few_seeds_has_no_rank_and_costs_the_others_nothing() -> None:
    ranking = ranks(a=scores(0.9, 6), b=scores(0.8, 6), few=scores(0.99, 3))
    assert ranking.ranks == {"a": 1, "b": 2}
    assert ranking.comparisons == 1


def test_only_shared_seeds_are_compared() -> None:
    apart = {seed + 4: value for seed, value in scores(0.8, 8).items()}
    assert ranks(a=scores(0.9, 8), b=apart).comparisons == 0
    shared = {seed + 2: value for seed, value in scores(0.8, 8).items()}
    assert [claim.seeds for claim in ranks(a=scores(0.9, 8), b=shared).claims] == [6]


def test_of_losses_the_lower_is_better() -> None:
    (claim,) = ranks(LOSS, a=scores(2.6, 6), b=scores(2.5, 6)).claims
    assert (claim.better, claim.worse) == ("b", "a")
    assert claim.difference == pytest.approx(0.1)


def test_a_row_that_is_not_finite_is_not_compared() -> None:
    broken = scores(0.9, 6) | {0: math.nan}
    assert ranks(a=broken, b=scores(0.8, 6)).comparisons == 0


@pytest.mark.parametrize("sizes", [(1.7e308, -1.7e308), (1.7e308, 1.7e308), (1e301, -1e301)])
def test_a_row_with_huge_results_is_not_compared_and_changes_no_other(sizes: tuple[float, float]) -> None:
    """Differences that overflow once made every pair of the column a claim."""
    rows = {
        "best": scores(0.5, 6),
        "worse": scores(0.9, 6),
        "tie": {seed: 0.5 + 0.01 * (-1) ** seed for seed in range(6)},
    }
    odd = {f"huge{place}": scores(size, 6) for place, size in enumerate(sizes)}
    honest, all_ = rank(rows, 4, LOSS), rank({**rows, **odd}, 4, LOSS)
    assert all_ == honest
    assert honest.ranks == {"best": 1, "worse": 3, "tie": 1}


def test_large_results_are_compared_as_long_as_differences_are_finite() -> None:
    ranking = ranks(
        LOSS, a=scores(0.5, 6), b=scores(0.9, 6), tie=scores(0.5, 6), c=scores(1e300, 6), d=scores(-1e300, 6)
    )
    assert ranking.ranks == {"d": 1, "a": 2, "tie": 2, "b": 4, "c": 5}
    assert all(math.isfinite(claim.difference) and claim.p == 2.0**-5 for claim in ranking.claims)


def test_one_row_needs_no_claim() -> None:
    alone = ranks(a=scores(0.9, 6))
    assert (alone.ranks, alone.seeds_needed) == ({}, None)


def test_a_profile_counts_the_levels_close_to_the_best() -> None:
    points = profile([0.0, 0.03, None, 0.0, math.nan])
    assert points == [(0.0, 0.4), (0.03, 0.6)]
    row = Row(label="a", tiles=4, digital=False, cells=[None] * 5, profile=points, mean=0.9, unfinished=0)
    assert [row.close_levels(tolerance) for tolerance in (-1, 0.01, 0.03)] == [0, 2, 3]


def test_many_rows_of_many_seeds_take_little_memory() -> None:
    rows = {f"row{place}": scores(0.9 - place / 1000, 15) for place in range(120)}
    rank({"a": scores(0.9, 6), "b": scores(0.8, 6)}, 4, ACCURACY)  # takes NumPy
    tracemalloc.start()
    ranking = rank(rows, 4, ACCURACY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ranking.comparisons == 7140
    assert ranking.ranks["row0"] == 1
    assert ranking.ranks["row119"] > 100
    assert peak < 100e6  # all differences at all choices of signs would be 936 MB


def test_rows_beyond_what_can_be_compared_have_no_ranks_and_a_word() -> None:
    few = scores(0.5, 6)
    ranking = rank({f"row{place}": few for place in range(2400)}, 4, ACCURACY)
    assert (ranking.ranks, ranking.claims, ranking.comparisons, ranking.too_many_rows) == ({}, [], 0, True)
    assert not rank({f"row{place}": scores(0.5, 5) for place in range(2400)}, 4, ACCURACY).too_many_rows
