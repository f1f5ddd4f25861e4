"""Launches on a GPU, each for many arrays: which jobs share one, and the table that tells the kernels about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import torch
import triton.language as tl
from torch import Tensor

from resbench.crossbar.kernels import cuda_apply, cuda_follow, cuda_scales, cuda_scan, cuda_sift
from resbench.crossbar.kernels.cuda_buffers import Sifting
from resbench.crossbar.kernels.cuda_functions import pieces
from resbench.crossbar.kernels.cuda_jobs import Job, address_of, bits, room_on
from resbench.crossbar.kernels.cuda_rates import Following
from resbench.crossbar.kernels.cuda_table import WORKING

#: Registers that a thread of ``replay`` may have: fewer, as NVIDIA's assembler chooses by itself, would be spilled.
REGISTERS = {} if torch.version.hip else {"maxnreg": 200}
HELD = {torch.float32: tl.float32, torch.float16: tl.float16}
#: What waits to be started, beside composite weights.
Task = Job | Sifting | Following


@dataclass(frozen=True, eq=False)
class Sum:
    """A composite weight, and the weights and shares of which it is the sum."""

    composite: Tensor
    terms: list[tuple[Tensor, float]]
    signs: tuple[Tensor, Tensor] | None = None  # of rows and columns, factors on all but the last


class Launch(NamedTuple):
    """A kernel, the number of its programs, what it takes after the table, and what it is compiled for."""

    kernel: Any
    programs: int
    arguments: tuple[Any, ...]
    options: dict[str, Any]


class Table:
    """The table of some launches while it is written."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def add(self, numbers: Iterable[int]) -> int:
        """Add numbers; returns their place."""
        place = len(self.numbers)
        self.numbers.extend(numbers)
        return place

    def add_starts(self, programs: Sequence[int]) -> int:
        """Add the numbers of the first programs of some rows, where so many belong to each."""
        return self.add(accumulate(programs[:-1], initial=0))

    def sent_to(self, device: torch.device) -> Tensor:
        """The table on a GPU. The host does not wait until it is there."""
        here = torch.empty(len(self.numbers), dtype=torch.int64, pin_memory=device.type == "cuda")
        here.numpy()[:] = self.numbers
        return torch.empty_like(here, device=device).copy_(here, non_blocking=True)


class Work:
    """Jobs and composite weights that one GPU computes.

    Args:
        jobs: the jobs with their turns. A job may depend on those of earlier turns.
        sums: composite weights, which depend on the jobs.
        device: the GPU.

    Attributes:
        launches: the launches, in order.
    """

    def __init__(self, jobs: Sequence[tuple[int, Task]], sums: Sequence[Sum], device: torch.device) -> None:
        table, groups = Table(), list(grouped(jobs, room_on(device)))
        needed = max((sum(job.bytes for job in group) for group in groups), default=0)
        self._memory = torch.empty(needed, dtype=torch.uint8, device=device)
        self.launches: list[Launch] = []
        for group in groups:
            pulses = [job for job in group if isinstance(job, Job)]
            self.launches += pulsing(pulses, table, self._memory.data_ptr()) if pulses else others(group, table)
        for form in sorted({form_of(each) for each in sums}):
            self.launches.append(summing([each for each in sums if form_of(each) == form], table))
        self._table = table.sent_to(device)

    def start(self) -> None:
        """Start the kernels."""
        with torch.cuda.device_of(self._table):
            for kernel, programs, arguments, options in self.launches:
                kernel[programs,](self._table, *arguments, **options, enable_fp_fusion=False)


def grouped(jobs: Sequence[tuple[int, Task]], room: int) -> Iterator[list[Task]]:
    """Jobs that are started together: of one turn and one kind, and of ``room`` bytes at most if they are several."""
    kinds: dict[tuple[int, object], list[Task]] = {}
    for turn, job in jobs:
        kinds.setdefault((turn, job.kind), []).append(job)
    for _, alike in sorted(kinds.items(), key=lambda item: item[0][0]):
        group: list[Task] = []
        taken = 0
        for job in alike:
            if group and taken + job.bytes > room:
                yield group
                group, taken = [], 0
            group.append(job)
            taken += job.bytes
        yield group


