import math
from typing import Any

import pytest
import torch

from resbench.algorithms import AGAD, ChoppedTikiTaka
from resbench.algorithms.chopping import Chopped
from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows
from resbench.errors import BadValue
from tests.algorithms.helpers import ONES, build, drive, exact

#: One pulse of the fast tile and one column read at each vector, nothing scaled.
PLAIN: dict[str, Any] = {
    "fast_lr": 0.125, "auto_scale": False, "transfer_lr": 1.0, "scale_transfer_lr": False, "units_in_mbatch": False,
    "pulses": PulseTrain(),
}  # fmt: skip


def chopped(algorithm: ChoppedTikiTaka) -> Chopped:
    assert isinstance(algorithm.channel, Chopped)
    return algorithm.channel


def test_signs_flip_regularly_and_turn_the_fast_tile_round() -> None:
    """A column flips after every second read, so after steps 4 and 10; what is written keeps its direction."""
    algorithm = build(ChoppedTikiTaka(in_chop_prob=0.5, in_chop_random=False, **PLAIN))
    fast, slow = [], []
    for _ in range(10):
        drive(algorithm, 1)
        fast.append(algorithm.tiles[0].weight[0, 0].item() / 0.125)
        slow.append(algorithm.tiles[1].weight[0, 0].item() / 0.125)
    assert fast == [1, 2, 3, 4, 3, 2, 1, 0, -1, -2]
    assert slow == [1, 1, 1, 2, 2, 2, 1, 1, 1, 2]


def test_signs_flip_at_random_with_their_probability() -> None:
    algorithm = build(ChoppedTikiTaka(in_chop_prob=0.3, out_chop_prob=0.2, **PLAIN))
    flips = crossed = 0
    for _ in range(1500):
        before = [signs.clone() for signs in chopped(algorithm).signs]
        drive(algorithm, 1)
        flips += int((chopped(algorithm).signs[0] != before[0]).sum())
        crossed += int((chopped(algorithm).signs[1] != before[1]).sum())
    assert abs(flips / 1500 - 0.3) < 4 * (0.3 * 0.7 / 1500) ** 0.5
    assert abs(crossed / 1000 - 0.2) < 4 * (0.2 * 0.8 / 1000) ** 0.5


def test_no_chopping_is_tiki_taka_v2() -> None:
    algorithm = build(ChoppedTikiTaka(in_chop_prob=0.0, **PLAIN))
    drive(algorithm, 9)
    assert chopped(algorithm).signs[0].tolist() == [1, 1, 1]
    assert algorithm.tiles[0].weight[0, 0] == 9 * 0.125


def test_scaling_follows_the_running_maxima_of_every_vector() -> None:
    """A batch in one call has for each vector the rate that it has in a batch cut after every vector."""
    generator = torch.Generator().manual_seed(0)
    x, d = torch.randn(6, 3, generator=generator), torch.randn(6, 2, generator=generator)
    together, apart = (
        build(ChoppedTikiTaka(in_chop_prob=0.0, transfer_lr=0.0, transfer_every=every, fast_lr=1.0))
        for every in (1.0, 1 / 6)
    )
    for algorithm in (together, apart):
        algorithm.step([(x, d)], 0.1)
    assert (together.tiles[0].updates, apart.tiles[0].updates) == (1, 6)
    assert chopped(together).largest_x == chopped(apart).largest_x
    assert chopped(together).largest_x == pytest.approx(x[0].abs().max().item(), rel=0.1)
    expected = []
    for largest_x, largest_d in zip(*(_running(side, tau=0.01 / 6) for side in (x, d)), strict=True):
        expected.append(1.0 * 5 * 0.125 / (largest_x * largest_d))
    together.start()
    factors, rate = chopped(together).scaled(Rows(x), Rows(d), rate=1.0, batch=6)
    assert factors is not None
    torch.testing.assert_close(factors * rate, torch.tensor(expected))


def _running(rows: torch.Tensor, tau: float) -> list[float]:
    means: list[float] = []
    for largest in rows.abs().amax(dim=1).tolist():
        means.append((1 - tau) * means[-1] + tau * largest if means else largest)
    return means


def test_the_threshold_is_counted_in_steps_of_the_fast_tile() -> None:
    algorithm = build(
        ChoppedTikiTaka(auto_granularity=6.0, buffer_granularity=2.0, transfer_every=2.0), exact(0.125), exact(0.5)
    )
    assert chopped(algorithm).threshold() == 0.125 * 2.0 * 6.0 / (3 * 2.0)


def test_a_period_may_be_given_in_states() -> None:
    """64 states over 3 columns, twice: 43 vectors."""
    assert build(ChoppedTikiTaka(transfer_every=-2.0)).schedule.periods(8) == [43, 0]


def test_a_period_in_states_needs_a_number_of_them() -> None:
    with pytest.raises(ValueError, match="transfer_every: -2 counts states, of which this device has no number"):
        build(ChoppedTikiTaka(transfer_every=-2.0), SoftBounds(states=math.inf))


