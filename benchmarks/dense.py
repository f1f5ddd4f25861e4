"""Many pulses a crosspoint: the list of events against a dense form, which visits every crosspoint of a row that fired.

Both apply the same pulses, which are found once; only the applying is timed, since the finding is shared.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numba import njit

from benchmarks import report
from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.kernels import cpu
from resbench.crossbar.kernels.apply import apply
from resbench.crossbar.kernels.philox import LOW, gaussian, philox, uniforms
from resbench.crossbar.kernels.scan import NO_STOP, Sides, Train, scan
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.tile import Tile

BATCH = 32
#: Largest products in units of what one pulse train can carry; beyond 1 the trains are full.
STRENGTHS = (0.01, 0.1, 0.3, 1.0)


@dataclass
class Case:
    """One size and strength.

    Args:
        size: rows and columns.
        noisy: whether pulses have cycle-to-cycle noise.
        pulses: pulses for each crosspoint in the mini-batch.
        share: of the crosspoints of a row that fired, how many got a pulse.
        events: nanoseconds for each pulse by the list of events.
        dense: nanoseconds for each pulse by the dense form.
    """

    size: int
    noisy: bool
    pulses: float
    share: float
    events: list[float] = field(default_factory=list)
    dense: list[float] = field(default_factory=list)


@njit(error_model="numpy", nogil=True)
def apply_dense(visits, columns, order, n, update, key, up, down, bounds, sigma, weight, counts):
    """Soft-bounds pulses, row by row; along a row every crosspoint is computed, and kept where there is a pulse.

    Noise is drawn for the pulses only, and spread over the row.
    """
    hit, noise = np.zeros(n, np.float32), np.zeros(n, np.float32)
    drawn, turns = np.zeros(n, np.float32), np.zeros(n, np.float32)
    one, none = np.int32(1), np.int32(0)
    for position in range(order.size):
        line, slot, sample, first, stop = visits[order[position]]
        start, found = (line >> 1) * n, columns[first:stop]
        if sigma > 0:
            for c in range(found.size):
                cell = np.uint64(start + (found[c] >> 1)) & LOW
                w0, w1, _, _ = philox(key, cell, np.uint64(slot), np.uint64(sample), np.uint64(update))
                drawn[c], turns[c] = uniforms(w0, w1)
            for c in range(found.size):
                drawn[c] = gaussian(drawn[c], turns[c])
        hit[:] = 0
        for c in range(found.size):
            noise[found[c] >> 1] = drawn[c]
            hit[found[c] >> 1] = np.float32(2 * ((found[c] ^ line) & 1) - 1)
        row, rising, falling = weight[start:], counts[0][start:], counts[1][start:]
        step_up, slope_up, step_down, slope_down = up[0][start:], up[1][start:], down[0][start:], down[1][start:]
        low, high = bounds[0][start:], bounds[1][start:]
        for j in range(n):
            step, slope = (step_up[j], slope_up[j]) if hit[j] > 0 else (step_down[j], slope_down[j])
            change = hit[j] * (step + slope * row[j]) * (np.float32(1.0) + sigma * noise[j])
            row[j] = min(max(row[j] + change, low[j]), high[j]) if hit[j] != 0 else row[j]
            rising[j] += one if hit[j] > 0 else none
            falling[j] += one if hit[j] < 0 else none


class Crowd:
    """The pulses of one mini-batch at many a crosspoint, and two ways to apply them.

    Args:
        size: rows and columns.
        sigma: cycle-to-cycle noise, relative to the step.
        strength: largest products in units of what one pulse train can carry.
    """

    def __init__(self, size: int, sigma: float, strength: float) -> None:
        draw = torch.Generator().manual_seed(0)
        device, pulses = SoftBounds(states=100, dw_min_std=sigma), PulseTrain(update_bl_management=False)
        self.sigma = sigma
        self.tile = Tile(device, (size, size), Stream.from_seed(0))
        views = self.tile.numpy_views()
        assert views.devices is not None
        self.devices = views.devices
        x, d = (torch.randn(BATCH, size, generator=draw) for _ in range(2))
        largest = float(x.abs().amax(1).mean() * d.abs().amax(1).mean())
        longest = float(pulses.desired_bl)
        sides = Sides(
            np.ascontiguousarray(x.numpy())[:, :, None, None], np.ascontiguousarray(d.numpy().T)[None], cpu.ALL_ONE
        )
        train = Train(
            geometry=cpu.POINT,
            row_key=views.row_key,
            column_key=views.column_key,
            update=0,
            rising=False,
            rate=strength * longest * device.granularity / largest,
            step=device.granularity,
            longest=longest,
            d_factor=1.0,
            adaptive=False,
            managed=True,
            shortened=False,
        )
        self.visits, self.columns, _, _ = scan(sides, train, 0, NO_STOP, NO_STOP)
        self.count = int((self.visits[:, 4] - self.visits[:, 3]).sum())
        self.case = Case(size, sigma > 0, self.count / size**2, self.count / max(len(self.visits) * size, 1))
        self.order = np.argsort(self.visits[:, 0] >> 1, kind="stable")
        constants = self.tile.constants
        groups = *(device.directed(constants, up) for up in (True, False)), (constants["w_min"], constants["w_max"])
        self.constants = [
            tuple(values.expand(self.tile.shape).numpy().reshape(-1) for values in group) for group in groups
        ]

    def by_events(self) -> None:
        """Apply them as the list of events, with the kernel of the library."""
        apply(self.visits, self.columns, self.case.size, (0, self.case.size), 0, self.devices)

    def by_rows(self) -> None:
        """Apply them to every crosspoint of the rows that fired."""
        key, sigma = np.uint64(self.tile.stream.child("cycle noise").key), np.float32(self.sigma)
        weight, *counts = (
            values.numpy().reshape(-1) for values in (self.tile.weight, self.tile.pulses_up, self.tile.pulses_down)
        )
        pulses = self.visits, self.columns, self.order
        arguments = *pulses, self.case.size, 0, key, *self.constants, sigma, weight, tuple(counts)
        apply_dense(*arguments)

    def timed(self, work: Callable[[], None]) -> float:
        """Nanoseconds for each pulse."""
        before = time.process_time()
        work()
        return 1e9 * (time.process_time() - before) / max(self.count, 1)


def measure(sizes: Sequence[int], rounds: int) -> list[Case]:
    """All cases in turn, ``rounds`` times after one to warm up."""
    crowds = [Crowd(size, sigma, strength) for size in sizes for sigma in (0.0, 0.3) for strength in STRENGTHS]
    for number in range(rounds + 1):
        for crowd in crowds:
            times = crowd.timed(crowd.by_events), crowd.timed(crowd.by_rows)
            if number > 0:
                crowd.case.events.append(times[0])
                crowd.case.dense.append(times[1])
    return [crowd.case for crowd in crowds]


def table(cases: Sequence[Case]) -> str:
    """The cases as text."""
    rows: list[Sequence[str]] = [
        ("size", "cycle noise", "pulses / crosspoint", "hit share", "events ns / pulse", "dense ns / pulse", "ratio")
    ]
    for case in cases:
        events, dense = report.quartiles(case.events)[1], report.quartiles(case.dense)[1]
        rows.append(
            (
                str(case.size),
                "yes" if case.noisy else "no",
                f"{case.pulses:.3g}",
                f"{case.share:.1%}",
                f"{events:.1f}",
                f"{dense:.1f}",
                f"{dense / events:.2f}",
            )
        )
    return report.table(rows)
