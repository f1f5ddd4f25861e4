"""The choice between the trials of a study."""

import math

from resbench.records.schema import EpochMetrics, Record
from resbench.tuning.choice import validation, winners
from tests.records.factory import make_record


def trial(*accuracies: float, loss: float = 0.5, status: str = "complete") -> Record:
    epochs = [
        EpochMetrics(epoch=epoch, step=epoch + 1, values={"val/acc": accuracy, "val/loss": loss})
        for epoch, accuracy in enumerate(accuracies)
    ]
    return make_record(status=status).model_copy(update={"epochs": epochs})


def test_the_last_epoch_is_judged_not_the_best_one() -> None:
    falling, rising = trial(0.99, 0.5), trial(0.1, 0.6)
    assert validation(falling) == (0.5, -0.5)
    assert winners({1: falling, 2: rising}) == {1: 2}


def test_each_study_has_a_winner_of_its_own() -> None:
    found = winners({point: trial(point / 100) for point in range(1, 16)})
    assert found == {1: 5, 2: 10, 3: 15}


def test_equal_accuracies_are_told_apart_by_the_loss_then_by_the_number() -> None:
    assert winners({1: trial(0.9, loss=0.4), 2: trial(0.9, loss=0.3), 3: trial(0.9, loss=0.3)}) == {1: 2}


def test_a_trial_that_diverged_cannot_win_and_a_study_may_have_no_winner() -> None:
    diverged = trial(0.99, status="diverged")
    assert validation(diverged) is None
    assert winners({1: diverged, 2: trial(0.2), 6: diverged}) == {1: 2}
    assert winners({1: trial(0.9, loss=math.nan), 2: trial(0.9, loss=9.0)}) == {1: 2}


def test_a_task_without_accuracy_is_judged_by_its_loss() -> None:
    epochs = [EpochMetrics(epoch=0, step=1, values={"val/loss": 2.0})]
    better, worse = (
        trial(0.1).model_copy(update={"epochs": [epochs[0].model_copy(update={"values": {"val/loss": loss}})]})
        for loss in (1.0, 2.0)
    )
    assert winners({1: worse, 2: better}) == {1: 2}
    assert validation(trial()) is None, "an epoch that was not validated"
