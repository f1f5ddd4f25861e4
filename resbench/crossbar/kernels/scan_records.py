"""Records of the search for pulses: what the compiled code of :mod:`~resbench.crossbar.kernels.scan` takes and gives.

Numba compiles functions for the fields of these records, in their order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.crossbar.kernels.pairs import Pairs
from resbench.crossbar.views import Floats

Geometry = tuple[int, int, int, int, int, int, int]
#: Of a linear layer.
POINT: Geometry = (1, 1, 1, 1, 1, 1, 1)
Bits = NDArray[np.uint8]


class Flips(NamedTuple):
    """Lines whose sign is turned, 1 for those that are: uint8 ``[in]`` and ``[out]``; empty for none."""

    columns: Bits
    rows: Bits


class Sides(NamedTuple):
    """The two sides of a mini-batch.

    Args:
        x: ``[images, channels, height, width]``, padded; a linear layer is ``[rows, in, 1, 1]`` with kernel 1 x 1.
        d: ``[images, out, positions]``; a linear layer is ``[1, out, rows]``.
        factors: factor on x for each sample; empty for 1.
    """

    x: Floats
    d: Floats
    factors: Floats


class Train(NamedTuple):
    """The pulse trains of a mini-batch.

    Args:
        geometry: kernel, stride and dilation (two each) and the width of the output.
        row_key: key of the row bits.
        column_key: key of the column bits.
        update: update counter of the array.
        rising: whether the learning rate is negative, which turns every pulse.
        rate: magnitude of the learning rate.
        step: granularity that sets the probabilities.
        longest: ``desired_bl`` of the pulse trains.
        d_factor: their ``um_grad_scale``.
        adaptive: whether a large rate lengthens the trains beyond ``longest``.
        managed: whether the probabilities of rows and columns are balanced.
        shortened: whether the management shortens the trains.
    """

    geometry: Geometry
    row_key: np.uint64
    column_key: np.uint64
    update: int
    rising: bool
    rate: float
    step: float
    longest: float
    d_factor: float
    adaptive: bool
    managed: bool
    shortened: bool


class ScanRoom(NamedTuple):
    """Arrays that a scan works in.

    Args:
        offsets: :func:`resbench.crossbar.kernels.scan.patch_offsets`.
        maxima: largest x and largest d of each sample.
        trains: slots of each sample, and scales of its rows.
        peaks: two for the maxima of patches, int32, of the size of an image.
        pairs: slots of some samples.
        rows_found: rows that fire in one of them.
        values: x of one sample, lane by lane.
        limits: bounds of the columns of some samples, ``[samples, width]``.
        entries: their entries, of the same shape.
        signs: their signs, likewise.
        numbers: two numbers of each pair: which of these samples it has, and how many columns fire.
        now: slot and sample of each pair.
        codes: codes of the columns of each pair.
        visits: see :mod:`resbench.crossbar.kernels.scan`, flat; a scan that finds more makes a larger one.
        columns: likewise.
        marks: likewise.
    """

    offsets: NDArray[np.uint64]
    maxima: tuple[Floats, Floats]
    trains: tuple[Floats, Floats]
    peaks: tuple[NDArray[np.int32], NDArray[np.int32]]
    pairs: Pairs
    rows_found: NDArray[np.int64]
    values: Floats
    limits: NDArray[np.uint64]
    entries: NDArray[np.int32]
    signs: NDArray[np.int8]
    numbers: tuple[NDArray[np.int64], NDArray[np.int64]]
    now: tuple[NDArray[np.uint32], NDArray[np.uint32]]
    codes: NDArray[np.uint8]
    visits: NDArray[np.int64]
    columns: NDArray[np.int32]
    marks: NDArray[np.int8]


class Lines(NamedTuple):
    """Arrays for the lines of one side of a vector.

    Args:
        values: lane by lane; 0 behind the last line.
        limits: bounds of the lines, ``[1, width]``.
        entries: their entries.
        codes: codes of the lines in each slot.
    """

    values: Floats
    limits: NDArray[np.uint64]
    entries: NDArray[np.int32]
    codes: NDArray[np.uint8]


class VectorRoom(NamedTuple):
    """Arrays that :func:`resbench.crossbar.kernels.scan_vectors.scan_vectors` works in.

    Args:
        rows: for the rows.
        across: for the columns.
        numbers: largest x, largest d, slots and scale of the rows of a vector, ``[4, 1]``.
        now: some of its slots, and its number for each of them.
        places: zeros; and where each slot is among those whose rows were drawn.
        rows_found: entries of the rows that fire in one slot.
        visits: see :mod:`resbench.crossbar.kernels.scan`, flat; a scan that finds more makes a larger one.
        columns: likewise.
        marks: empty.
    """

    rows: Lines
    across: Lines
    numbers: Floats
    now: tuple[NDArray[np.uint32], NDArray[np.uint32]]
    places: tuple[NDArray[np.int64], NDArray[np.int64]]
    rows_found: NDArray[np.int32]
    visits: NDArray[np.int64]
    columns: NDArray[np.int32]
    marks: NDArray[np.int8]


class Scanned(NamedTuple):
    """What a scan found.

    Args:
        visits: int64 ``[v, 6]``, see :mod:`resbench.crossbar.kernels.scan`.
        columns: int32, see :mod:`resbench.crossbar.kernels.scan`; empty if there are marks.
        marks: int8, see :mod:`resbench.crossbar.kernels.scan`; empty if there are columns.
        going: the piece to go on with, -1 at the end.
        slots: slots of the samples that were scanned.
        fired: how many columns fired.
    """

    visits: NDArray[np.int64]
    columns: NDArray[np.int32]
    marks: NDArray[np.int8]
    going: int
    slots: int
    fired: int
