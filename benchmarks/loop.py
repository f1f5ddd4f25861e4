"""Iterations of plain training on a few mini-batches, timed; needs torch alone, so the peer's process runs it too."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

LR = 0.05


@dataclass(frozen=True)
class Timing:
    """Seconds of one iteration, means over those of one request.

    Args:
        cpu: CPU time of the process, all threads together.
        wall: wall time.
        step: CPU time of ``optimizer.step()`` in it.
    """

    cpu: float
    wall: float
    step: float


class Loop:
    """A network in training: forward, cross entropy, backward, step.

    Args:
        network: with its parameters.
        optimizer: of these parameters.
        images: all images, float32 ``[n, ...]``.
        targets: int64 ``[n]``.
        batch: images in a mini-batch; the mini-batches take turns.
    """

    def __init__(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, targets: Tensor, batch: int
    ) -> None:
        self.network, self.optimizer = network, optimizer
        pairs = list(zip(images.split(batch), targets.split(batch), strict=True))
        self.batches: Iterator[tuple[Tensor, Tensor]] = itertools.cycle(pairs)

    def run(self, iterations: int) -> Timing:
        """Train and time; two iterations more come first, which only warm up."""
        self._train(2)
        wall, cpu = time.perf_counter(), time.process_time()
        step = self._train(iterations)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return Timing(cpu / iterations, wall / iterations, step / iterations)

    def _train(self, iterations: int) -> float:
        """Train; returns the CPU seconds of the steps."""
        step = 0.0
        for images, targets in itertools.islice(self.batches, iterations):
            self.optimizer.zero_grad()
            cross_entropy(self.network(images), targets).backward()
            before = time.process_time()
            self.optimizer.step()
            step += time.process_time() - before
        return step
