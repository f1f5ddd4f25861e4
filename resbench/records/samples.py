"""How many training samples a run saw, which its optimiser steps, its mini-batches and its epochs decide."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from resbench.records.schema import Record


def trained_samples(record: Record) -> int:
    """The training samples that a run saw, those of later epochs again; of a text these are windows.

    A step takes ``accumulate_grad_batches`` mini-batches. The last step of an epoch may have fewer of them, and its
    last mini-batch may be smaller. So an epoch has no more samples than the data, and than what
    ``limit_train_batches`` and similar keys leave of them. An epoch that ``max_steps`` or an interruption cuts short
    has those of its steps.
    """
    trainer = _section(record.config, "trainer")
    of_a_step = record.track.batch_size * (_count(trainer.get("accumulate_grad_batches")) or 1)
    most = _of_an_epoch(record, trainer)
    ends = [0, *(entry.step for entry in record.epochs)]
    steps = [after - before for before, after in pairwise(ends)]
    return sum(_seen(count, of_a_step, most) for count in [*steps, record.steps - ends[-1]])


def _seen(steps: int, of_a_step: int, most: int) -> int:
    """Samples of the steps of one epoch. Only its last step may be smaller, so a larger excess has another reason."""
    whole = max(0, steps) * of_a_step
    return most if 0 < whole - most < of_a_step else whole


def _of_an_epoch(record: Record, trainer: Mapping[str, Any]) -> int:
    """Samples of a whole epoch."""
    batch_size = record.track.batch_size
    size = _count(record.data.get("train_size")) or record.track.train_size
    batches = -(-size // batch_size)
    if context := _count(record.data.get("context")):  # of a text; all of its mini-batches are whole
        asked = _count(_section(_section(record.config, "data"), "init_args").get("steps_per_epoch"))
        batches = asked or max(1, size // (context * batch_size))
        size = batches * batch_size
    for key in ("limit_train_batches", "overfit_batches", "fast_dev_run"):
        batches = _limited(batches, trainer.get(key))
    return min(size, batches * batch_size)


def _limited(batches: int, limit: object) -> int:
    """What a limit of Lightning leaves of the mini-batches of an epoch: a number of them, or as a float a share."""
    if limit is True:  # of `fast_dev_run`
        return 1
    if isinstance(limit, float) and 0 < limit < 1:
        return int(batches * limit)
    return min(batches, _count(limit) or batches)


def _count(value: object) -> int:
    """A whole number of at least 1, or 0 for anything else."""
    return value if type(value) is int and value > 0 else 0


def _section(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = config.get(key)
    return section if isinstance(section, Mapping) else {}
