"""The pulsed update on the GPU, in Triton: draw the lines that fire, then replay the pulses of each device in order.

All decisions are made on the GPU, so the host never waits for it. A program owns some columns of a row, and pulses no
device of another program: no order of programs can be seen in the result.

Within :data:`~resbench.crossbar.kernels.together.TOGETHER`, updates wait. At its end all layers of a model are started
together. An update that reads what another one changes, as a transfer between two tiles does, is started after it. They
are started before the end if their rows take too much memory: where a mini-batch is cut for transfers, each piece of a
convolution has patches of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.changes import Changes
from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.devices.unit_cells import UnitCell
from resbench.crossbar.kernels import cuda_apply
from resbench.crossbar.kernels.cuda_buffers import sifting
from resbench.crossbar.kernels.cuda_jobs import Busy, jobs_of, room_on
from resbench.crossbar.kernels.cuda_launch import Sum, Task, Work
from resbench.crossbar.kernels.cuda_rates import following
from resbench.crossbar.kernels.sifted import SiftedWrite
from resbench.crossbar.kernels.together import TOGETHER
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import OneHotRows, Rows


def is_covered(array: DeviceArray) -> bool:
    """Whether the responses of all devices of an array can be compiled."""
    device = array.device
    elements = device.elements if isinstance(device, UnitCell) else (device,)
    return all(isinstance(e, PulsedDevice) and cuda_apply.compiled(e.response) is not None for e in elements)


def update(array: DeviceArray, x: Rows, d: Rows, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Pulse an array with the samples of a mini-batch, in place; arguments as in the reference kernel."""
    array.touch(None)
    for job in jobs_of(array, x, d, lr, pulses, granularity):
        queue.add(array, job)
    queue.start()


def write_sifted(array: DeviceArray, write: SiftedWrite) -> None:
    """Write whole pulses out of a buffer."""
    array.touch(None)
    by_column = write.axis == "column"
    sift, whole, busy = sifting(write)
    queue.add(array, sift)
    if write.chop is None or write.chop.is_open:
        driven = OneHotRows(write.lines, array.shape[by_column], torch.float32)
        x, d = (driven, Rows(whole)) if by_column else (Rows(whole), driven)
        late = None if write.is_certain else Busy(busy, write.only_busy, write.average is not None)
        for job in jobs_of(array, x, d, -write.lr, write.pulses, array.granularity, late):
            queue.add(array, job)
    queue.start()


def follow_rates(array: DeviceArray, x: Rows, d: Rows, means: Tensor, tau: float, numerator: float) -> Tensor:
    """Factors on x that let the rate of an update follow the samples."""
    job, factors = following(x, d, means, tau, numerator)
    queue.add(array, job)
    queue.start()
    return factors


def compose(composite: Tensor, arrays: Sequence[DeviceArray], gammas: Sequence[float], changes: Changes) -> None:
    """``composite = sum_k gamma_k W_k`` in place, unless no array changed."""
    if any(array.changes is not changes for array in arrays):
        changes.follow(arrays)
    if changes.collect() != []:
        add_up(composite, [(array.memory, gamma) for array, gamma in zip(arrays, gammas, strict=True)])


def add_up(
    composite: Tensor, terms: Sequence[tuple[Tensor, float]], signs: tuple[Tensor, Tensor] | None = None
) -> None:
    """``composite = sum_k share_k S_k * W_k`` in place; S_k are signs, see :func:`resbench.crossbar.kernels.add_up`."""
    shown = [(weight, float(share)) for weight, share in terms if share != 0]
    queue.sums.append(Sum(composite, shown, signs))
    queue.start()


class Queue:
    """Work that waits until it is started together."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all of it."""
        self.arrays: set[DeviceArray] = set()
        self.jobs: list[tuple[int, Task]] = []  # with turns: a job may depend on those of earlier turns
        self.sums: list[Sum] = []
        self.held = 0  # bytes of rows that may be in memory for these jobs alone
        self._read: dict[int, int] = {}  # the last turn in which some memory is read
        self._changed: dict[int, int] = {}  # and that in which it is changed

    def add(self, array: DeviceArray, job: Task) -> None:
        """Add a job of an update. If the rows of those that wait take too much memory, all are started."""
        read, changed = job.memory_read, job.memory_changed
        turns = [self._changed.get(memory, -1) for memory in read | changed]
        turn = 1 + max(turns + [self._read.get(memory, -1) for memory in changed])
        self.held += sum(
            size for memory, size in job.memory_held.items() if memory not in self._read and memory not in self._changed
        )
        self._changed |= dict.fromkeys(changed, turn)
        self._read |= {memory: max(turn, self._read.get(memory, -1)) for memory in read}
        self.jobs.append((turn, job))
        for changing in (array, *job.arrays):
            changing.finish = self.finish
            self.arrays.add(changing)
        if self.held > room_on(job.device):
            self.finish()

    def start(self) -> None:
        """Start the work, or let it wait for the end of a step."""
        if TOGETHER.is_on:
            TOGETHER.finish = self.finish
        else:
            self.finish()

    def finish(self) -> None:
        """Start all work now."""
        for array in self.arrays:
            array.finish = None
        TOGETHER.finish = None
        jobs, sums = self.jobs, self.sums
        self.clear()
        for device in {job.device for _, job in jobs} | {each.composite.device for each in sums}:
            there = [(turn, job) for turn, job in jobs if job.device == device]
            Work(there, [each for each in sums if each.composite.device == device], device).start()


queue = Queue()
