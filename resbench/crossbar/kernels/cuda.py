"""The pulsed update on the GPU, in Triton: draw the lines that fire, then replay the pulses of each device in order.

All decisions are made on the GPU, so the host never waits for it. A program owns some columns of a row, and pulses no
device of another program: no order of programs can be seen in the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.changes import Changes
from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.devices.unit_cells import UnitCell
from resbench.crossbar.kernels import cuda_apply, cuda_scan
from resbench.crossbar.kernels.cuda_functions import pieces
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import MASK32, signed
from resbench.crossbar.rows import MapRows, PatchRows, Rows
from resbench.errors import BadValue

#: Bytes for the lines that fire. A mini-batch that may need more is pulsed in parts, a sample at least.
room = 1 << 28
#: Registers that a thread of ``replay`` may have: fewer, as NVIDIA's assembler chooses by itself, would be spilled.
REGISTERS = {} if torch.version.hip else {"maxnreg": 200}


def is_covered(array: DeviceArray) -> bool:
    """Whether the responses of all devices of an array can be compiled."""
    device = array.device
    elements = device.elements if isinstance(device, UnitCell) else (device,)
    return all(isinstance(e, PulsedDevice) and cuda_apply.compiled(e.response) is not None for e in elements)


def update(array: DeviceArray, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Pulse an array with the samples of a mini-batch, in place; arguments as in the reference kernel."""
    array.touch(None)
    positions = next((grid for grid in map(position_grid, (x, d)) if grid is not None), (x.shape[0], 1, 1))
    image, errors = images(x, positions), images(d, positions)
    geometry = x.geometry[:6] if isinstance(x, PatchRows) else (1, 1, 1, 1, 1, 1)
    rate, step, longest = np.float32(abs(lr)), np.float32(granularity), np.float32(pulses.desired_bl)
    free = not (pulses.fixed_bl or pulses.update_bl_management) and bool(step * longest < rate)
    length = int(max(np.ceil(rate / step), 1.0) if free else longest)

    samples, (rows, columns), device = x.shape[0], array.shape, array.weight.device
    words, blocks = pieces(length, 32), pieces(columns, 4)
    column_parts = pieces(columns, cuda_scan.COLUMNS)
    for_sample = length * (blocks + 4 * column_parts) + 4 * rows * (words + 1)
    if for_sample > room:
        raise BadValue("lr", lr, f"makes pulse trains of {length} slots, too long here; write backend: events")
    size = min(samples, room // for_sample)

    def empty(*shape: int, dtype: torch.dtype = torch.int32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=device)

    lengths, fired = empty(samples), empty(words, samples)
    x_scales, d_scales = (empty(samples, dtype=torch.float32) for _ in range(2))
    row_words, active = empty(rows, words, size), empty(rows, pieces(size, 32))
    marks, counts = empty(size * length, blocks, dtype=torch.uint8), empty(size * length, column_parts)
    row_key, column_key = (signed(array.stream.child(side).key) for side in ("rows", "columns"))
    place, counter = (positions[1] * positions[2], positions[2]), low_word(array.updates)
    routed = list(parts_of(array, samples))
    with torch.cuda.device_of(array.weight):
        cuda_scan.scales[pieces(samples, cuda_scan.MAXIMA_SAMPLES),](
            *(lengths, x_scales, d_scales, fired, array.slots_to_come()),
            *(image, *image.stride(), errors, *errors.stride()),
            *(samples, rows, columns, *place),
            (float(rate), float(step), float(longest), float(pulses.um_grad_scale), float(length)),
            words,
            *geometry,
            FREE=free,
            MANAGED=pulses.managed,
            SHORTENED=pulses.update_bl_management,
            SAMPLES=cuda_scan.MAXIMA_SAMPLES,
            LINES=cuda_scan.MAXIMA_LINES,
            enable_fp_fusion=False,
        )
        for first in range(0, samples, size):
            count = min(size, samples - first)
            cuda_scan.draw_rows[pieces(count, cuda_scan.ROW_SAMPLES), pieces(rows, 4)](
                *(row_words, active, fired, lengths, d_scales, errors, *errors.stride()),
                *(first, count, samples, rows, *place, row_key, counter, words),
                SAMPLES=cuda_scan.ROW_SAMPLES,
                enable_fp_fusion=False,
            )
            cuda_scan.draw_columns[count, column_parts](
                *(marks, counts, fired, lengths, x_scales, image, *image.stride()),
                *(first, samples, columns, *place, column_key, counter, length),
                *geometry,
                COLUMNS=cuda_scan.COLUMNS,
                num_warps=1,
                enable_fp_fusion=False,
            )
            for part, routes in routed:
                cuda_apply.replay[rows, column_parts](
                    *(row_words, active, marks, counts, lengths, errors, *errors.stride(), routes),
                    *devices_of(part),
                    *(first, count, samples, columns, *place, int(lr < 0), words, length),
                    RESPONSE=response_of(part),
                    COLUMNS=cuda_scan.COLUMNS,
                    num_warps=1,
                    enable_fp_fusion=False,
                    **REGISTERS,
                )


def parts_of(array: DeviceArray, samples: int) -> Iterator[tuple[DeviceArray, Tensor | None]]:
    """The arrays of single devices that get the pulses of an array, and what each sample does to them.

    That is uint8 ``[2, samples]``, see :func:`cuda_apply.replay`.
    """
    if isinstance(array.device, PulsedDevice):
        yield array, None
        return
    device = array.weight.device
    up = torch.arange(2, device=device).bool()[:, None].expand(2, samples)
    for part, chosen, rising in array.route(up, torch.arange(samples, device=device)):
        yield part, torch.where(chosen, 1 + rising.to(torch.uint8), 0).to(torch.uint8)


def response_of(array: DeviceArray) -> Any:
    """The compiled response of the devices of an array."""
    assert isinstance(array.device, PulsedDevice)
    return cuda_apply.compiled(array.device.response)


def devices_of(array: DeviceArray) -> tuple[object, ...]:
    """The devices of an array, as the kernel that pulses them takes them."""
    device, constants = array.device, array.held_constants
    assert isinstance(device, PulsedDevice)
    directions = (True, False)
    return (
        array.stored,
        array.weight if device.write_noise > 0 else None,
        array.pulses_up,
        array.pulses_down,
        strided(constants["w_min"]),
        strided(constants["w_max"]),
        strided(constants["reference"]) if "reference" in constants else None,
        tuple(tuple(map(strided, device.directed(constants, up))) for up in directions),
        tuple(tuple(map(floats, device.pulse_scalars(up))) for up in directions),
        *(signed(array.stream.child(noise).key) for noise in ("cycle noise", "pulse write noise")),
        low_word(array.updates),
        float(device.write_noise),
    )


def compose(composite: Tensor, arrays: Sequence[DeviceArray], gammas: Sequence[float], changes: Changes) -> None:
    """``composite = sum_k gamma_k W_k`` in place, unless no array changed."""
    if any(array.changes is not changes for array in arrays):
        changes.follow(arrays)
    if changes.collect() == []:
        return
    shown = [(array.weight, float(gamma)) for array, gamma in zip(arrays, gammas, strict=True) if gamma != 0]
    with torch.cuda.device_of(composite):
        cuda_apply.compose[pieces(composite.numel(), cuda_apply.COMPOSE_BLOCK),](
            composite,
            tuple(weight for weight, _ in shown),
            tuple(gamma for _, gamma in shown),
            composite.numel(),
            BLOCK=cuda_apply.COMPOSE_BLOCK,
            enable_fp_fusion=False,
        )


def position_grid(rows: Rows) -> tuple[int, int, int] | None:
    """Images, height and width of the output positions that the rows of a convolution belong to."""
    if isinstance(rows, PatchRows):
        count, width = rows.source.shape[0], rows.geometry[6]
        return count, rows.shape[0] // count // width, width
    if isinstance(rows, MapRows):
        count, _, height, width = rows.source.shape
        return count, height, width
    return None


def images(rows: Rows, positions: tuple[int, int, int]) -> Tensor:
    """Rows as images ``[images, lines, height, width]``: views, nothing is laid out."""
    image: Tensor
    if isinstance(rows, (PatchRows, MapRows)):
        image = rows.source
    else:
        image = rows.dense().unflatten(0, positions).permute(0, 3, 1, 2)
    return image.to(torch.float32)


def strided(constant: Tensor) -> tuple[Tensor, int]:
    """A constant of devices with the step from one to the next."""
    return constant, int(constant.numel() > 1)


def low_word(counter: int) -> int:
    """The part of a counter that random numbers take, its 32 low bits, as a signed number."""
    return ((counter + (1 << 31)) & MASK32) - (1 << 31)


def floats(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
    """Numbers as floats, because Triton gives whole numbers another type than float32."""
    return tuple(map(float, value)) if isinstance(value, tuple) else float(value)
