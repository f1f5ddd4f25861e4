"""The choice between trials, by the validation split after the last epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping

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

    A trial that diverged cannot win. A study of which none is left has no winner.

    Args:
        trials: records by the number of the point.
    """
    judged = {point: score for point, record in sorted(trials.items()) if (score := validation(record)) is not None}
    best: dict[int, int] = {}
    for study in range(1, STUDIES + 1):
        own = {point: score for point, score in judged.items() if study_of(point) == study}
        if own:
            best[study] = max(own, key=lambda point: (own[point], -point))
    return best
