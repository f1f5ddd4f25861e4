"""Counting, cutting and pointers of the chain of tiles, seen through Tiki-Taka."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from resbench.algorithms import ChoppedTikiTaka, ResidualLearning, TikiTaka
from resbench.algorithms.channels import Channel
from resbench.algorithms.schedules import Order, whole_period
from resbench.crossbar.periphery import IOParameters
from tests.algorithms.helpers import build, drive, exact

ORDERS: tuple[Order, Order] = ("cpu", "gpu")


def transfers(algorithm: TikiTaka, batches: list[int]) -> list[int]:
    """Columns read from the fast tile after each of the mini-batches."""
    counts = []
    for batch in batches:
        drive(algorithm, 1, batch)
        counts.append(algorithm.tiles[0].transfers_out)
    return counts


@pytest.mark.parametrize(
    ("every", "units_in_mbatch", "calls"), [(1.0, True, 1), (0.5, True, 2), (16.0, False, 4), (0.0, True, 1)]
)
def test_vectors_between_transfers_are_pulsed_in_one_call(every: float, units_in_mbatch: bool, calls: int) -> None:
    algorithm = build(TikiTaka(transfer_every=every, units_in_mbatch=units_in_mbatch))
    drive(algorithm, 1, batch=64)
    assert algorithm.tiles[0].updates == calls
    assert algorithm.schedule.vectors == 64
    assert (algorithm.tiles[0].transfers_out > 0) == (every > 0)


def test_a_short_batch_shortens_the_period_while_the_count_goes_on() -> None:
    """Batches of 4, 3, 4 vectors, one transfer for each: after vectors 4, 6 and 8, the last two inside their batch."""
    algorithm = build(TikiTaka(fast_lr=0.125, transfer_lr=1.0, scale_transfer_lr=False), exact(bound=16.0))
    assert transfers(algorithm, [4, 3, 4]) == [1, 2, 3]
    assert algorithm.tiles[1].weight[1].tolist() == [-0.5, -0.75, -1.0]


def test_the_gpu_order_loses_the_vectors_after_the_last_transfer_inside_a_batch() -> None:
    cpu, gpu = (
        build(TikiTaka(transfer_every=2.0, units_in_mbatch=False, fast_lr=0.125, order=order), exact(bound=16.0))
        for order in ORDERS
    )
    for algorithm in (cpu, gpu):
        drive(algorithm, 1, batch=5)
    assert (cpu.schedule.vectors, gpu.schedule.vectors) == (5, 4)
    assert cpu.tiles[0].weight[1, 0] == -5 * 0.125
    assert gpu.tiles[0].weight[1, 0] == -4 * 0.125
    drive(gpu, 1, batch=1)
    assert gpu.schedule.vectors == 5, "a batch that ends before the next transfer is kept whole"


@pytest.mark.parametrize(("reads", "periods"), [(1, [3, 3 * 4, 0]), (2, [3, 3 * 2, 0]), (None, [3, 2, 0])])
def test_slower_tiles_wait_for_a_sweep_of_the_one_before(reads: int | None, periods: list[int]) -> None:
    """The factor is out / reads: what aihwkit's code does, not what its documentation says."""
    algorithm = build(TikiTaka(tiles=3, transfer_every=1.0, n_reads_per_transfer=reads), shape=(4, 6))
    assert algorithm.schedule.periods(3) == periods


@pytest.mark.parametrize(
    ("period", "whole"),
    [
        (0.0, 0),
        (1e-9, 1),
        (0.3, 1),
        (0.5, 1),
        (1.49, 1),
        (1.5, 2),
        (2.5, 3),
        (3.5, 4),
        (4.5, 5),
        (7.0, 7),
        (1e14, 10**14),
    ],
)
def test_periods_in_vectors_are_rounded_half_up_and_a_transfer_that_is_asked_for_happens(
    period: float, whole: int
) -> None:
    assert whole_period(period) == whole
    vectors = {"transfer_every": period, "units_in_mbatch": False}
    assert build(TikiTaka(**vectors)).schedule.periods(4)[0] == whole  # type: ignore[arg-type]
    assert build(ChoppedTikiTaka(**vectors)).schedule.periods(4)[0] == whole  # type: ignore[arg-type]
    local = ResidualLearning(tiles=3, transfer_every=[1.0, period, 0.0], count="local")
    assert build(local).schedule.periods(4) == [4, whole, 0]


def test_a_period_of_half_a_vector_transfers_at_every_vector() -> None:
    assert transfers(build(TikiTaka(transfer_every=0.5, units_in_mbatch=False)), [3, 2]) == [3, 5]
    assert transfers(build(TikiTaka(transfer_every=2.5, units_in_mbatch=False)), [3, 2, 1]) == [1, 1, 2]


@pytest.mark.parametrize("period", [-0.5, math.inf, math.nan, 1e300])
def test_what_is_no_period_is_refused(period: float) -> None:
    with pytest.raises(ValueError, match=r"transfer_every: .* is no period; write a number of 0 or above"):
        TikiTaka(transfer_every=period)


