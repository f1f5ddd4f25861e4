"""The course of a training: its curve over epochs, and the number of steps to a target."""

import math
from collections.abc import Sequence
from statistics import median

from resbench.leaderboard.statistics import mean
from resbench.leaderboard.tables import Curve, Metric
from resbench.records.schema import Record

#: Curves of more epochs are thinned to this number of points; the last one is always kept.
MAX_POINTS = 100


def target(digital: Sequence[Record], metric: Metric) -> float | None:
    """The target of a track: the final validation metric of the digital reference, with a margin of 5 %.

    Null without a reference, or if one of its runs reports no validation metric. The target is on validation data,
    because test data must not be looked at after each epoch.
    """
    finals = [record.epochs[-1].values.get(metric.val_key) if record.epochs else None for record in digital]
    values = [value for value in finals if value is not None and math.isfinite(value)]
    return mean(values) * metric.target_factor if values and len(values) == len(finals) else None


def steps_to_target(records: Sequence[Record], metric: Metric, goal: float, diverged: int = 0) -> tuple[float, int]:
    """Median over seeds of the optimiser steps to the first epoch that reaches the goal, and how many runs reach it.

    A run that never reaches it counts as infinitely many steps, and so does each of the further runs that ``diverged``.
    """
    sign = 1 if metric.higher_is_better else -1
    steps = [
        next((e.step for e in record.epochs if sign * e.values.get(metric.val_key, math.nan) >= sign * goal), math.inf)
        for record in records
    ] + [math.inf] * diverged
    return float(median(steps)), sum(map(math.isfinite, steps))


def curve(records: Sequence[Record], metric: Metric) -> Curve | None:
    """Mean and range over seeds at the steps that all seeds report; null if there is no such step.

    The curve is that of the validation metric, or of the same metric on training data if there is no validation data.
    """
    return _curve(records, metric.val_key) or _curve(records, metric.train_key)


def _curve(records: Sequence[Record], key: str) -> Curve | None:
    runs = [{e.step: e.values[key] for e in record.epochs if key in e.values} for record in records]
    steps = sorted(set.intersection(*map(set, runs)))
    if not steps:
        return None
    stride = math.ceil(len(steps) / MAX_POINTS)
    steps = steps[::-1][::stride][::-1]
    values = [[run[step] for run in runs] for step in steps]
    return Curve(
        key=key,
        steps=steps,
        mean=[mean(v) for v in values],
        low=[min(v) for v in values],
        high=[max(v) for v in values],
    )
