"""A process that measures on request: a line of JSON for each request, and a line of JSON for each answer."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent


def tail(said: str | bytes | None, characters: int) -> str:
    """The last characters of what a process said, which is in bytes or nothing if it was ended."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said or ""
    return text[-characters:]


class Worker:
    """A process that is asked for one measurement at a time.

    Args:
        command: the program and its arguments.
        environment: environment variables; None for those of this process.
        name: what messages call the process.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, name: str = "worker"
    ) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=dict(os.environ if environment is None else environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            RuntimeError: if the process has ended; its own message is on standard error.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the reason shows below
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the process ended with status {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            self.process.stdin.close()
        self.process.wait()
