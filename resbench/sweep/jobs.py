"""Turns the cells of a plan into jobs, and executes them. All configs are resolved before anything runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resbench.errors import UserError
from resbench.sweep.estimate import Estimate
from resbench.sweep.executor import Executor
from resbench.sweep.job import Job, State
from resbench.sweep.plan import Cell
from resbench.sweep.progress import SweepProgress
from resbench.sweep.report import note_changes
from resbench.training.process import fast_imports
from resbench.tuning.choice import unjudged
from resbench.tuning.entry import tuning_of

if TYPE_CHECKING:
    from resbench.training.cli import RunCLI


def resolve(cells: Sequence[Cell], folder: Path) -> list[Job]:
    """A job for each cell, with the hash of its resolved config. So all mistakes in configs are found first."""
    with fast_imports():
        from resbench.training.cli import RunCLI
        from resbench.training.sources import digest

    cli: RunCLI | None = None
    loaded: tuple[str, ...] = ()
    jobs: dict[str, Job] = {}
    for cell in cells:
        try:
            if cli is None:
                cli = RunCLI(cell.argv, "resbench fit", build=False)
            elif cell.arguments == loaded:
                cli.reseed(cell.seed)
            else:
                cli.load(cell.argv)
        except UserError as error:
            raise UserError(f"{cell.name}: {error}") from None
        loaded = cell.arguments
        tuning = tuning_of(cli.resolved)
        if tuning is not None and tuning.trial and (reason := unjudged(cli.resolved)):
            raise UserError(f"{cell.name}: {reason}")
        job = Job(cell, folder, cli.config_hash, cli.config.threads, Path.cwd(), digest(cli.resolved))
        if (same := jobs.setdefault(cli.config_hash, job)) is not job:
            raise UserError(f"runs: {same.cell.name} and {cell.name} are one run, seed {cell.seed}; take one out")
    return list(jobs.values())


def make_folder(folder: Path) -> None:
    """Make the folder of the results.

    Raises:
        UserError: if it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out: {folder} cannot be written ({error.strerror}); name another with --out") from None
    if not os.access(folder, os.W_OK):
        raise UserError(f"out: {folder} cannot be written (no permission); name another with --out")


def read_states(jobs: Sequence[Job], estimate: Estimate) -> dict[Job, State]:
    """The state of each job. Complete jobs are added to the estimate."""
    states = {job: job.state() for job in jobs}
    for job, state in states.items():
        estimate.add(job, state)
    return states


def carry_out(jobs: Sequence[Job], states: dict[Job, State], estimate: Estimate, executor: Executor) -> None:
    """Execute jobs and show the progress.

    Args:
        jobs: the jobs to run.
        states: all jobs of the plan and their states, which are updated as runs end.
        estimate: expected seconds of each run.
        executor: runs the jobs.

    Raises:
        KeyboardInterrupt: when interrupted, after the runs have written their checkpoints.
    """
    note_changes()
    SweepProgress(states, estimate).run(jobs, executor)
    # In the meantime another sweep may have completed the runs that it was working on.
    states |= {job: job.state() for job, state in states.items() if state.status == "running"}
