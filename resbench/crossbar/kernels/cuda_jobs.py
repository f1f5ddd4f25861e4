"""What an update asks of a GPU, as rows of a table (:mod:`~resbench.crossbar.kernels.cuda_table`)."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.kernels import cuda_apply, cuda_scales, cuda_scan
from resbench.crossbar.kernels.cuda_functions import pieces
from resbench.crossbar.kernels.cuda_table import Lines
from resbench.crossbar.kernels.together import TOGETHER
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import MASK32, Stream, signed
from resbench.crossbar.rows import MapRows, OneHotRows, PatchRows, Rows, ScaledRows
from resbench.errors import BadValue

#: Bytes of working memory for what is started together, and of the rows that wait for it; None takes a sixteenth of the
#: memory of the GPU. A mini-batch that may need more is pulsed in parts, a sample at least.
room: int | None = None
#: The same without a GPU.
ROOM = 1 << 28
#: The largest room. In more, samples, slots and words would not be counted by 31 bits, as kernels do.
MOST_ROOM = 1 << 33
#: Working memory of a tensor begins at a multiple of so many bytes.
ALIGNED = 16


class Trains(NamedTuple):
    """What the code that draws lines is compiled for."""

    free: bool
    managed: bool
    shortened: bool


class Form(NamedTuple):
    """What the code that pulses devices is compiled for, and numbers that all devices of a launch share."""

    response: Any
    constants: tuple[tuple[int, ...], tuple[int, ...]]
    scalars: tuple[tuple[float | tuple[float, ...], ...], ...]
    write_noise: float
    has_reference: bool
    is_routed: bool
    held: torch.dtype


class Busy(NamedTuple):
    """Which samples have values, where only the GPU knows it."""

    samples: Tensor  # int32 [n]
    only: bool  # whether the others have no number
    counts_always: bool  # whether it is an update even if none has values


@dataclass(frozen=True, eq=False)
class Pulsed:
    """An array of single devices that gets pulses, and the row ``Devices`` of the table without its first number."""

    array: DeviceArray
    form: Form
    numbers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Job:
    """The pulses of some samples.

    Args:
        lines: the row ``Lines`` of the table.
        bytes: size of its working memory.
        trains: what the code that draws lines is compiled for.
        pulsed: the arrays that get the pulses: one, or those of the elements of unit cells.
        tensors: tensors whose addresses are in the rows, x first.
    """

    lines: Lines
    bytes: int
    trains: Trains
    pulsed: list[Pulsed]
    tensors: list[Tensor]

    @property
    def kind(self) -> tuple[object, ...]:
        """Jobs of one kind can be started together."""
        return self.trains, *(each.form for each in self.pulsed)

    @property
    def device(self) -> torch.device:
        """The GPU."""
        return self.tensors[0].device

    @property
    def arrays(self) -> list[DeviceArray]:
        """The arrays that change."""
        return [each.array for each in self.pulsed]

    @property
    def memory_read(self) -> set[int]:
        """Memory that the pulses depend on."""
        return {memory_of(each) for each in self.tensors}

    @property
    def memory_changed(self) -> set[int]:
        """Memory that they change."""
        return {memory_of(array.memory) for array in self.arrays}

    @property
    def memory_held(self) -> dict[int, int]:
        """Memory that is kept until they are started, with its bytes."""
        return bytes_of(self.tensors)

    @property
    def programs(self) -> tuple[int, int, int, int]:
        """Programs that find scales, draw rows, draw columns, and pulse the devices of an array."""
        lines, parts = self.lines, pieces(self.lines.columns, cuda_scan.COLUMNS)
        row_parts = pieces(lines.size, cuda_scan.ROW_SAMPLES) * pieces(lines.rows, 4)
        return pieces(lines.size, cuda_scales.MAXIMA_SAMPLES), row_parts, lines.size * parts, lines.rows * parts


def memory_of(tensor: Tensor) -> int:
    """Where the memory of a tensor begins, which its views share."""
    return tensor.untyped_storage().data_ptr()


def bytes_of(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Where the memory of tensors begins, and its bytes."""
    storages = [each.untyped_storage() for each in tensors]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


def room_on(device: torch.device) -> int:
    """Bytes of working memory, and of rows that wait."""
    found = room
    if found is None:
        found = torch.cuda.get_device_properties(device).total_memory // 16 if device.type == "cuda" else ROOM
    return min(found, MOST_ROOM)


