import pytest
import torch

from resbench.algorithms import DigitalSGD
from resbench.networks import MLP
from resbench.tasks import Regression


def test_loss_is_the_mean_square_over_samples_and_outputs() -> None:
    task = Regression(MLP(in_features=2, hidden=[], classes=3), DigitalSGD())
    inputs, targets = torch.rand(4, 2), torch.rand(4, 3)
    (loss,), samples = task.measure((inputs, targets))
    torch.testing.assert_close(loss, ((task.predict_step(inputs, 0) - targets) ** 2).sum() / 12)
    assert samples == 4


def test_refuses_another_number_of_outputs() -> None:
    task = Regression(MLP(in_features=2, hidden=[], classes=3), DigitalSGD())
    with pytest.raises(ValueError, match=r"network: its output is \[4, 3\], the targets are \[4, 1\]"):
        task.measure((torch.rand(4, 2), torch.rand(4, 1)))


def test_predictions_are_the_outputs_one_number_a_cell() -> None:
    task = Regression(MLP(in_features=2, hidden=[], classes=2), DigitalSGD())
    columns, lines = task.table(torch.tensor([[0.5, -1.0], [2.0, 0.25]]))
    assert columns == ["sample", "y0", "y1"]
    assert list(lines) == [[0, 0.5, -1.0], [1, 2.0, 0.25]]
