"""Run a plan of algorithms x precisions x seeds: `resbench sweep FILE.yaml`."""

import argparse
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resbench.errors import UserError

if TYPE_CHECKING:
    from resbench.sweep.estimate import Estimate
    from resbench.sweep.executor import Executor
    from resbench.sweep.job import Job, State
    from resbench.sweep.plan import Cell

#: Options that only some executors have.
BELONGS = {
    "cpus": ("ray", "slurm"),
    "gpus": ("ray", "slurm"),
    "ray_address": ("ray",),
    "slurm_partition": ("slurm",),
    "slurm_time": ("slurm",),
    "slurm_option": ("slurm",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench sweep``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="sweep file; docs/sweeps.md explains it")
    parser.add_argument(
        "--plan", action="store_true", help="list the runs, which are complete, and how long the others will take"
    )
    parser.add_argument(
        "--measure", action="store_true", help="for this estimate, train each experiment without a complete run for 5 s"
    )
    parser.add_argument("--retry", action="store_true", help="also repeat runs that failed, diverged or were refused")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results, instead of the file's")
    parser.add_argument(
        "--executor",
        choices=("local", "ray", "slurm"),
        default="local",
        help="where the runs are executed (default: %(default)s)",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="runs at the same time (default: 1; with ray and slurm, as many as the cluster allows)",
    )
    cluster = parser.add_argument_group("ray and slurm")
    cluster.add_argument("--cpus", type=int, metavar="N", help="CPUs for each run (default: `threads` of its config)")
    cluster.add_argument(
        "--gpus", type=float, metavar="N", help="GPUs for each run; with ray also a fraction such as 0.5 (default: 0)"
    )
    ray = parser.add_argument_group("ray")
    ray.add_argument(
        "--ray-address",
        metavar="URL",
        help="address of the cluster, ray://HOST:10001 (default: a cluster on this machine)",
    )
    slurm = parser.add_argument_group("slurm")
    slurm.add_argument("--slurm-partition", metavar="NAME", help="partition (default: that of the cluster)")
    slurm.add_argument("--slurm-time", type=int, metavar="MINUTES", help="time limit of a job (default: 240)")
    slurm.add_argument(
        "--slurm-option", action="append", metavar="NAME=VALUE", help="any option of sbatch, for example account=lab"
    )


def run(args: argparse.Namespace) -> int:
    """Execute the remaining runs; return 0 if every run is complete, or 1.

    Raises:
        UserError: for a plan that cannot be run.
    """
    from resbench.sweep.estimate import Estimate, trials
    from resbench.sweep.plan import read_plan

    folder, cells = read_plan(args.file, args.out)
    executor = _executor(args)
    jobs = resolve(cells, folder)
    states = {job: job.state() for job in jobs}
    estimate = Estimate()
    for job, state in states.items():
        estimate.add(job, state)
    left = [job for job, state in states.items() if not state.done and (args.retry or not state.failed)]
    if executor is not None and left:
        _make(folder)
        if args.measure and (unknown := estimate.unknown(left)):
            many = "1 experiment" if len(unknown) == 1 else f"{len(unknown)} experiments"
            print(f"training {many} for a few seconds", file=sys.stderr, flush=True)
            estimate.take(trials(unknown, executor))
    if args.plan:
        _show(states, left, estimate, args.jobs or (1 if args.executor == "local" else None))
        return 0
    print(f"{_counts(states.values())}; results in {folder}", flush=True)
    if executor is not None and left:
        # Not earlier: typing gives Lightning's `int | float` the order of rich.progress if that is imported first, and
        # a number of batches would be read as a fraction of them.
        from resbench.sweep.progress import SweepProgress

        SweepProgress(states, estimate).run(left, executor)
    # What another sweep worked on may be complete by now.
    return _conclude([job.state() if state.status == "running" else state for job, state in states.items()])


def _executor(args: argparse.Namespace) -> "Executor | None":
    """The executor of the runs; None if only the plan is shown.

    Raises:
        UserError: for options that do not fit it, or where a package that it needs is missing.
    """
    for name, executors in BELONGS.items():
        if getattr(args, name) is not None and args.executor not in executors:
            raise UserError(f"--{name.replace('_', '-')}: write --executor {' or '.join(executors)} with it")
    for name in ("jobs", "cpus", "slurm_time"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise UserError(f"--{name.replace('_', '-')}: {getattr(args, name)} is too few; write 1 or more")
    if (args.gpus or 0) < 0 or (args.executor == "slurm" and (args.gpus or 0) % 1):
        whole = "a whole number" if args.executor == "slurm" else "0 or more"
        raise UserError(f"--gpus: {args.gpus:g}: write {whole}")
    options = dict(_option(text) for text in args.slurm_option or [])
    if args.plan and not args.measure:
        return None
    if args.executor == "ray":
        from resbench.sweep.ray import RayExecutor

        return RayExecutor(args.ray_address, args.jobs, args.cpus, args.gpus or 0)
    if args.executor == "slurm":
        from resbench.sweep.slurm import SlurmExecutor

        time = args.slurm_time or 240
        return SlurmExecutor(args.jobs, args.cpus, int(args.gpus or 0), time, args.slurm_partition, options)
    from resbench.sweep.local import LocalExecutor

    return LocalExecutor(args.jobs or 1)


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.removeprefix("--").partition("=")
    if not (name and equals):
        raise UserError(f"--slurm-option: {text}: write NAME=VALUE, for example account=lab")
    return name, value


def resolve(cells: "Sequence[Cell]", folder: Path) -> "list[Job]":
    """Every run with the hash of its resolved config, so that all mistakes in configs are found first."""
    from resbench.sweep.job import Job
    from resbench.training.cli import RunCLI

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
        job = Job(cell, folder, cli.config_hash, cli.config.threads, Path.cwd())
        if (same := jobs.setdefault(cli.config_hash, job)) is not job:
            raise UserError(f"runs: {same.cell.name} and {cell.name} are one run, seed {cell.seed}; take one out")
    return list(jobs.values())


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out: {folder} cannot be written ({error.strerror}); name another with --out") from None
    if not os.access(folder, os.W_OK):
        raise UserError(f"out: {folder} cannot be written (no permission); name another with --out")


def _counts(states: "Iterable[State]") -> str:
    """Counts of the runs by status: "30 runs: 12 done, 1 failed, 17 left"."""
    states = list(states)
    done, failed = sum(state.done for state in states), sum(state.failed for state in states)
    running = sum(state.status == "running" for state in states)
    parts = {"done": done, "failed": failed, "in progress": running, "left": len(states) - done - failed - running}
    words = [f"{count} {word}" for word, count in parts.items() if count or word in ("done", "left")]
    return f"{len(states)} {'run' if len(states) == 1 else 'runs'}: {', '.join(words)}"


def _show(states: "Mapping[Job, State]", left: "Sequence[Job]", estimate: "Estimate", workers: int | None) -> None:
    """Print the plan: a line for each run, then a summary of what is left."""
    from resbench.records.text import one_line

    width = max(len(job.cell.name) for job in states)
    for job, state in states.items():
        error = f": {one_line(state.error)}" if state.error else ""
        print(f"{job.folder.complete.name}  {job.cell.name:<{width}}  seed {job.cell.seed:<3}  {state.status}{error}")
    print(_counts(states.values()))
    if left:
        print(_time(estimate.total(left), min(workers or 1, len(left))))


def _time(seconds: float, workers: int) -> str:
    from resbench.records.text import duration

    if math.isnan(seconds):
        return "time left: unknown until a run is complete; --plan --measure trains each experiment for 5 s to tell"
    many = f"{workers} runs at a time" if workers > 1 else "one run at a time"
    return f"time left: about {duration(seconds / workers)} of training, {many}"


def _conclude(states: "Iterable[State]") -> int:
    """Print which runs are not complete, and how to continue."""
    states = list(states)
    failed = sum(state.failed for state in states)
    if failed:
        print(f"{failed} of {len(states)} runs failed; --retry runs them again", file=sys.stderr)
    if left := sum(not state.done and not state.failed for state in states):
        print(f"{left} of {len(states)} runs are left; the same command goes on with them", file=sys.stderr)
    return 0 if all(state.done for state in states) else 1
