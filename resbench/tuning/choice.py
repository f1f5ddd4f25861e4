"""The choice between trials, by the validation split after the last epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from resbench.records.schema import Record
from resbench.tuning.entry import study_of
from resbench.tuning.points import STUDIES


def validation(record: Record) -> tuple[float, ...] | None:
    """What a trial is judged by, more is better: accuracy where there is one, then the loss with its sign turned.

    Null for a run that did not complete, and for one whose last epoch was not validated.
    """
    values = record.epochs[-1].values if record.status == "complete" and record.epochs else {}
    found = [values[key] * sign for key, sign in (("val/acc", 1), ("val/loss", -1)) if key in values]
    return tuple(value if math.isfinite(value) else -math.inf for value in found) or None


def winners(trials: Mapping[int, Record]) -> dict[int, int]:
    """The best point of each study, by the number of the study; of equal ones the first.

    A trial that diverged cannot win, nor one without a finite result. A study of which none is left has no winner.

    Args:
        trials: records by the number of the point.
    """
    scores = {point: validation(record) for point, record in sorted(trials.items())}
    judged = {point: score for point, score in scores.items() if score is not None and score[0] > -math.inf}
    best: dict[int, int] = {}
    for study in range(1, STUDIES + 1):
        own = {point: score for point, score in judged.items() if study_of(point) == study}
        if own:
            best[study] = max(own, key=lambda point: (own[point], -point))
    return best


def unjudged(config: Mapping[str, Any]) -> str | None:
    """Why a trial with this resolved config could not be judged: the key, its value and what to write; null if it can.

    It has to be validated after its last epoch. Only what the config itself says is looked at.
    """
    trainer, data = config["trainer"], config["data"].get("init_args", {})
    hint = "leaves nothing to judge a trial on; write"
    if data.get("val_size") == 0:
        return f"data.val_size: 0 {hint} set: {{data.val_size: 5000}}"
    if trainer["limit_val_batches"] == 0:
        return f"trainer.limit_val_batches: 0 {hint} null, for all of them"
    every, epochs = trainer["check_val_every_n_epoch"], trainer["max_epochs"]
    if every and epochs and epochs > 0 and trainer["max_steps"] == -1 and epochs % every:
        return (
            f"trainer.check_val_every_n_epoch: {every}, with {epochs} epochs, does not validate the last one; write 1"
        )
    return None
