"""The pulsed update on the GPU, in Triton: find the pulses, sort them by crosspoint and time, apply them.

A pulse is one 64-bit key: crosspoint, sample, slot, number of the pulse in its row, and direction, from the high bits
down. The host waits for the GPU once in an update, for the numbers of pulses and slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import triton
from torch import Tensor
from torch.nn import functional

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.changes import Changes
from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.kernels import cuda_apply, cuda_scan, events
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import MASK32
from resbench.crossbar.rows import MapRows, PatchRows, Rows
from resbench.errors import BadValue

KEY_BITS = 63
#: Room for keys, which grows to what the mini-batches of this process need.
room = 1 << 16


class Layout(NamedTuple):
    """Where the fields of a key are."""

    sample_bits: int
    slot_bits: int
    number_bits: int

    @property
    def time_bits(self) -> int:
        """Bits below the crosspoint: sample, slot, number, and one for the direction."""
        return self.sample_bits + self.slot_bits + self.number_bits + 1

    def decode(self, keys: Tensor) -> events.Events:
        """The keys as events."""
        number, slot, sample = (
            keys >> 1,
            keys >> (self.number_bits + 1),
            keys >> (self.number_bits + self.slot_bits + 1),
        )
        return events.Events(
            crosspoint=keys >> self.time_bits,
            up=keys & 1 == 1,
            slot=slot & ((1 << self.slot_bits) - 1),
            sample=sample & ((1 << self.sample_bits) - 1),
            number=number & ((1 << self.number_bits) - 1),
        )


def update(array: DeviceArray, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Pulse an array with the samples of a mini-batch, in place; arguments as in the reference kernel."""
    with torch.cuda.device_of(array.weight):
        keys, slots, layout = find(array, x, d, lr, pulses, granularity)
        array.slots += slots
        if keys.numel() == 0:
            return
        if isinstance(array.device, PulsedDevice):
            apply(array, keys, layout)
        else:
            found = layout.decode(keys)
            for part, chosen, up in array.route(found.up, found.sample):
                apply(part, ((keys >> 1 << 1) | up)[chosen], layout)
        if array.is_followed:
            array.touch(keys >> layout.time_bits)


def find(
    array: DeviceArray, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float
) -> tuple[Tensor, int, Layout]:
    """Keys of all pulses of a mini-batch, int64, ascending by crosspoint, then by time; and slots of its trains."""
    global room
    positions = next((grid for grid in map(position_grid, (x, d)) if grid is not None), (x.shape[0], 1, 1))
    image, errors = images(x, positions), images(d, positions)
    x_max, d_max = image.abs().amax(dim=1), errors.abs().amax(dim=1)
    geometry = (1, 1, 1, 1, 1, 1)
    if isinstance(x, PatchRows):
        geometry = x.geometry[:6]
        x_max = functional.max_pool2d(x_max, geometry[:2], geometry[2:4], dilation=geometry[4:])
    rate, step, longest = np.float32(abs(lr)), np.float32(granularity), np.float32(pulses.desired_bl)
    free = not (pulses.fixed_bl or pulses.update_bl_management) and bool(step * longest < rate)
    length = max(float(np.ceil(rate / step)), 1.0) if free else float(longest)

    samples, (rows, columns), device = x.shape[0], array.shape, array.weight.device
    layout = Layout((samples - 1).bit_length(), (int(length) - 1).bit_length(), (columns - 1).bit_length())
    if layout.time_bits + (rows * columns - 1).bit_length() > KEY_BITS:
        raise BadValue("lr", lr, f"makes pulse trains of {length:g} slots, too long here; write backend: events")
    while True:
        keys = torch.empty(room, dtype=torch.int64, device=device)
        counters = torch.zeros(2, dtype=torch.int64, device=device)
        cuda_scan.find[samples, triton.cdiv(rows, cuda_scan.ROWS)](
            *(keys, counters, room, image, *image.stride(), errors, *errors.stride(), x_max, d_max),
            *(rows, columns, positions[1] * positions[2], positions[2]),
            *(signed(array.stream.child(side).key) for side in ("rows", "columns")),
            *(low_word(array.updates), int(lr < 0)),
            (float(rate), float(step), float(longest), float(pulses.um_grad_scale), length),
            *layout,
            *geometry,
            FREE=free,
            MANAGED=pulses.managed,
            SHORTENED=pulses.update_bl_management,
            ROWS=cuda_scan.ROWS,
            COLUMNS=cuda_scan.COLUMNS,
            num_warps=1,
            enable_fp_fusion=False,
        )
        found, slots = counters.tolist()
        if found <= room:
            return keys[:found].sort().values, slots, layout
        room = 2 * found


def apply(array: DeviceArray, keys: Tensor, layout: Layout) -> None:
    """Apply pulses, given by ascending keys, to an array."""
    device, constants = array.device, array.held_constants
    assert isinstance(device, PulsedDevice)
    if keys.numel() == 0:
        return
    response = cuda_apply.compiled(device.response)
    if response is None:
        events.apply(array, layout.decode(keys))
        return
    directions = (True, False)
    cuda_apply.apply[triton.cdiv(keys.numel(), cuda_apply.BLOCK),](
        keys,
        keys.numel(),
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
        (array.shape[1] + 3) // 4,
        array.shape[1],
        *layout,
        RESPONSE=response,
        BLOCK=cuda_apply.BLOCK,
        num_warps=1,
        enable_fp_fusion=False,
    )


def compose(composite: Tensor, arrays: Sequence[DeviceArray], gammas: Sequence[float], changes: Changes) -> None:
    """``composite = sum_k gamma_k W_k`` where arrays changed, or everywhere if that is not known; the same sum."""
    if any(array.changes is not changes for array in arrays):
        changes.follow(arrays)
    found = changes.collect()
    crosspoints, count = None, composite.numel()
    if found is not None:
        if not found:
            return
        crosspoints = torch.cat([torch.as_tensor(part) for part in found])
        count = crosspoints.numel()
    shown = [(array.weight, float(gamma)) for array, gamma in zip(arrays, gammas, strict=True) if gamma != 0]
    with torch.cuda.device_of(composite):
        cuda_apply.compose[triton.cdiv(count, cuda_apply.COMPOSE_BLOCK),](
            composite,
            tuple(weight for weight, _ in shown),
            tuple(gamma for _, gamma in shown),
            crosspoints,
            count,
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


def signed(key: int) -> int:
    """A 64-bit key as a signed number: Triton takes large unsigned ones for another type."""
    return key - (1 << 64) if key >> 63 else key


def low_word(counter: int) -> int:
    """The part of a counter that random numbers take, its 32 low bits, as a signed number."""
    return ((counter + (1 << 31)) & MASK32) - (1 << 31)


def floats(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
    """A number, or numbers, as Triton's float32 arguments: it takes whole numbers for another type."""
    return tuple(map(float, value)) if isinstance(value, tuple) else float(value)
