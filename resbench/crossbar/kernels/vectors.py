"""Training vector by vector in one call: what :mod:`resbench.crossbar.kernels.vectors_code` needs, from two arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.kernels import vectors_code as code
from resbench.crossbar.kernels.cpu import POINT, train_of
from resbench.crossbar.kernels.vectors_records import Chopping, Done, Flow, Rule
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows


@dataclass(frozen=True)
class Drive:
    """How an array is pulsed.

    Args:
        lr: learning rate.
        pulses: its pulse trains.
        granularity: mean step that sets the pulse probabilities.
    """

    lr: float
    pulses: PulseTrain
    granularity: float


def run(
    source: DeviceArray,
    target: DeviceArray,
    x: Rows,
    d: Rows,
    drives: tuple[Drive, Drive],
    flow: Flow,
    rule: Rule,
    chopping: Chopping,
) -> Done:
    """Pulse an array with vectors in turn, and read it and write to another one in between.

    Weights, counts of pulses and slots change here; all other counters are for the caller to change.

    Args:
        source: the array that is pulsed and read.
        target: the array that is written.
        x: float32 ``[n, in]``.
        d: float32 ``[n, out]``.
        drives: how the source is pulsed with vectors, and the target with values.
        flow: when which lines are read.
        rule: the buffer between them.
        chopping: signs and references.
    """
    fast, slow = source.numpy_views().devices, target.numpy_views().devices
    assert fast is not None, "is_covered says no"
    assert slow is not None, "is_covered says no"
    fast_train, slow_train = (
        train_of(array, POINT, drive.lr, drive.pulses, drive.granularity)
        for array, drive in zip((source, target), drives, strict=True)
    )
    driven, errors = (np.ascontiguousarray(rows.dense().numpy()) for rows in (x, d))
    done = code.run(fast, slow, fast_train, slow_train, driven, errors, source.shape[0], flow, rule, chopping)
    source.slots += done.fast_slots
    target.slots += done.slow_slots
    source.touch(None)
    if done.writes > 0:
        target.touch(None)
    return done


def is_covered(array: DeviceArray) -> bool:
    """Whether compiled code can pulse this array: no unit cells, and a response that kernels know."""
    return array.is_pulsed and array.numpy_views().devices is not None
