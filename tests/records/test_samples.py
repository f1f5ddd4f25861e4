"""How many training samples a run saw: 1,001 samples are 126 mini-batches of 8, the last one with a single sample."""

import copy
from typing import Any

import pytest

from resbench.records.samples import trained_samples
from resbench.records.schema import EpochMetrics, Record
from tests.records.factory import make_record


def trained(
    ends: list[int],
    steps: int | None = None,
    trainer: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    arguments: dict[str, Any] | None = None,
) -> Record:
    """A run whose epochs end after so many steps."""
    record = make_record()
    config: Any = copy.deepcopy(record.config)
    config["trainer"] |= trainer or {}
    config["data"]["init_args"] |= arguments or {}
    epochs = [EpochMetrics(epoch=number, step=step, values={}) for number, step in enumerate(ends)]
    steps = ends[-1] if steps is None else steps
    changes = {"config": config, "epochs": epochs, "steps": steps, "data": {"train_size": 1001} | (data or {})}
    return record.model_copy(update=changes)


@pytest.mark.parametrize(
    ("record", "samples"),
    [
        (trained([126, 252]), 2 * 1001),
        (trained([126, 252], steps=255), 2 * 1001 + 3 * 8),  # interrupted in the third epoch
        (trained([126, 130]), 1001 + 4 * 8),  # by max_steps
        (trained([], steps=0), 0),
        (trained([], steps=5), 5 * 8),
        (trained([125, 250]), 2 * 1000),  # a data module that drops the last mini-batch
        (trained([10, 20], trainer={"limit_train_batches": 10}), 2 * 80),
        (trained([63, 126], trainer={"limit_train_batches": 0.5}), 2 * 63 * 8),
        (trained([126], trainer={"limit_train_batches": 1.0}), 1001),
        (trained([1], trainer={"limit_train_batches": 1}), 8),
        (trained([1], trainer={"fast_dev_run": True}), 8),
        (trained([3, 6], trainer={"overfit_batches": 3}), 2 * 24),
        # Four mini-batches a step: the last of 32 steps has the two that are left.
        (trained([32, 64], trainer={"accumulate_grad_batches": 4}), 2 * 1001),
        (trained([32, 64], steps=66, trainer={"accumulate_grad_batches": 4}), 2 * 1001 + 64),
        (trained([3, 6], trainer={"accumulate_grad_batches": 4, "limit_train_batches": 10}), 2 * 80),
        # A text of 1,001 characters has 12 mini-batches of 8 windows of 10, or as many as are asked for.
        (trained([12, 24], data={"context": 10}), 2 * 96),
        (trained([500], data={"context": 10}, arguments={"steps_per_epoch": 500}), 4000),
        (trained([3], trainer={"accumulate_grad_batches": 5}, data={"context": 10}), 96),
        (trained([400]), 3200),  # a data module that draws more than its size
    ],
)
def test_samples_are_those_of_the_mini_batches(record: Record, samples: int) -> None:
    assert trained_samples(record) == samples
