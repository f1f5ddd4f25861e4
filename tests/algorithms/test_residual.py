import dataclasses
from typing import Any

import pytest
import torch

from resbench.algorithms import Plateau, ResidualLearning
from tests.algorithms.helpers import build, drive, exact

#: A transfer after every vector, unscaled; the fast tile gains one step at each.
QUICK: dict[str, Any] = {
    "gamma": 0.5, "transfer_every": 1.0, "transfer_every_growth": 2.0, "transfer_lr": 1.0, "transfer_lr_growth": 1.0,
    "fast_lr": 0.125, "units_in_mbatch": False,
}  # fmt: skip


def residual(tiles: int = 3, bound: float = 1000.0, weight: torch.Tensor | None = None, **arguments: Any) -> Any:
    return build(ResidualLearning(tiles=tiles, **(QUICK | arguments)), exact(bound=bound), weight=weight)


def reads_and_writes(algorithm: ResidualLearning) -> list[tuple[int, int]]:
    return [(tile.transfers_out, tile.transfers_in) for tile in algorithm.tiles]


def test_tiles_are_named_by_both_counts_and_weighted_from_the_slowest() -> None:
    algorithm = build(ResidualLearning(tiles=4, gamma=0.5))
    assert [(name, gamma) for name, gamma, _ in algorithm.named_tiles()] == [
        ("tile0_W3", 0.125), ("tile1_W2", 0.25), ("tile2_W1", 0.5), ("tile3_W0", 1.0)
    ]  # fmt: skip
    assert algorithm.digital_storage() == {}


def test_periods_and_rates_grow_along_the_chain() -> None:
    algorithm = build(ResidualLearning(tiles=4))
    assert algorithm.schedule.periods(8) == [16, 80, 400, 0]
    assert algorithm.transfer_lr[:3] == pytest.approx([0.1 * 1.2**3, 0.1 * 1.2**2, 0.1 * 1.2])


def test_one_tile_is_analog_sgd() -> None:
    algorithm = residual(tiles=1)
    drive(algorithm, 4)
    assert algorithm.weight[0].tolist() == [0.5] * 3


@pytest.mark.parametrize(("initial", "tiles"), [("slowest", [0.0, 0.0, 1.0]), ("decomposed", [0.0, 0.5, 1.0])])
def test_initial_weights_fill_the_slowest_tile_or_all(initial: str, tiles: list[float]) -> None:
    """1.25 on tiles that hold 1: the slowest takes 1, the next the remaining 0.25 at half the scale."""
    algorithm = residual(bound=1.0, weight=torch.full((2, 3), 1.25), initial_weights=initial)
    assert [tile.weight[0, 0].item() for tile in algorithm.tiles] == tiles
    assert algorithm.weight[0, 0] == (1.0 if initial == "slowest" else 1.25)


def test_global_periods_are_those_of_one_count() -> None:
    algorithm = residual(transfer_every=2.0)
    drive(algorithm, 8)
    assert reads_and_writes(algorithm) == [(4, 0), (2, 4), (0, 2)]


def test_local_periods_multiply() -> None:
    """Tile 1 transfers after every 4th transfer that it received, each after 2 vectors."""
    algorithm = residual(transfer_every=2.0, count="local")
    drive(algorithm, 3, batch=8)
    assert reads_and_writes(algorithm) == [(12, 0), (3, 12), (0, 3)]
    assert algorithm.tiles[0].updates == 12, "only transfers cut a mini-batch"


# -- warm starts -----------------------------------------------------------------------------------------------------


def targets(algorithm: ResidualLearning, vectors: int = 4) -> list[list[int]]:
    """Lines written to each tile in every stage of a warm start, with a switch after so many vectors."""
    stages = []
    for _ in range(len(algorithm.tiles) + 1):
        before = [tile.transfers_in for tile in algorithm.tiles]
        drive(algorithm, vectors)
        stages.append([tile.transfers_in - count for tile, count in zip(algorithm.tiles, before, strict=True)])
        algorithm.schedule.flag = True  # type: ignore[attr-defined]
    return stages


def test_the_chain_has_no_warm_start() -> None:
    assert targets(residual()) == [[0, 4, 2]] * 4


def test_the_warm_start_of_the_paper_ends_with_the_last_but_one_tile() -> None:
    """W(0) (tile 2), then W(1), each from the fastest with its own period; after 2 switches the chain."""
    assert targets(residual(schedule="paper")) == [[0, 0, 4], [0, 4, 0], [0, 4, 2], [0, 4, 2]]


