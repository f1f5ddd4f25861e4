"""The analog matrix-vector product on the CPU: one call of a compiled kernel, on several threads where it pays."""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from resbench.crossbar.kernels import product_code as code
from resbench.crossbar.kernels.threads import together

if TYPE_CHECKING:
    from resbench.crossbar.periphery.parameters import IOParameters

Floats = NDArray[np.float32]
Places = NDArray[np.int64]
NONE: Floats = np.empty(0, np.float32)
NOWHERE: NDArray[np.bool_] = np.empty(0, np.bool_)
#: For products in which every row drives all inputs.
ALL: Places = np.empty(0, np.int64)
#: For reads in which every row drives one input: the value of that input, and its place.
DRIVEN, ORIGIN = np.ones(1, np.float32), np.zeros(1, np.int64)
#: About how many nanoseconds the converters take for an element, and a multiplication; and the least work of a thread.
PER_ELEMENT, PER_PRODUCT, SHARE = 2.0, 0.03, 5e5


class Layout(NamedTuple):
    """Where rows are in a flat array: line k of position p of image i is at ``i * image + places[p] + lines[k]``.

    Args:
        image: elements of an image.
        places: int64 ``[positions]``.
        lines: int64 ``[lines]``.
    """

    image: int
    places: Places
    lines: Places


@functools.lru_cache(maxsize=256)
def rows_layout(lines: int) -> Layout:
    """A matrix ``[rows, lines]``."""
    return Layout(lines, np.zeros(1, np.int64), np.arange(lines))


@functools.lru_cache(maxsize=256)
def maps_layout(channels: int, positions: int) -> Layout:
    """Maps ``[images, channels, positions]``, a row for each position."""
    return Layout(channels * positions, np.arange(positions), np.arange(channels) * positions)


@functools.lru_cache(maxsize=256)
def patches_layout(shape: tuple[int, int, int], geometry: tuple[int, ...]) -> Layout:
    """Patches of images of shape (channels, height, width), a row for each output position."""
    channels, height, width = shape
    kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, wide = geometry
    high = (height - dilation_h * (kernel_h - 1) - 1) // stride_h + 1
    top, left = np.arange(high) * stride_h, np.arange(wide) * stride_w
    down, right = np.arange(kernel_h) * dilation_h, np.arange(kernel_w) * dilation_w
    lines = np.arange(channels)[:, None, None] * height * width + down[:, None] * width + right
    return Layout(channels * height * width, (top[:, None] * width + left).ravel(), lines.ravel())


class Weights(NamedTuple):
    """Weights of a product: that of output o and input k is ``values[o * out_step + k * in_step]``."""

    values: Floats
    out_step: int
    in_step: int


class Noise(NamedTuple):
    """What is needed to draw the noise of some rows.

    Args:
        keys: uint64 ``[5]``, keys of the streams by purpose.
        first_row: running number of the first row.
        sigmas: float32 ``[outputs]``, standard deviations of the output noise.
    """

    keys: NDArray[np.uint64]
    first_row: int
    sigmas: Floats


def converters(io: IOParameters, zeros_are_off: bool) -> np.void:
    """Parameters of a direction as a :data:`~resbench.crossbar.kernels.product_code.CONVERTERS`.

    Args:
        io: without the effects that the kernel lacks.
        zeros_are_off: whether rows of zeros give zeros, whatever the noise.
    """
    record = np.zeros((), code.CONVERTERS)
    for name in ("inp_step", "inp_bound", "inp_noise", "out_step", "out_bound", "out_scale", "max_bm_factor"):
        record[name] = getattr(io, name)
    record["inp_negative"], record["out_negative"] = 1 - io.inp_asymmetry, 1 - io.out_asymmetry
    record["w_noise"] = io.w_noise if io.w_noise_type != "none" else 0.0
    record["is_pcm"] = io.w_noise_type == "pcm_read" and io.w_noise > 0
    kind = io.noise_management
    record["management"] = {"none": code.CONSTANT, "constant": code.CONSTANT, "abs_max": code.LARGEST}.get(
        kind, code.GIVEN
    )
    record["alpha"] = io.nm_thres if kind == "constant" and io.nm_thres > 0 else 1.0
    record["largest_alpha"] = io.nm_thres if io.nm_thres > 0 else math.inf
    record["largest_rho"] = io.max_bm_res / io.inp_step if io.inp_step > 0 else math.inf
    record["inp_sto_round"], record["out_sto_round"] = io.inp_sto_round, io.out_sto_round
    record["out_noise"], record["repeats"] = io.out_noise > 0, io.bound_management != "none" and io.out_bound > 0
    record["both_bounds"], record["zeros_are_off"] = io.bm_test_negative_bound, zeros_are_off
    return cast(np.void, record[()])


