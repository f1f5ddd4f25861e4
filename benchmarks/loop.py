"""Iterations of plain training on a few mini-batches, timed; needs torch alone, so aihwkit's process runs it too."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from resbench.networks import MLP, LeNet5

LR = 0.05


@dataclass(frozen=True)
class Case:
    """A training that is measured, written as ``AnalogSGD`` or ``perceptron TikiTakaV2, noisy, per vector``.

    Args:
        is_perceptron: whether the network is a perceptron 64-64-10, else LeNet-5.
        algorithm: name of the class; ``DigitalSGD`` is plain torch.
        is_noisy: whether there are converters and noise in both directions, else they are perfect.
        is_per_vector: whether periods of transfers count vectors, else mini-batches.
    """

    is_perceptron: bool
    algorithm: str
    is_noisy: bool
    is_per_vector: bool

    @classmethod
    def of(cls, name: str) -> Case:
        """The case of a name."""
        found = re.fullmatch(r"(perceptron )?(\w+)(, noisy)?(, per vector)?", name)
        assert found, name
        return cls(found[1] is not None, found[2], found[3] is not None, found[4] is not None)

    @property
    def floor(self) -> str:
        """Name of the digital training of the same network."""
        return f"{'perceptron ' if self.is_perceptron else ''}DigitalSGD"

    def network(self) -> nn.Module:
        """The digital network, always with the same weights."""
        torch.manual_seed(0)
        return MLP(64) if self.is_perceptron else LeNet5()

    def inputs(self, images: Tensor) -> Tensor:
        """Its inputs: images ``[n, 1, 28, 28]``, or every third pixel of their middle, ``[n, 64]``."""
        return images[:, 0, 2:26:3, 2:26:3].flatten(1) if self.is_perceptron else images


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
