"""Keys of Lightning's trainer that a run does not have, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resbench.errors import UserError

#: What each leaves without a result.
REFUSED = {
    "barebones": "leaves out the metrics that the record is made of",
    "default_root_dir": "the run folder follows from experiment.root; write that instead",
    "fast_dev_run": "leaves out loggers and checkpoints; write limit_train_batches and max_epochs instead",
    "overfit_batches": "validates on the training data; write limit_train_batches instead",
}


def check_trainer(trainer: Mapping[str, Any]) -> None:
    """Refuse what leaves no training, no test, or no result of either.

    Args:
        trainer: the section of the resolved config.

    Raises:
        UserError: with the key and the reason.
    """
    for key, what in (("limit_train_batches", "trains nothing"), ("limit_test_batches", "tests nothing")):
        if trainer[key] == 0:
            raise UserError(f"trainer.{key}: {trainer[key]} {what}; write a number of mini-batches, or null for all")
    for key, why in REFUSED.items():
        if trainer[key]:
            raise UserError(f"trainer.{key}: {why}")