def test_columns_are_read_in_turn_and_rows_if_asked_for() -> None:
    columns = build(TikiTaka(n_reads_per_transfer=2, fast_lr=0.125, transfer_lr=1.0, scale_transfer_lr=False))
    drive(columns, 1)
    assert (columns.tiles[1].weight[1] != 0).tolist() == [True, True, False]
    drive(columns, 1)
    assert columns.pointers == [1, 0]
    rows = build(TikiTaka(transfer_columns=False, fast_lr=0.125, transfer_lr=1.0, scale_transfer_lr=False))
    drive(rows, 1)
    assert (rows.tiles[1].weight != 0).tolist() == [[True] * 3, [False] * 3]


def test_a_transfer_of_the_whole_matrix_adds_all_of_it() -> None:
    algorithm = build(
        TikiTaka(n_reads_per_transfer=None, fast_lr=0.125, transfer_lr=1.0, scale_transfer_lr=False), shape=(2, 300)
    )
    algorithm.step([(torch.ones(1, 300), torch.tensor([[-1.0, 1.0]]))], 0.1)
    assert torch.equal(algorithm.tiles[1].weight, algorithm.tiles[0].weight)
    assert algorithm.tiles[0].transfers_out == algorithm.tiles[1].transfers_in == 300


def test_random_selection_reaches_every_column() -> None:
    arguments: dict[str, Any] = {
        "fast_lr": 0.125,
        "transfer_lr": 1.0,
        "scale_transfer_lr": False,
        "random_selection": True,
    }
    algorithm = build(TikiTaka(**arguments), exact(bound=1000.0))
    seen = []
    for _ in range(40):
        before = algorithm.tiles[1].weight.clone()
        drive(algorithm, 1)
        seen.append(int((algorithm.tiles[1].weight != before).any(dim=0).nonzero()[0, 0]))
    assert set(seen) == {0, 1, 2}
    assert any(later != (first + 1) % 3 for first, later in pairwise(seen))


def test_a_channel_of_ones_own_decides_what_is_written() -> None:
    class Negated(Channel):
        def pass_on(self, source: int, lines: Tensor, values: Tensor, rate: float, now: int) -> tuple[Tensor, float]:
            return -values, rate

    plain, negated = (TikiTaka(transfer_lr=1.0, fast_lr=0.125, scale_transfer_lr=False) for _ in range(2))
    negated.channel = Negated()
    weights = []
    for algorithm in (build(plain), build(negated)):
        drive(algorithm, 1)
        weights.append(algorithm.tiles[1].weight[:, 0].tolist())
    assert weights == [[0.125, -0.125], [-0.125, 0.125]]


def test_no_rate_no_write_but_the_pointer_goes_on() -> None:
    algorithm = build(TikiTaka(transfer_lr=0.0, fast_lr=0.125))
    drive(algorithm, 2)
    assert algorithm.pointers[0] == 2
    assert not algorithm.tiles[1].weight.any()


def test_reads_pass_through_their_periphery() -> None:
    """An ADC with steps of 1 between -2 and 2, without noise: 0.625 reads as 1, 0.375 as 0."""
    coarse = IOParameters(out_bound=2.0, out_res=0.25, out_noise=0.0)
    algorithm = build(TikiTaka(transfer_io=coarse, fast_lr=0.125, transfer_lr=1.0, scale_transfer_lr=False))
    algorithm.tiles[0].program(torch.tensor([[0.5, 0.0, 0.0], [-0.25, 0.0, 0.0]]))
    drive(algorithm, 1)
    assert algorithm.tiles[0].weight[:, 0].tolist() == [0.625, -0.375]
    assert algorithm.tiles[1].weight[:, 0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"tiles": 1}, "tiles"),
        ({"gamma": 1.5}, "gamma"),
        ({"gamma": [0.5, 0.0]}, "gamma"),
        ({"gamma": [0.1, 0.5, 1.0]}, "gamma: 3 values for 2 tiles"),
        ({"transfer_every": -1.0}, "transfer_every"),
        ({"transfer_lr": -0.1}, "transfer_lr"),
        ({"transfer_lr": math.inf}, "transfer_lr"),
        ({"fast_lr": math.inf}, "fast_lr"),
        ({"fast_lr": 0.0}, "fast_lr"),
        ({"order": "GPU"}, "order: 'GPU' is unknown; write one of cpu, gpu"),
        ({"n_reads_per_transfer": 0}, "n_reads_per_transfer"),
        ({"n_reads_per_transfer": 1.5}, "n_reads_per_transfer: 1.5 must be a whole number"),
        ({"tiles": 2.0}, "tiles: 2.0 cannot be a fast and a slow tile"),
        ({"with_reset_prob": 1.5}, "with_reset_prob"),
        ({"with_reset_prob": 0.5, "transfer_columns": False}, "with_reset_prob"),
    ],
)
def test_impossible_values_are_named(arguments: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        TikiTaka(**arguments)
