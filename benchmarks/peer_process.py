"""The peer in a process of its own, asked for one measurement at a time."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.loop import Timing
from resbench.training.process import KEPT, MAPPED

REPOSITORY = Path(__file__).resolve().parent.parent


class PeerProcess:
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
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.peer"],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.torch, self.cases = self._ask(setup).values()

    def runner(self, case: str, batch: int) -> Callable[[int], Timing]:
        """A function that runs iterations of a case there."""
        return lambda iterations: Timing(**self._ask({"case": case, "batch": batch, "iterations": iterations}))

    def update(self, large: dict[str, Any]) -> Timing:
        """Update a large array there."""
        return Timing(**self._ask({"update": large}))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the reason shows below
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"--peer: the process ended with status {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
