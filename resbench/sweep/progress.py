"""Shows the progress of a sweep: a line for each run that ends, and on a terminal a bar for all runs."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from resbench.records.text import duration, one_line
from resbench.sweep.estimate import Estimate
from resbench.sweep.executor import Executor
from resbench.sweep.job import Job, State


class SweepProgress:
    """Executes jobs of a sweep and shows the progress of the whole sweep.

    Args:
        states: all runs of the sweep and their states, which are updated as runs end.
        estimate: expected seconds of each run.
    """

    def __init__(self, states: dict[Job, State], estimate: Estimate) -> None:
        self.states = states
        self._estimate = estimate
        self._console = Console()
        self._running: dict[Job, float] = {}
        self._waiting: list[Job] = []

    def run(self, jobs: Sequence[Job], executor: Executor) -> None:
        """Execute jobs.

        Raises:
            KeyboardInterrupt: when interrupted, after they have ended.
        """
        self._waiting = list(jobs)
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("elapsed"), TimeElapsedColumn(), TextColumn("left"), _TimeLeft(self),
        )  # fmt: skip
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as progress:
            bar = progress.add_task("", total=len(self.states))

            def show() -> None:
                done, failed = (
                    sum(getattr(state, kind) for state in self.states.values()) for kind in ("done", "failed")
                )
                words = [f"{done} done", f"{len(self._running)} running", f"[red]{failed} failed[/]" if failed else ""]
                progress.update(bar, completed=done + failed, description=", ".join(filter(None, words)))

            def started(job: Job) -> None:
                self._running[job] = time.monotonic()
                if job in self._waiting:  # a job that is started again is not there
                    self._waiting.remove(job)
                show()

            def ended(job: Job) -> None:
                self._running.pop(job, None)
                if job in self._waiting:  # it never started
                    self._waiting.remove(job)
                state = self.states[job] = job.state()
                self._estimate.add(job, state)
                show()
                self._console.print(_line(job, state), highlight=False, soft_wrap=True, markup=False)

            for job in jobs:
                if self.states[job].failed:
                    self.states[job] = State("open")  # it is run again
            show()
            executor.execute(jobs, started, ended)

    def seconds_left(self) -> float:
        """Seconds until the last run ends, with as many runs at a time as now; NaN while they are unknown."""
        now = time.monotonic()
        left = [max(self._estimate.seconds(job) - (now - begun), 0) for job, begun in self._running.items()]
        together = sum(left) + self._estimate.total(self._waiting)
        return max([together / max(len(left), 1), *left]) if left or self._waiting else 0.0


class _TimeLeft(ProgressColumn):
    """The estimate in words."""

    def __init__(self, sweep: SweepProgress) -> None:
        self._sweep = sweep
        super().__init__()

    def render(self, task: Task) -> Text:
        """Called by Rich."""
        seconds = self._sweep.seconds_left()
        return Text(duration(seconds) if math.isfinite(seconds) else "unknown", style="progress.remaining")


def _line(job: Job, state: State) -> str:
    """The result of a run in one line."""
    name = f"{job.cell.name} seed {job.cell.seed}"
    if state.done and state.record is not None:
        final = state.record.final
        shown = [key for key in final if key.startswith("test/")] or [key for key in final if key.startswith("val/")]
        metrics = " ".join(f"{key} {final[key]:.4f}" for key in shown)
        return f"{name}: {metrics} ({state.record.wall_time_s:.1f} s)"
    if state.status == "running":
        return f"{name}: in progress in another process"
    reason = state.error or (state.record.error if state.record else None) or job.last_line()
    return f"{name}: {state.status}: {one_line(reason)}; log: {job.log}"
