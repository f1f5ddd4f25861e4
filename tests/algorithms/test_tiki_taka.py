import torch

from resbench.algorithms import TikiTaka
from resbench.crossbar.devices import SoftBounds
from tests.algorithms.helpers import build, drive, exact


def test_a_programmed_weight_goes_to_the_slow_tile_as_far_as_it_fits() -> None:
    weight = torch.tensor([[0.25, -0.4, 0.75]])
    algorithm = build(TikiTaka(gamma=[0.25, 0.5]), exact(bound=1.0), shape=(1, 3), weight=weight)
    fast, slow = algorithm.tiles
    assert not fast.weight.any()
    torch.testing.assert_close(slow.weight, torch.tensor([[0.5, -0.8, 1.0]]))
    torch.testing.assert_close(algorithm.weight, torch.tensor([[0.25, -0.4, 0.5]]))


def test_the_fast_tile_pulses_by_the_mean_step_of_all_tiles() -> None:
    """Steps 0.125 and 0.375: the rate 0.25 is one pulse of the mean, so of the fast tile's own 0.125."""
    algorithm = build(TikiTaka(fast_lr=0.25), exact(0.125), exact(0.375))
    drive(algorithm, 1)
    assert algorithm.tiles[0].weight[1, 0] == -0.125


def test_the_rate_of_the_fast_tile_is_its_own_or_the_optimisers() -> None:
    fixed, following = (build(TikiTaka(fast_lr=rate)) for rate in (0.125, None))
    for algorithm in (fixed, following):
        drive(algorithm, 1, lr=0.5)
    assert fixed.tiles[0].weight[1, 0] == -0.125
    assert following.tiles[0].weight[1, 0] == -0.5


def test_every_column_of_a_transfer_is_read_before_its_reset() -> None:
    """The peer's CPU code resets all columns of a transfer after the first read; ours does not copy that."""
    algorithm = build(
        TikiTaka(with_reset_prob=1.0, n_reads_per_transfer=2, fast_lr=0.125, transfer_lr=1.0, scale_transfer_lr=False)
    )
    drive(algorithm, 1)
    assert algorithm.tiles[0].weight[1].tolist() == [0.0, 0.0, -0.125]
    assert algorithm.tiles[1].weight[1].tolist() == [-0.125, -0.125, 0.0]


def test_columns_are_reset_with_the_given_probability() -> None:
    algorithm = build(
        TikiTaka(with_reset_prob=0.3, n_reads_per_transfer=None, fast_lr=0.125), exact(bound=100.0), shape=(2, 2000)
    )
    algorithm.step([(torch.ones(1, 2000), torch.tensor([[-1.0, 1.0]]))], 0.1)
    reset = (algorithm.tiles[0].weight == 0).all(dim=0).float().mean().item()
    assert abs(reset - 0.3) < 4 * (0.3 * 0.7 / 2000) ** 0.5


def test_it_forgives_the_asymmetry_that_stops_analog_sgd() -> None:
    """The slow tile holds a weight that noise pulls to the symmetric point on a single tile."""
    device = SoftBounds(dw_min=0.01, w_max=1.0, w_min=-1.0)
    algorithm = build(TikiTaka(fast_lr=0.05, transfer_lr=1.0, scale_transfer_lr=False), device, shape=(4, 4))
    target = torch.full((4, 4), 0.5)
    generator = torch.Generator().manual_seed(0)
    errors = []
    for _ in range(600):
        x = torch.randn(4, 4, generator=generator)
        noise = torch.randn(4, 4, generator=generator)
        algorithm.step([(x, (x @ (algorithm.weight - target).T + noise) / 4)], 0.1)
        errors.append((algorithm.weight - target).square().mean().item())
    assert sum(errors[-100:]) / 100 < 0.05
