"""The choice between the trials of a study."""

import math

import pytest

from resbench.records.schema import EpochMetrics, Record
from resbench.tuning.choice import unjudged, validation, winners
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
    assert winners({1: trial(0.9, loss=math.nan), 2: diverged}) == {1: 1}


def test_a_trial_without_a_finite_result_cannot_win() -> None:
    assert winners({1: trial(math.nan), 2: trial(0.1), 6: trial(math.nan)}) == {1: 2}


def test_a_task_without_accuracy_is_judged_by_its_loss() -> None:
    epochs = [EpochMetrics(epoch=0, step=1, values={"val/loss": 2.0})]
    better, worse = (
        trial(0.1).model_copy(update={"epochs": [epochs[0].model_copy(update={"values": {"val/loss": loss}})]})
        for loss in (1.0, 2.0)
    )
    assert winners({1: worse, 2: better}) == {1: 2}
    assert validation(trial()) is None, "an epoch that was not validated"


@pytest.mark.parametrize(
    ("trainer", "data", "reason"),
    [
        ({}, {"val_size": 0}, "data.val_size: 0 leaves nothing to judge a trial on; write set: {data.val_size: 5000}"),
        (
            {"limit_val_batches": 0.0},
            {},
            "trainer.limit_val_batches: 0 leaves nothing to judge a trial on; write null, for all of them",
        ),
        (
            {"check_val_every_n_epoch": 2},
            {},
            "trainer.check_val_every_n_epoch: 2, with 5 epochs, does not validate the last one; write 1",
        ),
        ({"check_val_every_n_epoch": 5}, {"val_size": 100}, None),
        ({"check_val_every_n_epoch": 2, "max_epochs": -1, "max_steps": 100}, {}, None),
    ],
)
def test_a_config_says_why_its_trials_could_not_be_judged(
    trainer: dict[str, object], data: dict[str, object], reason: str | None
) -> None:
    whole = {"limit_val_batches": 1.0, "check_val_every_n_epoch": 1, "max_epochs": 5, "max_steps": -1}
    assert unjudged({"trainer": whole | trainer, "data": {"init_args": data}}) == reason
