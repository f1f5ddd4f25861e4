"""The peer in a process of its own, asked for one measurement at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from benchmarks.loop import Timing
from benchmarks.worker import Worker
from resbench.training.process import KEPT, MAPPED


class PeerProcess(Worker):
    """``benchmarks.peer`` under another interpreter.

    Args:
        python: interpreter of an environment with aihwkit.
        setup: the first request; ``threads`` and ``cases`` are read here too.

    Attributes:
        cases: those that both sides know.

    Raises:
        RuntimeError: if the process ends early; its own message is on standard error.
    """

    def __init__(self, python: str, setup: dict[str, Any]) -> None:
        environment = {
            **os.environ,
            # The peer and its torch bring an OpenMP library each; only the environment reaches both.
            "OMP_NUM_THREADS": str(setup["threads"]),
            # As on our side.
            "MALLOC_TRIM_THRESHOLD_": str(KEPT),
            "MALLOC_MMAP_THRESHOLD_": str(MAPPED),
        }
        super().__init__([python, "-m", "benchmarks.peer"], environment, "--peer")
        self.torch, self.cases = self.ask(setup).values()

    def runner(self, case: str, batch: int) -> Callable[[int], Timing]:
        """A function that runs iterations of a case there."""
        return lambda iterations: Timing(**self.ask({"case": case, "batch": batch, "iterations": iterations}))

    def update(self, large: dict[str, Any]) -> Timing:
        """Update a large array there."""
        return Timing(**self.ask({"update": large}))
