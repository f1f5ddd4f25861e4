"""Classification."""

import pytest
import torch

from resbench.algorithms import DigitalSGD
from resbench.networks import MLP
from resbench.tasks import Classification

BATCH = torch.randn(6, 1, 8, 8), torch.arange(6)


def test_loss_and_accuracy() -> None:
    task = Classification(MLP(64), DigitalSGD())
    (loss, accuracy), samples = task.measure(BATCH)
    log_probabilities = task.predict_step(BATCH[0], 0).log()
    assert loss.item() == pytest.approx(-log_probabilities[range(6), BATCH[1]].mean().item(), rel=1e-5)
    assert accuracy.item() == pytest.approx((log_probabilities.argmax(1) == BATCH[1]).float().mean().item())
    assert samples == 6


def test_labels_are_smoothed_in_training_only() -> None:
    plain, smooth = (Classification(MLP(64), DigitalSGD(), label_smoothing=share) for share in (0.0, 0.3))
    smooth.load_state_dict(plain.state_dict())
    assert plain.measure(BATCH)[0][0] != smooth.measure(BATCH)[0][0]
    assert plain.eval().measure(BATCH)[0][0] == smooth.eval().measure(BATCH)[0][0]


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"label_smoothing: {share} is no share; write a number in"):
        Classification(MLP(64), DigitalSGD(), label_smoothing=share)


def test_predictions_are_the_class_and_the_probability_of_each() -> None:
    columns, lines = Classification(MLP(in_features=4, hidden=[], classes=2), DigitalSGD()).table(
        torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    )
    assert columns == ["sample", "class", "p0", "p1"]
    assert list(lines) == [[0, 1, 0.25, 0.75], [1, 0, 1.0, 0.0]]
