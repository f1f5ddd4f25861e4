"""Which trials and trainings belong to one tuning, whether they keep the rules, and the run that stands for a seed."""

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, TypeVar

from resbench.errors import UserError
from resbench.leaderboard.rows import seedless_config
from resbench.leaderboard.runs import Run, data_digest
from resbench.leaderboard.tables import Metric
from resbench.records.identity import hash_of, plain
from resbench.records.limits import untested
from resbench.records.schema import Record
from resbench.tuning.choice import winners
from resbench.tuning.entry import TRIAL_SEED, Tuning, place, study_of, tuning_of, wrong_point
from resbench.tuning.points import COUNT, STUDIES
from resbench.tuning.space import find_space

_Key = TypeVar("_Key")

#: Of several runs of one point, the one whose status comes first here counts.
BETTER = ("complete", "diverged", "interrupted", "failed")


@dataclass(frozen=True)
class TunedRuns:
    """The tuning of one algorithm at one precision.

    Attributes:
        identity: hash of what all of its runs have in common.
        space: name of the search space.
        keys: dotted keys that are tuned.
        trials: run of each point, by its number.
        finals: trainings of points after the choice, by point and seed.
    """

    identity: str
    space: str
    keys: Sequence[str]
    trials: dict[int, Run] = field(default_factory=dict)
    finals: dict[tuple[int, int], Run] = field(default_factory=dict)

    @property
    def example(self) -> Record:
        """Any record of it: all have the same algorithm, device and precision."""
        return next(iter([*self.trials.values(), *self.finals.values()])).record

    @property
    def judged(self) -> dict[int, Record]:
        """Records of the trials that were spent, by point: complete or diverged, with the seed of trials, untested."""
        return {point: run.record for point, run in self.trials.items() if _trial_problem(run) is None}

    @property
    def winners(self) -> dict[int, int]:
        """The best point of each study; empty as long as trials are missing."""
        return winners(self.judged) if len(self.judged) == COUNT else {}


def split(runs: Iterable[Run]) -> tuple[list[Run], list[Run], list[tuple[Run, str]]]:
    """Runs of the ruleset `default`, runs of tunings, and runs whose config names an impossible place in a tuning.

    The last ones come with the reason.
    """
    plain: list[Run] = []
    tuned: list[Run] = []
    odd: list[tuple[Run, str]] = []
    for run in runs:
        try:
            (plain if tuning_of(run.record.config) is None else tuned).append(run)
        except ValueError as error:
            odd.append((run, str(error)))
    return plain, tuned, odd


def is_trial(record: Record) -> bool:
    """Whether a run is a trial of a tuning, which has a seed of its own and no test."""
    tuning = _tuning(record)
    return tuning is not None and tuning.trial


def searches(runs: Iterable[Run]) -> list[TunedRuns]:
    """The tunings that runs belong to; runs that belong to none are skipped."""
    found: dict[str, TunedRuns] = {}
    for run in runs:
        tuning = _tuning(run.record)
        if tuning is None:
            continue
        identity = _identity(run, tuning)
        search = found.setdefault(identity, TunedRuns(identity, tuning.space, tuning.keys))
        if tuning.trial:
            _put(search.trials, tuning.point, run)
        else:
            _put(search.finals, (tuning.point, run.record.seed), run)
    return list(found.values())


def conflicts(runs: Iterable[Run]) -> Iterator[tuple[Run, str]]:
    """Complete runs of one point and seed that have other values, so that nobody knows which is meant, with the reason.

    Runs of equal configs are no matter of a tuning: of these only one is given.
    """
    groups: dict[tuple[str, bool, int, int], list[Run]] = defaultdict(list)
    for run in runs:
        tuning = _tuning(run.record)
        if tuning is not None and run.record.status == "complete":
            groups[_identity(run, tuning), tuning.trial, tuning.point, run.record.seed].append(run)
    for group in groups.values():
        files = ", ".join(run.file for run in group)
        for run in group if len(group) > 1 else ():
            yield run, f"tuning: conflicting: the same point and seed, other values of what is tuned in {files}"


def _tuning(record: Record) -> Tuning | None:
    """The place of a run in a tuning; null if it has none, or an impossible one."""
    try:
        return tuning_of(record.config)
    except ValueError:
        return None


def _put(runs: dict[_Key, Run], key: _Key, run: Run) -> None:
    """Keep the run of a key, or a better one."""
    if key not in runs or BETTER.index(run.record.status) < BETTER.index(runs[key].record.status):
        runs[key] = run


