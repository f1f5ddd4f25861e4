"""Training vector by vector in one call: what :mod:`resbench.crossbar.kernels.vectors_code` needs, from its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.kernels import vectors_code as code
from resbench.crossbar.kernels.vectors_records import LINK, TILE, Chopping, Done, Flow, Link
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows
from resbench.crossbar.views import RECORD


@dataclass(frozen=True)
class Drive:
    """How the first array of a chain is pulsed with vectors, and how the others are written.

    Args:
        lr: learning rate.
        granularity: mean step that sets the pulse probabilities.
        pulses: pulse trains of the vectors.
        transfer_pulses: pulse trains of the writes.
    """

    lr: float
    granularity: float
    pulses: PulseTrain
    transfer_pulses: PulseTrain


def run(
    arrays: Sequence[DeviceArray],
    x: Rows,
    d: Rows,
    drive: Drive,
    flow: Flow,
    links: Sequence[Link],
    chopping: Chopping,
) -> tuple[Done, list[int], list[tuple[int, int, int]]]:
    """Pulse the first array with vectors in turn, and read it and the others and write to the next ones in between.

    Weights, counts of pulses and slots change here; all other counters are for the caller to change.

    Args:
        arrays: those of a chain, which :func:`covered` has counted.
        x: float32 ``[n, in]``.
        d: float32 ``[n, out]``.
        drive: how arrays are pulsed.
        flow: how lines are read.
        links: what is between an array and the next.
        chopping: signs and references.

    Returns:
        What has become of the chopping; the line that is read next from each array but the last; and for each array
        how often it was pulsed, how many of its lines were read, and how many were written.
    """
    views = [array.numpy_views() for array in arrays]
    fast, slow = views[0].devices, views[1].devices
    assert fast is not None, "covered() counts no others"
    assert slow is not None, "covered() counts no others"
    rates = [drive.lr, *(-link.factor for link in links)]
    steps = [drive.granularity, *(array.granularity for array in arrays[1:])]
    counters = [array.updates for array in arrays]
    tiles = np.array([(*tile, 0, 0, 0, 0) for tile in zip(rates, steps, counters, strict=True)], TILE)
    between = np.array([link.fields for link in links], LINK)
    driven, errors = (np.ascontiguousarray(rows.dense().numpy()) for rows in (x, d))
    done = code.run(
        (fast.form, slow.form),
        (fast.w_min, slow.w_min),
        (drive.pulses.numbers, drive.transfer_pulses.numbers),
        # NumPy takes long to join structured arrays.
        np.concatenate([view.record.view(np.uint8) for view in views]).view(RECORD),
        tiles,
        between,
        driven,
        errors,
        flow,
        chopping,
    )
    counts = []
    for array, (_, _, _, calls, slots, *lines) in zip(arrays, tiles.tolist(), strict=True):
        array.slots += slots
        if calls > 0:
            array.touch(None)
        counts.append((calls, *lines))
    return done, between["pointer"].tolist(), counts


def covered(arrays: Sequence[DeviceArray]) -> int:
    """How many of these arrays, from the first on, compiled code can train as a chain; 0 if not even two.

    It covers no unit cells, and only responses that kernels know; the second array and all later ones have the same.
    """
    kinds = []
    for array in arrays:
        devices = array.numpy_views().devices if array.is_pulsed else None
        if devices is None:
            break
        kinds.append((type(devices.form), devices.w_min.dtype))
        if kinds[-1] != kinds[min(1, len(kinds) - 1)]:
            kinds.pop()
            break
    return len(kinds) if len(kinds) > 1 else 0
