"""Estimates how long the rest of a sweep takes, from complete runs and from short trials."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from resbench.records.schema import Record, record_or_none
from resbench.sweep.executor import Executor
from resbench.sweep.job import LOGS, Job, State

#: Flags that turn a run into a trial: no validation, no loggers, one mini-batch of the test, and no scheduler of the
#: learning rate, which would take no step in it.
TRIAL = (
    *("--trainer.limit_val_batches=0", "--trainer.limit_test_batches=1", "--trainer.logger=false"),
    *("--lr_scheduler_interval=epoch", "--lr_scheduler=null"),
)
#: A trial has two parts: one step, after which the kernels are compiled, and then five seconds that are measured.
LENGTHS = ("--trainer.max_steps=1", "--trainer.max_time=00:00:00:05")


class Estimate:
    """Expected seconds of training of each run.

    The value is the mean of the complete runs of its experiment, else that of its trial, else the mean of all of these.
    """

    def __init__(self) -> None:
        self._complete: dict[str, list[float]] = {}
        self._trials: dict[str, float] = {}

    def add(self, job: Job, state: State) -> None:
        """Add a run if it is complete."""
        if state.done and state.record is not None:
            self._complete.setdefault(job.cell.name, []).append(state.record.wall_time_s)

    def take(self, seconds: Mapping[str, float]) -> None:
        """Add the results of trials, by name of the experiment."""
        self._trials |= seconds

    def unknown(self, jobs: Iterable[Job]) -> list[Job]:
        """One run of each experiment that has neither a complete run nor a trial."""
        first = {job.cell.name: job for job in reversed(list(jobs))}
        return [job for name, job in first.items() if name not in self._complete and name not in self._trials]

    def seconds(self, job: Job) -> float:
        """Expected seconds of one run; NaN while nothing is known."""
        name = job.cell.name
        if name in self._complete:
            return fmean(self._complete[name])
        if name in self._trials:
            return self._trials[name]
        everything = [seconds for runs in self._complete.values() for seconds in runs] + list(self._trials.values())
        return fmean(everything) if everything else math.nan

    def total(self, jobs: Iterable[Job]) -> float:
        """Expected seconds of these runs, one after the other; NaN while nothing is known."""
        return sum(map(self.seconds, jobs))


def trials(jobs: Sequence[Job], executor: Executor) -> dict[str, float]:
    """Train each of these runs (at least one) for five seconds, in a temporary folder.

    Returns:
        Expected seconds of a whole training without validation, by name of the experiment. Experiments whose trial
        failed, or whose budget is not a number of epochs or steps, are left out.
    """
    seconds = {}
    logs = jobs[0].root / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=logs, prefix="trial") as folder:
        root = Path(folder)
        for length in LENGTHS:
            executor.execute([_trial(job, root, length) for job in jobs], lambda job: None, lambda job: None)
        for job in jobs:
            for path in (root / LENGTHS[-1] / job.cell.name).glob("*/record.json"):
                record = record_or_none(path)
                if record is not None and record.steps_per_s and (steps := _steps(record)):
                    seconds[job.cell.name] = steps / record.steps_per_s
    return seconds


def _trial(job: Job, root: Path, length: str) -> Job:
    arguments = (*job.cell.arguments, *TRIAL, length, f"--experiment.root={root / length}")
    return replace(job, cell=replace(job.cell, arguments=arguments), root=root / length, trial=True)


def _steps(record: Record) -> int:
    """Optimiser steps of the whole run; 0 if its budget is not a number of epochs or steps."""
    track, budget = record.track, record.track.budget
    trainer: Any = record.config["trainer"]
    batches = math.ceil(track.train_size / track.batch_size)
    an_epoch = math.ceil(batches / (trainer.get("accumulate_grad_batches") or 1))
    limits = (budget.max_steps, budget.epochs and budget.epochs * an_epoch)
    return min((limit for limit in limits if limit), default=0)
