"""Run a plan of algorithms x precisions x seeds: `resbench sweep FILE.yaml`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resbench.errors import UserError

if TYPE_CHECKING:
    from resbench.sweep.plan import Cell
    from resbench.sweep.processes import Job

#: Folder of the logs, beside the folders of the runs.
LOGS = ".logs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench sweep``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="sweep file, see configs/sweeps")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time (default: %(default)s)")
    parser.add_argument("--plan", action="store_true", help="show the runs and what is done, and run nothing")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results, instead of the file's")


def run(args: argparse.Namespace) -> int:
    """Execute what is not done yet; return 0 if every run is complete, else 1.

    Raises:
        UserError: for a plan that cannot be run.
    """
    from resbench.sweep.plan import read_plan
    from resbench.sweep.processes import prepare

    if args.jobs < 1:
        raise UserError(f"--jobs: {args.jobs} is too few; write 1 or more")
    folder, cells = read_plan(args.file, args.out)
    if not args.plan:
        prepare()
    jobs = _jobs(cells, folder)
    if args.plan:
        _show(jobs)
        return 0
    waiting = [job for job in jobs if not job.done]
    print(f"{len(jobs)} runs, {len(jobs) - len(waiting)} done, results in {folder}", flush=True)
    _execute(waiting, args.jobs)
    open_ = [job for job in jobs if not job.done]
    if open_:
        print(f"{len(open_)} of {len(jobs)} runs are not complete; the same command runs them again", file=sys.stderr)
    return 1 if open_ else 0


def _jobs(cells: "Sequence[Cell]", folder: Path) -> "list[Job]":
    """Every run with the hash of its resolved config, so that all mistakes in configs are found first."""
    from resbench.sweep.processes import Job
    from resbench.training.cli import RunCLI

    cli: RunCLI | None = None
    loaded: tuple[str, ...] = ()
    jobs = []
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
        log = folder / LOGS / f"{cell.name}-{cli.folder.complete.name}.log"
        jobs.append(Job(cell, cli.folder.complete, cli.folder.attempt, log))
    return jobs


def _show(jobs: "Sequence[Job]") -> None:
    width = max(len(job.cell.name) for job in jobs)
    for job in jobs:
        record = job.record()
        status = record.status if record else "open"
        print(f"{job.complete.name}  {job.cell.name:<{width}}  seed {job.cell.seed:<3}  {status}")


def _execute(jobs: "Sequence[Job]", workers: int) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from resbench.sweep.processes import execute

    console = Console()
    running: list[str] = []
    failed = 0
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("elapsed"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(jobs))

        def show(advance: int) -> None:
            state = f"{len(running)} running" + (f", [red]{failed} failed[/red]" if failed else "")
            progress.update(bar, advance=advance, description=state)

        def started(job: "Job") -> None:
            running.append(job.cell.name)
            show(0)

        def ended(job: "Job", status: int) -> None:
            nonlocal failed
            running.remove(job.cell.name)
            failed += status != 0
            show(1)
            console.print(_line(job, status), highlight=False, soft_wrap=True, markup=False)

        execute(jobs, workers, started, ended)


def _line(job: "Job", status: int) -> str:
    """What became of a run."""
    name = f"{job.cell.name} seed {job.cell.seed}"
    record = job.record()
    if status == 0 and record is not None:
        metrics = " ".join(f"{key} {value:.4f}" for key, value in record.final.items() if key.startswith("test/"))
        return f"{name}: {metrics} ({record.wall_time_s:.1f} s)"
    if record is not None and record.error:
        return f"{name}: {record.status}: {record.error}; log: {job.log}"
    last = job.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return f"{name}: exit status {status}: {' '.join(last)}; log: {job.log}"