def test_the_buffer_may_sum_the_gradient_itself() -> None:
    algorithm = build(
        ChoppedTikiTaka(correct_gradient_magnitudes=True, in_chop_prob=0.0, **PLAIN),
        exact(0.125),
        exact(0.25),
    )
    algorithm.step([(torch.ones(1, 3), torch.tensor([[0.0, 0.0625]]))], 0.1)
    drive(algorithm, 3)
    assert chopped(algorithm).threshold() == 0.125 * 0.125 * 2


@pytest.mark.parametrize("units_in_mbatch", [True, False])
def test_a_run_may_begin_without_an_error(units_in_mbatch: bool) -> None:
    """There is no mean of d yet, and as in aihwkit the rate is not divided by it: 0.5 times 5 slots of one step."""
    algorithm = build(
        ChoppedTikiTaka(
            correct_gradient_magnitudes=True, fast_lr=0.5, in_chop_prob=0.0, units_in_mbatch=units_in_mbatch
        ),
        exact(0.125),
        exact(0.25),
    )
    algorithm.step([(ONES.repeat(2, 1), torch.zeros(2, 2))], 0.1)
    assert chopped(algorithm).threshold() == 0.5 * 5 * 0.125 * 0.125 * 2
    assert not any(tile.weight.any() for tile in algorithm.tiles)
    drive(algorithm, 1, batch=2)
    assert algorithm.tiles[0].weight.any()


def test_agad_subtracts_what_the_fast_tile_held_in_the_last_phase() -> None:
    """Reads of column 0 at steps 1, 4, 7, 10, 13, flips after two; nothing is written before the third phase."""
    algorithm = build(AGAD(in_chop_prob=0.5, tail_weightening=1.0, **PLAIN))
    reads, means, references, slow = [], [], [], []
    for step in range(1, 14):
        drive(algorithm, 1)
        if step % 3 == 1:
            reads.append(algorithm.tiles[0].weight[0, 0].item())
            means.append(algorithm.get_buffer("mean")[0, 0].item())
            references.append(algorithm.get_buffer("reference")[0, 0].item())
            slow.append(algorithm.tiles[1].weight[0, 0].item())
    assert reads == [0.125, 0.5, 0.125, -0.25, 0.125]
    assert means == [0.0625, 0.28125, 0.203125, -0.0234375, 0.05078125]
    assert references == [0.0, 0.0, 0.28125, 0.28125, -0.0234375]
    assert slow == [0.0, 0.0, 0.0, 0.125, 0.25]


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (ChoppedTikiTaka, {"in_chop_prob": 1.5}),
        (ChoppedTikiTaka, {"out_chop_prob": -0.1}),
        (ChoppedTikiTaka, {"buffer_granularity": 0.0}),
        (ChoppedTikiTaka, {"step": -1.0}),
        (ChoppedTikiTaka, {"momentum": -3.0}),
        (ChoppedTikiTaka, {"auto_momentum": 2.0}),
        (ChoppedTikiTaka, {"auto_granularity": -5.0}),
        (AGAD, {"buffer_cap": -1.0}),
        (AGAD, {"in_chop_prob": 0.0}),
        (AGAD, {"tail_weightening": 0.0}),
    ],
)
def test_impossible_values_are_named(kind: type[ChoppedTikiTaka | AGAD], arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        kind(**arguments)


def test_a_visible_fast_tile_counts_with_its_signs() -> None:
    """``C + gamma (b a^T) * A``: a gradient moves the weight downhill whatever the signs are."""
    algorithm = build(
        ChoppedTikiTaka(in_chop_prob=1.0, out_chop_prob=1.0, gamma=0.5, **PLAIN | {"transfer_every": 0.0})
    )
    (lines, across), (fast, slow) = chopped(algorithm).signs, algorithm.tiles
    lines[1], across[0] = -1.0, -1.0
    drive(algorithm, 2)
    signs = torch.outer(across, lines)
    assert signs.tolist() == [[-1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]
    assert torch.equal(algorithm.weight, slow.weight + 0.5 * signs * fast.weight)
    assert torch.equal(algorithm.weight, 0.125 * torch.tensor([[1.0], [-1.0]]).expand(2, 3))


def test_polarity_inversion_loses_nothing() -> None:
    """Every read clears the fast tile, and half of what it held is in the slow tile and its buffer, with any signs."""
    plain = PLAIN | {"transfer_lr": 0.5, "in_chop_random": False, "in_chop_prob": 0.5, "n_reads_per_transfer": 3}
    algorithm = build(ChoppedTikiTaka(gamma=0.5, with_reset_prob=1.0, **plain))
    turned = 0
    for step in range(1, 9):
        drive(algorithm, 1)
        turned += int((chopped(algorithm).signs[0] < 0).all())
        assert not algorithm.tiles[0].weight.any()
        kept = algorithm.weight + 0.125 * algorithm.get_buffer("buffer")
        assert torch.equal(kept, 0.0625 * step * torch.tensor([[1.0], [-1.0]]).expand(2, 3))
    assert turned == 4


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [("gamma", -0.1, "gamma: -0.1"), ("gamma", 1.5, "gamma: 1.5"), ("with_reset_prob", 2.0, "with_reset_prob: 2.0")],
)
def test_impossible_shares_and_probabilities_are_named(argument: str, value: float, message: str) -> None:
    arguments: dict[str, Any] = {argument: value}
    with pytest.raises(BadValue, match=message):
        ChoppedTikiTaka(**arguments)