def test_the_released_cpu_code_uses_the_period_of_tile_1_and_has_a_dead_stage() -> None:
    algorithm = residual(schedule="released-cpu")
    assert targets(algorithm) == [[0, 0, 2], [0, 2, 0], [0, 0, 0], [0, 4, 2]]
    assert algorithm.pointers[0] == (2 + 2 + 2 + 4) % 3, "the pointer of tile 0 goes on in the dead stage"


def test_the_released_gpu_code_feeds_back_in_its_last_stages() -> None:
    """Tile 0 into 1 always; tile 1 into 2, then into itself, then into tile 0."""
    assert targets(residual(schedule="released-gpu")) == [[0, 4, 2], [0, 6, 0], [2, 4, 0], [0, 4, 2]]


def test_a_flat_loss_moves_the_warm_start_on_with_the_next_batch() -> None:
    algorithm = residual(schedule="released-cpu")
    for loss, flag in ((1.0, False), (0.9, False), (0.95, True)):
        algorithm.on_epoch_end(loss)
        assert algorithm.schedule.flag is flag
    assert algorithm.schedule.target == 2
    drive(algorithm, 1)
    assert (
        algorithm.schedule.target,
        algorithm.schedule.flag,
        algorithm.schedule.switches,
        algorithm.schedule.history,
    ) == (1, False, 1, [])
    assert not algorithm.reads_batch_loss
    algorithm.on_batch_end(5.0)
    assert algorithm.schedule.history == [], "this rule looks at epochs only"


def test_the_rule_of_the_paper_looks_at_every_batch() -> None:
    algorithm = residual(schedule="paper", plateau=dataclasses.replace(PAPER, every="batch"))
    assert algorithm.reads_batch_loss
    for loss in (1.0, 1.1):
        algorithm.on_batch_end(loss)
        drive(algorithm, 1)
    assert algorithm.schedule.target == 1


PAPER = Plateau(threshold=0.0, smooth_threshold=0.0, clear_history=False)
MNIST = Plateau(smooth_threshold=-0.01)


@pytest.mark.parametrize(
    ("rule", "losses", "switches", "reached"),
    [
        (Plateau(), [1.0], 0, False),
        (Plateau(), [1.0, 1.00005], 0, False),  # a rise below 1e-4
        (PAPER, [1.0, 1.00005], 0, True),
        (Plateau(), [1.0, 1.1], 3, True),
        (Plateau(), [1.0, 1.1], 4, False),  # from the fifth on five differences are needed
        (Plateau(), [1.0, 1.1, 1.0, 0.9, 0.8, 0.9], 4, True),
        (Plateau(), [1.0, 1.1, 1.0, 0.9, 0.8, 0.7], 4, False),
        (MNIST, [1.0, 0.9, 0.895, 0.8, 0.795, 0.7], 4, True),  # two falls of less than 0.01
        (Plateau(), [1.0, 0.9, 0.895, 0.8, 0.795, 0.7], 4, False),
        (Plateau(), [1.2, 1.0, 1.1, 1.0, 0.9, 0.8, 0.7], 4, False),  # the oldest difference is out of sight
        (Plateau(eager_switches=0), [1.0, 1.1], 0, False),
    ],
)
def test_plateau_rules(rule: Plateau, losses: list[float], switches: int, reached: bool) -> None:
    assert rule.reached(losses, switches) is reached


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"tiles": 0}, "tiles"),
        ({"tiles": 2.0}, "tiles: 2.0 is not a number of tiles; write a whole number"),
        ({"gamma": 0.0}, "gamma"),
        ({"gamma": [0.5, 1.0]}, "gamma: 2 values for 4 tiles"),
        ({"schedule": "warm"}, "schedule: 'warm' is unknown; write one of chain, paper, released-cpu, released-gpu"),
        ({"count": "Global"}, "count: 'Global' is unknown; write one of global, local"),
        ({"initial_weights": "Slowest"}, "initial_weights: 'Slowest' is unknown; write one of slowest, decomposed"),
        ({"schedule": "released-gpu", "count": "local"}, "count"),
        ({"transfer_lr": [0.1, 0.1]}, "transfer_lr"),
    ],
)
def test_impossible_values_are_named(arguments: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        ResidualLearning(**arguments)
    with pytest.raises(ValueError, match="eager_switches"):
        Plateau(eager_switches=-1)
    with pytest.raises(ValueError, match="every: 'epochs' is unknown; write one of batch, epoch"):
        Plateau(every="epochs")  # type: ignore[arg-type]
