"""Run a plan of algorithms x precisions x seeds: `resbench sweep FILE.yaml`."""

import argparse
import sys
from pathlib import Path

from resbench.sweep.options import add_executor_arguments, check_executor_arguments, executor_of


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
    add_executor_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Execute the remaining runs; return 0 if every run is complete, or 1.

    Raises:
        UserError: for a plan that cannot be run.
    """
    from resbench.sweep.estimate import Estimate, trials
    from resbench.sweep.jobs import carry_out, make_folder, resolve
    from resbench.sweep.plan import read_plan
    from resbench.sweep.report import conclude, counts, show_plan

    folder, cells = read_plan(args.file, args.out)
    check_executor_arguments(args)
    executor = executor_of(args) if args.measure or not args.plan else None
    jobs = resolve(cells, folder)
    states = {job: job.state() for job in jobs}
    estimate = Estimate()
    for job, state in states.items():
        estimate.add(job, state)
    left = [job for job, state in states.items() if not state.done and (args.retry or not state.failed)]
    if executor is not None and left:
        make_folder(folder)
        if args.measure and (unknown := estimate.unknown(left)):
            many = "1 experiment" if len(unknown) == 1 else f"{len(unknown)} experiments"
            print(f"training {many} for a few seconds", file=sys.stderr, flush=True)
            estimate.take(trials(unknown, executor))
    if args.plan:
        show_plan(states, left, estimate, args.jobs or (1 if args.executor == "local" else None))
        return 0
    print(f"{counts(states.values())}; results in {folder}", flush=True)
    if executor is not None and left:
        carry_out(left, states, estimate, executor)
    # What another sweep worked on may be complete by now.
    return conclude([job.state() if state.status == "running" else state for job, state in states.items()])
