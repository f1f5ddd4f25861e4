from typing import Any

import pytest
import torch

from resbench.data import LeastSquaresData


def problem(**options: Any) -> LeastSquaresData:
    data = LeastSquaresData(**options)
    data.setup("fit")
    return data


def test_scalar_problem_is_one_target_of_16_bits() -> None:
    targets = []
    for number in range(200):
        data = problem(problem=number, samples=4)
        batches = [*data.train_dataloader(), *data.test_dataloader()]
        assert all(bool((inputs == 1).all()) for inputs, _ in batches)
        assert len({target for _, values in batches for target in values.flatten().tolist()}) == 1
        targets.append(float(batches[0][1]))
    levels = (torch.tensor(targets, dtype=torch.double) + 1) * (2**16 - 1) / 2
    assert torch.allclose(levels, levels.round(), atol=2e-3)  # targets are float32
    assert 60 < sum(target < 0 for target in targets) < 140
    assert -1 <= min(targets) < -0.9
    assert 0.9 < max(targets) <= 1


def test_matrix_problem_is_solved_by_one_matrix() -> None:
    data = problem(in_features=6, out_features=3, samples=50)
    train, test = data.split("train"), data.split("test")
    assert (train.inputs.shape, train.targets.shape, test.inputs.shape) == ((50, 6), (50, 3), (50, 6))
    weight = torch.linalg.lstsq(train.inputs.double(), train.targets.double()).solution
    torch.testing.assert_close(test.inputs.double() @ weight, test.targets.double(), atol=1e-6, rtol=0)
    levels = (weight + 1) * (2**16 - 1) / 2
    torch.testing.assert_close(levels, levels.round(), atol=0.05, rtol=0)


def test_seed_orders_and_problem_draws() -> None:
    first, ordered, other = (
        problem(in_features=2, samples=20, **options) for options in ({}, {"seed": 1}, {"problem": 1})
    )
    assert first.describe() == ordered.describe()
    assert first.describe()["sha256"] != other.describe()["sha256"]
    batches = [torch.cat([inputs for inputs, _ in data.train_dataloader()]) for data in (first, ordered)]
    assert not torch.equal(batches[0], batches[1])


@pytest.mark.parametrize("name", ["in_features", "out_features", "samples"])
def test_refuses_impossible_sizes(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: 0 is too small"):
        LeastSquaresData(**{name: 0})
