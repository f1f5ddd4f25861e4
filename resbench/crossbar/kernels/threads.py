"""One pulsed update on several threads, with the pulses and the weights of one thread.

Bits do not depend on the weights: threads find the pulses of different images side by side. Devices do not interact:
threads then apply them to different rows, each in order of time. Compiled code runs without Python's lock.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from resbench.crossbar.kernels import apply
from resbench.crossbar.kernels.scan import NO_STOP, pieces_of, scan

Array = Any
#: Nanoseconds, about, for each error that is looked at and each column that fires; and the least that is worth a
#: thread, because those of OpenMP hold their cores for a while after the last of torch's operations.
PER_ERROR, PER_COLUMN, SHARE = 1.5, 30.0, 5e5


class Found(NamedTuple):
    """The pulses of a part of a mini-batch, as of :func:`resbench.crossbar.kernels.scan.scan`."""

    visits: Array
    columns: Array
    slots: int


def crew(available: int, errors: int, columns: int) -> int:
    """How many threads an update is worth that looks at so many errors and in which so many columns fire."""
    return max(1, min(available, int((PER_ERROR * errors + PER_COLUMN * columns) / SHARE)))


def pulse(
    kernel: Callable[..., None],
    sides: Sequence[Any],
    flips: tuple[Array, Array],
    scanned: Sequence[Any],
    followed: bool,
    shape: tuple[int, int],
    update: int,
    device: Sequence[Any],
    threads: int,
    columns: int,
) -> tuple[Array, bool, int, int]:
    """As :func:`resbench.crossbar.kernels.apply.pulse`, on several threads.

    Args:
        kernel: the ``apply`` of these devices.
        sides: as there, and so are the following.
        flips: lines whose sign is turned.
        scanned: what ``scan`` takes between the sides and the pieces.
        followed: whether the caller wants to know which cells changed.
        shape: rows and columns of the array.
        update: update counter of the tile.
        device: what ``kernel`` takes after it.
        threads: how many share the work.
        columns: how many fired in the last mini-batch, 0 if that is not known; sets how much is found at once.

    Returns:
        As there.
    """
    rows, width = shape
    edges = [rows * band // threads for band in range(threads + 1)]
    bands = [(first, stop) for first, stop in itertools.pairwise(edges) if first < stop]
    pieces = int(pieces_of(*sides[:2], scanned[0])[1])
    touched, slots, listed, going = np.empty(0, np.int64), 0, 0, 0
    density = columns / pieces or apply.COLUMNS_AT_ONCE
    while going < pieces:
        share = -(-(pieces - going) // threads)
        span = max(1, min(share, int(apply.COLUMNS_AT_ONCE / density)))
        starts = range(going, min(pieces, going + threads * span), span)
        found = together(_find, [(sides, flips, scanned, start, start + span) for start in starts])
        together(_apply, [(kernel, found, width, band, update, device) for band in bands])
        followed = followed and touched.size + sum(apply.count(part.visits) for part in found) <= rows * width
        if followed:
            touched = np.concatenate([touched, *(apply.cells(part.visits, part.columns, width) for part in found)])
        slots += sum(part.slots for part in found)
        listed += sum(part.columns.size for part in found)
        going = starts[-1] + span
        density = max(1, listed) / min(going, pieces)
    return touched, followed, slots, listed


def _find(sides: Sequence[Any], flips: tuple[Array, Array], scanned: Sequence[Any], start: int, stop: int) -> Found:
    visits, columns, _, slots = scan(*sides, *scanned, start, stop, NO_STOP)
    apply.flip(columns, flips[0])
    apply.flip(visits[:, 0], flips[1])
    return Found(visits, columns, slots)


def _apply(
    kernel: Callable[..., None],
    found: Sequence[Found],
    width: int,
    band: tuple[int, int],
    update: int,
    device: Sequence[Any],
) -> None:
    for part in found:
        kernel(part.visits, part.columns, width, band, update, *device)


def together(work: Callable[..., Any], parts: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The results of all parts, the first done by this thread."""
    others = [_team().submit(work, *part) for part in parts[1:]]
    return [work(*parts[0]), *(other.result() for other in others)]


@functools.cache
def _team() -> ThreadPoolExecutor:
    """The threads, which start when they are first needed."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="resbench-update")