def multiply(
    x: Floats,
    sources: Layout,
    weights: Weights,
    y: Floats,
    targets: Layout,
    rows: int,
    adds: bool,
    io: np.void,
    noise: Noise,
    alphas: Floats | None,
    mask: NDArray[np.bool_] | None,
) -> bool:
    """Product of all rows of a batch, written into y.

    Args:
        x: inputs, flat.
        sources: where the rows stand in x.
        weights: the matrix.
        y: outputs, contiguous; what it holds is overwritten, or added to.
        targets: where the rows stand in y.
        rows: how many there are.
        adds: whether outputs are added up, as ``torch.nn.functional.fold`` adds patches.
        io: of :func:`converters`.
        noise: of these rows.
        alphas: alpha of each row, ``[rows]``; None where the kernel finds it.
        mask: False everywhere, of the shape of y; becomes True where the ADC clipped a value that was kept.

    Returns:
        Whether the ADC clipped any.
    """
    outputs, clipped = y.reshape(-1), NOWHERE if mask is None else mask.reshape(-1)
    given = NONE if alphas is None else alphas

    # The kernel takes plain arrays and numbers, because Numba takes 4 microseconds to look at three named tuples.
    def work(first: int, stop: int) -> bool:
        found: bool = code.multiply(
            x, sources.image, sources.places, sources.lines,
            weights.values, weights.out_step, weights.in_step, ALL,
            outputs, targets.image, targets.places, targets.lines, adds,
            io, noise.keys, noise.sigmas, given, noise.first_row, first, stop, clipped,
        )  # fmt: skip
        return found

    available, positions = torch.get_num_threads(), sources.places.size
    crew = 1 if available == 1 else _crew(available, rows, sources, targets)
    if crew == 1:
        return work(0, rows)
    # Threads take whole images, because the patches of an image are added up in a fixed order.
    edges = [rows // positions * part // crew * positions for part in range(crew + 1)]
    return any(together(work, list(itertools.pairwise(edges))))


def read(weights: Weights, lines: Places, y: Floats, io: np.void, noise: Noise) -> None:
    """Drive one input after the other, line by line, and write the outputs ``[k, outputs]``.

    Args:
        weights: the matrix.
        lines: int64 ``[k]``.
        y: outputs.
        io: of :func:`converters`, with neither noise nor stochastic rounding of inputs.
        noise: of these reads.
    """
    targets = rows_layout(y.shape[1])
    code.multiply(
        DRIVEN, 0, ORIGIN, ORIGIN,
        weights.values, weights.out_step, weights.in_step, lines,
        y.reshape(-1), targets.image, targets.places, targets.lines, False,
        io, noise.keys, noise.sigmas, NONE, noise.first_row, 0, lines.size, NOWHERE,
    )  # fmt: skip


def _crew(available: int, rows: int, sources: Layout, targets: Layout) -> int:
    """How many threads share a product."""
    inputs, outputs = sources.lines.size, targets.lines.size
    nanoseconds = rows * (PER_ELEMENT * (inputs + outputs) + PER_PRODUCT * inputs * outputs)
    return max(1, min(available, rows // sources.places.size, int(nanoseconds / SHARE)))
