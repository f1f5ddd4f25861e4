"""Run a plan of algorithms x precisions x seeds: `resbench sweep FILE.yaml`."""

import argparse
import sys

from resbench.records.text import counted
from resbench.sweep.options import add_plan_arguments, at_a_time, check_executor_arguments, executor_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench sweep``."""
    add_plan_arguments(
        parser,
        file="sweep file; docs/sweeps.md explains it",
        plan="list the runs, which are complete, and how long the others will take",
        retry="also repeat runs that failed, diverged or were refused",
    )
    parser.add_argument(
        "--measure", action="store_true", help="for this estimate, train each experiment without a complete run for 5 s"
    )


def run(args: argparse.Namespace) -> int:
    """Execute the remaining runs; return 0 if every run is complete, or 1.

    Raises:
        UserError: for a plan that cannot be run.
    """
    from resbench.config.files import named_plan
    from resbench.sweep.estimate import Estimate, trials
    from resbench.sweep.jobs import carry_out, make_folder, read_states, resolve
    from resbench.sweep.plan import read_plan
    from resbench.sweep.report import conclude, counts, show_plan

    folder, cells = read_plan(named_plan(args.file, "sweeps"), args.out)
    check_executor_arguments(args)
    executor = executor_of(args) if args.measure or not args.plan else None
    jobs = resolve(cells, folder)
    estimate = Estimate()
    states = read_states(jobs, estimate)
    left = [job for job, state in states.items() if not state.done and (args.retry or not state.failed)]
    if executor is not None and left:
        make_folder(folder)
        if args.measure and (unknown := estimate.unknown(left)):
            print(f"training {counted(len(unknown), 'experiment')} for a few seconds", file=sys.stderr, flush=True)
            estimate.take(trials(unknown, executor))
    if args.plan:
        show_plan(states, left, estimate, at_a_time(args))
        return 0
    print(f"{counts(states.values())}; results in {folder}", flush=True)
    if executor is not None and left:
        carry_out(left, states, estimate, executor)
    return conclude(states.values())