def jobs_of(
    array: DeviceArray,
    x: Rows,
    d: Rows,
    lr: float,
    pulses: PulseTrain,
    granularity: float,
    busy: Busy | None = None,
) -> Iterator[Job]:
    """The jobs of an update, which have to be done one after the other.

    The arguments are those of the reference kernel, and ``busy`` if only the GPU knows which samples have values.
    """
    rate, step, longest = np.float32(abs(lr)), np.float32(granularity), np.float32(pulses.desired_bl)
    free = not (pulses.fixed_bl or pulses.update_bl_management) and bool(step * longest < rate)
    length = int(max(np.ceil(rate / step), 1.0) if free else longest)
    samples, (rows, columns), device = x.shape[0], array.shape, array.memory.device
    words, most = pieces(length, 32), room_on(device)
    for_sample = length * (pieces(columns, 4) + 4 * pieces(columns, cuda_scan.COLUMNS)) + 4 * rows * (words + 1)
    if for_sample > most:
        raise BadValue("lr", lr, f"makes pulse trains of {length} slots, too long here; write backend: events")

    sides, tensors = sides_of(x, d, device)
    row_key, column_key, _, _ = keys_of(array.stream)
    parts = list(parts_of(array, samples))
    pulsed = [pulsed_by(part, routes) for part, routes in parts]
    tensors += [routes for _, routes in parts if routes is not None]
    size = min(samples, most // for_sample)
    for first in range(0, samples, size):
        count = min(size, samples - first)
        places, bytes_needed = working_memory(count, rows, columns, words, length, cuda_scan.COLUMNS)
        lines = Lines(
            first=first,
            size=count,
            rows=rows,
            columns=columns,
            words=words,
            longest=length,
            turned=int(lr < 0),
            rate=bits(rate),
            step=bits(step),
            desired=bits(longest),
            factor=bits(pulses.um_grad_scale),
            free_length=bits(length),
            row_key=row_key,
            column_key=column_key,
            update=low_word(array.known_updates),
            late=array.late_counts().data_ptr(),
            total=samples,
            busy=0 if busy is None else busy.samples.data_ptr(),
            only_busy=0 if busy is None else busy.only + 2 * busy.counts_always,
            **sides,
            **places,
        )
        trains = Trains(free, pulses.managed, pulses.update_bl_management)
        yield Job(lines, bytes_needed, trains, pulsed, tensors)


@functools.lru_cache(maxsize=1024)
def working_memory(
    size: int, rows: int, columns: int, words: int, longest: int, block: int
) -> tuple[dict[str, int], int]:
    """Where the tensors of working memory begin, and bytes of all of them; ``block`` columns have a program."""
    per_row, parts = pieces(size, 32), pieces(columns, block)
    sizes = {
        "numbers": 4 * size,
        "lengths": 4 * size,
        "x_scales": 4 * size,
        "d_scales": 4 * size,
        "fired": 4 * words * size,
        "row_words": 4 * rows * words * size,
        "active": 4 * rows * per_row,
        "falling": 4 * rows * per_row,
        "counts": 4 * size * longest * parts,
        "marks": size * longest * pieces(columns, 4),
    }
    ends = list(accumulate(ALIGNED * pieces(number, ALIGNED) for number in sizes.values()))
    return dict(zip(sizes, [0, *ends[:-1]], strict=True)), ends[-1]


def parts_of(array: DeviceArray, samples: int) -> Iterator[tuple[DeviceArray, Tensor | None]]:
    """The arrays of single devices that get the pulses of an array, and what each sample does to them.

    That is uint8 ``[2, samples]``: what a falling and a rising coincidence does, 0 nothing, 1 a pulse down, 2 a pulse
    up; None where they take what comes.
    """
    if isinstance(array.device, PulsedDevice):
        yield array, None
        return
    device = array.memory.device
    up = torch.arange(2, device=device).bool()[:, None].expand(2, samples)
    for part, chosen, rising in array.route(up, torch.arange(samples, device=device)):
        yield part, torch.where(chosen, 1 + rising.to(torch.uint8), 0).to(torch.uint8)


def pulsed_by(array: DeviceArray, routes: Tensor | None) -> Pulsed:
    """An array of single devices, and what the samples do to them."""
    device, constants = array.device, array.held_constants
    assert isinstance(device, PulsedDevice)
    held = [constants["w_min"], constants["w_max"], *([constants["reference"]] if "reference" in constants else [])]
    read = []
    for up in (True, False):
        directed = device.directed(constants, up)
        read.append(tuple(range(len(held), len(held) + len(directed))))
        held += directed
    form = Form(
        response=cuda_apply.compiled(device.response),
        constants=(read[0], read[1]),
        scalars=tuple(tuple(map(floats, device.pulse_scalars(up))) for up in (True, False)),
        write_noise=float(device.write_noise),
        has_reference="reference" in constants,
        is_routed=routes is not None,
        held=held[0].dtype,
    )
    _, _, noise_key, write_key = keys_of(array.stream)
    lower, rise = (0, 0) if routes is None else (routes[0].data_ptr(), routes[1].data_ptr())
    buffers = array.stored_memory, array.memory, array._buffers["pulses_up"], array._buffers["pulses_down"]
    addresses = [0 if each is None else each.data_ptr() for each in buffers]
    pairs = [number for each in held for number in (each.data_ptr(), int(each.numel() > 1))]
    return Pulsed(array, form, (low_word(array.known_updates), lower, rise, *addresses, noise_key, write_key, *pairs))


def sides_of(x: Rows, d: Rows, device: torch.device) -> tuple[dict[str, int], list[Tensor]]:
    """The numbers of a row ``Lines`` that say where x and d are, and the tensors that they name, x first."""
    factors = x_signs = d_signs = late_rate = None
    if isinstance(x, ScaledRows):
        factors, x_signs, late_rate, x = x.factors, x.signs, x.rate, x.rows
    if isinstance(d, ScaledRows):
        if d.factors is None:
            d_signs, d = d.signs, d.rows
        else:
            d = Rows(d.dense())
    positions = next((grid for grid in map(position_grid, (x, d)) if grid is not None), (x.shape[0], 1, 1))
    image, errors = image_of(x, positions), image_of(d, positions)
    kernel, stride, dilation = ((1, 1),) * 3
    if isinstance(x, PatchRows):
        kernel, stride, dilation = x.geometry[:2], x.geometry[2:4], x.geometry[4:6]
    patch = patch_of(x.shape[1], kernel, dilation, image.stride()[1:], device)
    numbers = {
        "late_rate": address_of(late_rate),
        "positions": positions[1] * positions[2],
        "width": positions[2],
        "x": 0 if isinstance(x, OneHotRows) else image.data_ptr(),
        "x_image": image.stride(0),
        "x_down": image.stride(2) * stride[0],
        "x_across": image.stride(3) * stride[1],
        "x_patch": patch.data_ptr(),
        "x_line": image.data_ptr() if isinstance(x, OneHotRows) else 0,
        "x_factors": address_of(factors),
        "x_signs": address_of(x_signs),
        "d": 0 if isinstance(d, OneHotRows) else errors.data_ptr(),
        "d_image": errors.stride(0),
        "d_down": errors.stride(2),
        "d_across": errors.stride(3),
        "d_row": errors.stride(1),
        "d_line": errors.data_ptr() if isinstance(d, OneHotRows) else 0,
        "d_signs": address_of(d_signs),
    }
    further = (each for each in (factors, x_signs, d_signs, late_rate) if each is not None)
    return numbers, [image, errors, patch, *further]


def address_of(tensor: Tensor | None) -> int:
    """Where a tensor is in memory; 0 for none."""
    return 0 if tensor is None else tensor.data_ptr()


def position_grid(rows: Rows) -> tuple[int, int, int] | None:
    """Images, height and width of the output positions that the rows of a convolution belong to."""
    if isinstance(rows, PatchRows):
        count, width = rows.source.shape[0], rows.geometry[6]
        return count, rows.shape[0] // count // width, width
    if isinstance(rows, MapRows):
        count, _, height, width = rows.source.shape
        return count, height, width
    return None


def image_of(rows: Rows, positions: tuple[int, int, int]) -> Tensor:
    """Rows as images ``[images, lines, height, width]``. Of one-hot rows, their lines.

    They are views, and nothing is laid out, unless the places in an image need more than 31 bits, as kernels have.
    """
    if isinstance(rows, OneHotRows):
        return rows.source.contiguous()[:, None, None, None]
    image: Tensor
    if isinstance(rows, (PatchRows, MapRows)):
        image = rows.source
    else:
        image = rows.dense().unflatten(0, positions).permute(0, 3, 1, 2)
    image = image.to(torch.float32)
    reach = sum((size - 1) * stride for size, stride in zip(image.shape[1:], image.stride()[1:], strict=True))
    if reach < 1 << 31:
        return image
    if TOGETHER.finish is not None:  # pulses that wait may change what is copied
        TOGETHER.finish()
    return image.contiguous()


@functools.lru_cache(maxsize=1024)
def patch_of(
    columns: int,
    kernel: tuple[int, int],
    dilation: tuple[int, int],
    strides: tuple[int, int, int],
    device: torch.device,
) -> Tensor:
    """Where each column is in the patch of an output position, int32 ``[columns]``; ``strides`` of an image."""
    column = np.arange(columns)
    channel, place = np.divmod(column, kernel[0] * kernel[1])
    down, across = np.divmod(place, kernel[1])
    places = channel * strides[0] + down * dilation[0] * strides[1] + across * dilation[1] * strides[2]
    return torch.from_numpy(places.astype(np.int32)).to(device)


@functools.lru_cache(maxsize=4096)
def keys_of(stream: Stream) -> tuple[int, int, int, int]:
    """Keys of the row bits, the column bits, the cycle-to-cycle noise and the write noise of an array."""
    rows, columns, noise, write = (
        signed(stream.child(name).key) for name in ("rows", "columns", "cycle noise", "pulse write noise")
    )
    return rows, columns, noise, write


def low_word(counter: int) -> int:
    """The part of a counter that random numbers take, its 32 low bits, as a signed number."""
    return ((counter + (1 << 31)) & MASK32) - (1 << 31)


def bits(value: float | np.floating[Any]) -> int:
    """The bits of a float32."""
    return int(np.float32(value).view(np.int32))


def double_bits(value: float) -> int:
    """The bits of a float64."""
    return int(np.float64(value).view(np.int64))


def floats(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
    """Numbers as floats, because Triton gives whole numbers another type than float32."""
    return tuple(map(float, value)) if isinstance(value, tuple) else float(value)
