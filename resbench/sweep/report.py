"""Prints the state of a sweep: how many runs are complete, how long the others take, and how to continue."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence

from resbench.records.schema import UNKNOWN_COMMIT
from resbench.records.text import counted, duration, one_line
from resbench.sweep.estimate import Estimate
from resbench.sweep.job import Job, State


def counts(states: Iterable[State], judged: bool = False) -> str:
    """Counts of the runs by status: "30 runs: 12 done, 1 failed, 17 left".

    Args:
        states: states of the runs.
        judged: whether a run that diverged has a result too, as in a tuning. It is counted apart then.
    """
    states = list(states)
    done, failed = sum(state.done for state in states), sum(state.failed for state in states)
    running = sum(state.status == "running" for state in states)
    diverged = sum(state.status == "diverged" for state in states) if judged else 0
    parts = {"done": done, "diverged": diverged, "failed": failed - diverged, "in progress": running}
    parts["left"] = len(states) - done - failed - running
    words = [f"{count} {word}" for word, count in parts.items() if count or word in ("done", "left")]
    return f"{counted(len(states), 'run')}: {', '.join(words)}"


def show_plan(
    states: Mapping[Job, State], left: Sequence[Job], estimate: Estimate, workers: int | None, judged: bool = False
) -> None:
    """Print a line for each run, then the counts and the time left."""
    width = max(len(job.cell.name) for job in states)
    for job, state in states.items():
        error = f": {one_line(state.error)}" if state.error else ""
        print(f"{job.folder.complete.name}  {job.cell.name:<{width}}  seed {job.cell.seed:<3}  {state.status}{error}")
    print(counts(states.values(), judged))
    if left:
        print(_time(estimate.total(left), min(workers or 1, len(left))))


def _time(seconds: float, workers: int) -> str:
    if not math.isfinite(seconds):
        return "time left: unknown until a run is complete"
    many = f"{workers} runs at a time" if workers > 1 else "one run at a time"
    return f"time left: about {duration(seconds / workers)} of training, {many}"


def note_changes() -> None:
    """Say before the runs that `submit` will refuse them, if nobody could tell from their records which code ran."""
    from resbench.training.record import CHECKOUT, git_state

    state = git_state(CHECKOUT)
    if state is None or not state.dirty:
        return
    if state.commit == UNKNOWN_COMMIT:
        what, hint = "could not be read by git", "see what `git status` says there"
    else:
        what, hint = "has uncommitted changes", "commit first if you want to submit it"
    refused = f"so `resbench submit` will refuse what runs now; {hint}"
    print(f"note: {one_line(str(CHECKOUT))} {what}, {refused}", file=sys.stderr, flush=True)


def conclude(states: Iterable[State]) -> int:
    """Print how many runs are not complete and how to continue. Return 0 if all are complete, else 1."""
    states = list(states)
    failed = sum(state.failed for state in states)
    if failed:
        print(f"{failed} of {counted(len(states), 'run')} failed; --retry runs them again", file=sys.stderr)
    if left := sum(not state.done and not state.failed for state in states):
        some = f"{left} of {counted(len(states), 'run')} {'is' if left == 1 else 'are'} left"
        print(f"{some}; the same command goes on with them", file=sys.stderr)
    return 0 if all(state.done for state in states) else 1
