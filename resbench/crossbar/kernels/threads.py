"""One pulsed update on several threads, with the result of a single thread.

Pulses do not depend on the weights, so threads find the pulses of different images at the same time. Devices do not
interact, so threads then apply the pulses to different rows, each row in order of time. Compiled code runs without
Python's lock.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

import numpy as np

from resbench.crossbar.kernels import apply
from resbench.crossbar.kernels.apply import Pulsed
from resbench.crossbar.kernels.scan import NO_STOP, pieces_of, scan
from resbench.crossbar.kernels.scan_records import Flips, Scanned, Sides, Train
from resbench.crossbar.views import Devices

Parts = TypeVarTuple("Parts")
Done = TypeVar("Done")
#: About how many nanoseconds an error takes to look at, and a column that fires to find and apply. A thread has to get
#: at least SHARE nanoseconds, because the threads of OpenMP keep their cores busy for a while after torch's operations.
PER_ERROR, PER_COLUMN, SHARE = 1.5, 30.0, 5e5


def crew(available: int, errors: int, columns: int) -> int:
    """How many threads are worth using for an update with so many errors, in which so many columns fire."""
    return max(1, min(available, int((PER_ERROR * errors + PER_COLUMN * columns) / SHARE)))


def pulse(
    sides: Sides,
    flips: Flips,
    train: Train,
    devices: Devices,
    shape: tuple[int, int],
    followed: bool,
    threads: int,
    columns: int,
) -> Pulsed:
    """As :func:`resbench.crossbar.kernels.apply.pulse`, on several threads.

    Args:
        sides: the mini-batch.
        flips: lines whose sign is turned.
        train: pulse trains.
        devices: those of the array.
        shape: rows and columns of the array.
        followed: whether the caller wants to know which crosspoints changed.
        threads: how many share the work.
        columns: how many fired in the last mini-batch, 0 if that is not known; sets how much is found at once.
    """
    rows, width = shape
    edges = [rows * band // threads for band in range(threads + 1)]
    bands = [(first, stop) for first, stop in itertools.pairwise(edges) if first < stop]
    pieces = int(pieces_of(sides.x, sides.d, train.geometry))
    touched, slots, listed, going = np.empty(0, np.int64), 0, 0, 0
    density = columns / pieces or apply.COLUMNS_AT_ONCE
    # As apply.offers_marks, which would be compiled once more for each form.
    offers = bool(devices.write_noise == 0) and devices.up_table.size == 0
    while going < pieces:
        share = -(-(pieces - going) // threads)
        span = max(1, min(share, int(apply.COLUMNS_AT_ONCE / density)))
        starts = range(going, min(pieces, going + threads * span), span)
        parts = [(sides, flips, train, start, start + span, width, offers) for start in starts]
        found = together(_find, parts)
        together(_apply, [(found, width, band, train.update, devices) for band in bands])
        followed = followed and all(part.marks.size == 0 for part in found)
        followed = followed and touched.size + sum(apply.count(part.visits) for part in found) <= rows * width
        if followed:
            pieces_touched = (apply.crosspoints(part.visits, part.columns, width) for part in found)
            touched = np.concatenate([touched, *pieces_touched])
        slots += sum(part.slots for part in found)
        listed += sum(part.fired for part in found)
        going = starts[-1] + span
        density = max(1, listed) / min(going, pieces)
    return touched, followed, slots, listed


def _find(sides: Sides, flips: Flips, train: Train, start: int, stop: int, width: int, offers: bool) -> Scanned:
    found = scan(sides, train, start, stop, NO_STOP, offers)
    apply.turn(found, flips, width)
    return found


def _apply(found: Sequence[Scanned], width: int, band: tuple[int, int], update: int, devices: Devices) -> None:
    for part in found:
        apply.apply(part.visits, part.columns, part.marks, width, band, update, devices)


def together(work: Callable[[*Parts], Done], parts: Sequence[tuple[*Parts]]) -> list[Done]:
    """Do all parts at the same time, the first on this thread, and return their results."""
    others = [_team().submit(work, *part) for part in parts[1:]]
    return [work(*parts[0]), *(other.result() for other in others)]


@functools.cache
def _team() -> ThreadPoolExecutor:
    """The pool of threads; it starts them when they are first needed."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="resbench-update")