def pulsing(group: Sequence[Job], table: Table, memory: int) -> Iterator[Launch]:
    """The launches of jobs of one kind; ``memory`` is the address of their working memory."""
    begins = accumulate((job.bytes for job in group), initial=memory)
    rows = [working(job, begin) for job, begin in zip(group, begins, strict=False)]
    lines = table.add(number for row in rows for number in row)
    programs = list(zip(*(job.programs for job in group), strict=True))
    starts = [table.add_starts(each) for each in programs]
    count, trains = len(group), group[0].trains
    yield Launch(
        cuda_scales.scales,
        sum(programs[0]),
        (lines, starts[0], count),
        {
            "FREE": trains.free,
            "MANAGED": trains.managed,
            "SHORTENED": trains.shortened,
            "MAXIMA_SAMPLES": cuda_scales.MAXIMA_SAMPLES,
            "MAXIMA_LINES": cuda_scales.MAXIMA_LINES,
        },
    )
    options: dict[str, Any] = {"ROW_SAMPLES": cuda_scan.ROW_SAMPLES}
    yield Launch(cuda_scan.draw_rows, sum(programs[1]), (lines, starts[1], count), options)
    options = {"COLUMNS": cuda_scan.COLUMNS, "num_warps": 1}
    yield Launch(cuda_scan.draw_columns, sum(programs[2]), (lines, starts[2], count), options)
    for alike in zip(*(job.pulsed for job in group), strict=True):
        form, fields = alike[0].form, 1 + len(alike[0].numbers)
        devices = table.add(number for nth, each in enumerate(alike) for number in (nth, *each.numbers))
        yield Launch(
            cuda_apply.replay,
            sum(programs[3]),
            (devices, lines, starts[3], count, fields, form.constants, form.scalars, form.write_noise),
            {
                "RESPONSE": form.response,
                "REFERENCE": form.has_reference,
                "VISIBLE": form.write_noise > 0,
                "ROUTED": form.is_routed,
                "HELD": HELD[form.held],
                "COLUMNS": cuda_scan.COLUMNS,
                "num_warps": 1,
                **REGISTERS,
            },
        )


def others(group: Sequence[Task], table: Table) -> Iterator[Launch]:
    """The launches of jobs of one kind that pulse nothing."""
    rates = [job for job in group if isinstance(job, Following)]
    yield from followed(rates, table) if rates else sifted([job for job in group if isinstance(job, Sifting)], table)


def followed(alike: Sequence[Following], table: Table) -> Iterator[Launch]:
    """The launches of rates that follow the samples."""
    lines = table.add(number for job in alike for number in job.lines)
    place = table.add(number for nth, job in enumerate(alike) for number in (nth, *job.numbers))
    programs = [job.programs for job in alike]
    sizes = {"MAXIMA_SAMPLES": cuda_scales.MAXIMA_SAMPLES, "MAXIMA_LINES": cuda_scales.MAXIMA_LINES}
    yield Launch(cuda_follow.maxima, sum(programs), (place, lines, table.add_starts(programs), len(alike)), sizes)
    options = {"RATE_SAMPLES": cuda_follow.RATE_SAMPLES, "num_warps": 1}
    yield Launch(cuda_follow.follow, len(alike), (place,), options)


def sifted(alike: Sequence[Sifting], table: Table) -> Iterator[Launch]:
    """The launch of buffers of one kind."""
    place = table.add(number for job in alike for number in job.numbers)
    programs = [job.lines.numel() for job in alike]
    sizes = {"SIFT_BLOCK": cuda_sift.SIFT_BLOCK, "num_warps": 1}
    average = alike[0].average
    options = {
        "FORGET": alike[0].forget,
        "CHOPPED": bool(alike[0].kept),
        "AVERAGED": average is not None,
        "DIFFERS": average is not None and average.passes_difference,
        **sizes,
    }
    yield Launch(cuda_sift.sift, sum(programs), (place, table.add_starts(programs), len(alike)), options)


def working(job: Job, begin: int) -> list[int]:
    """The row ``Lines`` of a job whose working memory begins at an address."""
    row = list(job.lines)
    row[WORKING] = [begin + place for place in row[WORKING]]
    return row


def form_of(each: Sum) -> tuple[int, bool]:
    """What the code that computes a composite weight is compiled for."""
    return len(each.terms), each.signs is not None


def summing(sums: Sequence[Sum], table: Table) -> Launch:
    """The launch of composite weights of one form."""
    rows = (
        [each.composite.data_ptr(), each.composite.numel(), each.composite.shape[1]]
        + [address_of(side) for side in each.signs or (None, None)]
        + [number for weight, share in each.terms for number in (weight.data_ptr(), bits(share))]
        for each in sums
    )
    place = table.add(number for row in rows for number in row)
    programs = [pieces(each.composite.numel(), cuda_apply.COMPOSE_BLOCK) for each in sums]
    arrays, is_signed = form_of(sums[0])
    options = {"ARRAYS": arrays, "SIGNED": is_signed, "BLOCK": cuda_apply.COMPOSE_BLOCK}
    return Launch(cuda_apply.compose, sum(programs), (place, table.add_starts(programs), len(sums)), options)