def _identity(run: Run, tuning: Tuning) -> str:
    common = untuned_config(run.record, tuning.keys)
    track = run.track.model_dump(mode="json")
    states = plain(run.record.states)
    return hash_of([track, data_digest(run.record), states, tuning.space, tuning.digest, tuning.keys, common])


def untuned_config(record: Record, keys: Sequence[str]) -> dict[str, Any]:
    """The part of a config that all runs of a tuning share.

    It leaves out the seed, the values of ``keys``, and the place in the tuning. A run of the ruleset `default` has the
    same part if it differs from the tuned runs in these keys only.
    """
    config: dict[str, Any] = copy.deepcopy(seedless_config(record))
    experiment, trainer = config.get("experiment"), config.get("trainer")
    if isinstance(experiment, dict):
        experiment.pop("tuning", None)
    if isinstance(trainer, dict):
        trainer.pop("limit_test_batches", None)
    for key in keys:
        try:
            *path, last = place(config, key)
        except KeyError:
            continue
        node = config
        for part in path:
            node = node[part]
        node[last] = "*"
    return config


def problems(search: TunedRuns) -> Iterator[tuple[Run, str]]:
    """What keeps runs of a tuning out of the tables, with the reason."""
    for run in search.trials.values():
        if reason := _trial_problem(run):
            yield run, f"tuning: {reason}"
    if missing := [str(point) for point in range(1, COUNT + 1) if point not in search.judged]:
        listed = ", ".join(missing)
        for run in search.finals.values():
            yield run, f"tuning: without trial {listed} of the space {search.space}; a result comes with all {COUNT}"
        return
    if not search.finals:
        for run in search.trials.values():
            yield run, "tuning: a trial, and no run of the points that were chosen"
    for (point, seed), run in search.finals.items():
        best = search.winners.get(study_of(point))
        if point != best:
            named = "none" if best is None else f"point {best}"
            yield run, f"tuning: point {point} is not the best of study {study_of(point)} by its trials: {named} is"
        elif seed == TRIAL_SEED:
            yield run, f"seed: {seed} is that of the trials; train with the seeds of the board"


def _trial_problem(run: Run) -> str | None:
    """Why a run cannot count as a trial; null where it does."""
    record = run.record
    if record.status not in ("complete", "diverged"):
        return f"the trial is {record.status}"
    if record.seed != TRIAL_SEED:
        return f"the trial has seed {record.seed}; trials have {TRIAL_SEED}"
    looked = [key for key in record.final if key.startswith("test/")]
    if looked or untested(record.config) is None:
        return "the trial was tested; write trainer.limit_test_batches: 0"
    return None


def submission_problems(search: TunedRuns) -> Iterator[tuple[Run, str]]:
    """As :func:`problems`, and also the checks of a submission: values are those of the space, no seed is missing."""
    yield from problems(search)
    try:
        space = find_space(search.space)
    except UserError as error:
        yield next(iter([*search.finals.values(), *search.trials.values()])), f"tuning: {error}"
        return
    for run in [*search.trials.values(), *search.finals.values()]:
        tuning = _tuning(run.record)
        if tuning and (reason := wrong_point(run.record.config, tuning, space)):
            yield run, f"tuning: {reason}"
    seeds = {study: {seed for point, seed in search.finals if study_of(point) == study} for study in search.winners}
    everything = set().union(*seeds.values())
    for study, own in seeds.items():
        if everything and own != everything:
            listed = ", ".join(map(str, sorted(everything - own)))
            yield next(iter(search.finals.values())), f"tuning: seed {listed} missing of study {study}"


def chosen_runs(search: TunedRuns, metric: Metric) -> dict[int, Run]:
    """The run that stands for each seed: the median of the studies by the test metric.

    A run that diverged counts as the worst, and so does a study without a winner, for which one of its trials stands. A
    seed of which a study has no run that ended has none.
    """
    best = search.winners
    seeds = sorted({seed for _, seed in search.finals})
    found = {}
    for seed in seeds:
        candidates = []
        for study in range(1, STUDIES + 1):
            if study in best:
                run = search.finals.get((best[study], seed))
            else:  # none of its trials has a finite result
                lost = next(trial for point, trial in search.trials.items() if study_of(point) == study)
                run = replace(lost, record=lost.record.model_copy(update={"status": "diverged"}))
            if run is None or run.record.status not in ("complete", "diverged"):
                break
            candidates.append(run)
        else:
            found[seed] = sorted(candidates, key=lambda run: _loss(run, metric))[STUDIES // 2]
    return found


def _loss(run: Run, metric: Metric) -> float:
    value = run.record.final.get(metric.key) if run.record.status == "complete" else None
    if value is None:
        return inf
    return -value if metric.higher_is_better else value
