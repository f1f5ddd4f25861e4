"""Tune algorithms with an equal budget and train the best settings: `resbench tune FILE.yaml`."""

import argparse
import sys
from typing import TYPE_CHECKING

from resbench.sweep.options import add_plan_arguments, at_a_time, check_executor_arguments, executor_of
from resbench.tuning.points import STUDIES

if TYPE_CHECKING:
    from resbench.sweep.estimate import Estimate
    from resbench.sweep.job import Job, State
    from resbench.sweep.plan import Cell
    from resbench.sweep.tuning import Search


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench tune``."""
    add_plan_arguments(
        parser,
        file="tuning file; docs/tuning.md explains it",
        plan="list the runs, which are complete, and the points chosen so far",
        retry="also repeat runs that failed or were refused",
    )


def run(args: argparse.Namespace) -> int:
    """Run the trials that are left, choose, train the chosen points; return 0 if all of it is complete, else 1.

    Raises:
        UserError: for a plan that cannot be run.
    """
    from resbench.config.files import named_plan
    from resbench.sweep.estimate import Estimate
    from resbench.sweep.jobs import make_folder, resolve
    from resbench.sweep.report import conclude
    from resbench.sweep.tuning import read_tuning

    folder, searches = read_tuning(named_plan(args.file, "tuning"), args.out)
    check_executor_arguments(args)
    estimate = Estimate()
    cells = [cell for search in searches for cell in search.trials]
    print(f"reading the configs of {len(cells)} trials", file=sys.stderr, flush=True)
    jobs = resolve(cells, folder)
    if not args.plan:
        make_folder(folder)
    trials = _run("trials", jobs, args, estimate)
    of_cell = {job.cell: state for job, state in trials.items()}
    chosen = _choose(searches, of_cell)
    finals = [cell for search, points in chosen.items() for cell in search.finals(points)]
    trained = _run("trainings of the best points", resolve(finals, folder), args, estimate) if finals else {}
    if args.plan:
        return 0
    # A run that diverged has been judged: as a trial it cannot win, and the row of a chosen point shows it.
    states = [state for state in (*trials.values(), *trained.values()) if state.status != "diverged"]
    return max(conclude(states), int(len(chosen) < len(searches)))


def _run(what: str, jobs: "list[Job]", args: argparse.Namespace, estimate: "Estimate") -> "dict[Job, State]":
    """Run what is left of some jobs, or with ``--plan`` show it; how far they are then."""
    from resbench.sweep.jobs import carry_out, read_states
    from resbench.sweep.report import counts, show_plan

    states = read_states(jobs, estimate)
    again = ("failed", "refused") if args.retry else ()
    left = [job for job, state in states.items() if state.status in again or not (state.done or state.failed)]
    if args.plan:
        show_plan(states, left, estimate, at_a_time(args), judged=True)
        return states
    print(f"{what}: {counts(states.values(), judged=True)}; results in {jobs[0].root}", flush=True)
    if left:
        carry_out(left, states, estimate, executor_of(args))
    return states


def _choose(searches: "list[Search]", states: "dict[Cell, State]") -> "dict[Search, dict[int, int]]":
    """The best point of each study, of all searches whose trials have all been judged."""
    chosen = {}
    for search in searches:
        own = [states[cell] for cell in search.trials]
        records = [state.record for state in own if state.record and state.status in ("complete", "diverged")]
        if len(records) < len(own):
            print(f"{search.name}: {len(own) - len(records)} of {len(own)} trials are not complete; nothing is chosen")
            continue
        chosen[search] = search.choose(records)
        for point in chosen[search].values():
            values = records[point - 1].epochs[-1].values
            judged = ", ".join(f"{key} {values[key]:.4f}" for key in ("val/acc", "val/loss") if key in values)
            print(f"{search.name}: {search.describe(point)}: {judged}", flush=True)
        for study in (study for study in range(1, STUDIES + 1) if study not in chosen[search]):
            print(f"{search.name}: study {study} is without a winner: no trial has a finite result", flush=True)
    return chosen
