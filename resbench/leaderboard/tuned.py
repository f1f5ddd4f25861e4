"""The table of the ruleset `tuned`: one run stands for each seed, and beside it is what the tuning did."""

from collections import defaultdict
from collections.abc import Sequence
from math import isfinite, nan
from typing import Any

from resbench.leaderboard.expected_best import expected_best
from resbench.leaderboard.rows import row_names
from resbench.leaderboard.runs import Run
from resbench.leaderboard.searches import TunedRuns, chosen_runs, conflicts, problems, searches, untuned_config
from resbench.leaderboard.statistics import difference_interval, mean, mean_interval
from resbench.leaderboard.tables import Expected, Metric, Rejected, Study, Table, Tuned
from resbench.leaderboard.tabulate import make_table, metric_of, no_result
from resbench.records.identity import hash_of, plain
from resbench.records.schema import Record, Track
from resbench.tuning.entry import study_of, value_at
from resbench.tuning.points import STUDIES


def tuned_table(track: Track, runs: Sequence[Run], default: Sequence[Run]) -> tuple[Table | None, list[Rejected]]:
    """The table of the tuned runs of a track, null without one, and the runs that do not count.

    Args:
        track: the track.
        runs: trials and trainings of tunings.
        default: runs of the same track in the ruleset `default`.
    """
    conflicting = [Rejected(file=run.file, reason=reason) for run, reason in conflicts(runs)]
    refused = {entry.file for entry in conflicting}
    runs = [run for run in runs if run.file not in refused]
    found = searches(runs)
    metric = metric_of(run for search in found for run in search.finals.values())
    rejected = conflicting + [
        Rejected(file=run.file, reason=reason) for search in found for run, reason in problems(search)
    ]
    taken = {run.file for search in found for run in (*search.trials.values(), *search.finals.values())}
    rejected += [
        Rejected(file=run.file, reason=f"tuning: {run.record.status}, and the same point has a better run")
        for run in runs
        if run.file not in taken
    ]
    refused = {entry.file for entry in rejected}
    for search in found:
        for key, run in list(search.finals.items()):
            reason = no_result(run.record, metric) if run.record.status == "complete" else None
            if reason and run.file not in refused:
                rejected.append(Rejected(file=run.file, reason=reason))
            if reason or run.file in refused:
                del search.finals[key]
    found = [search for search in found if search.finals]
    if not found:
        return None, rejected
    labels = _labels(found)
    standing_for = {search.identity: chosen_runs(search, metric) for search in found}
    shown = {identity: list(chosen.values()) for identity, chosen in standing_for.items()}
    rejected += [
        Rejected(file=run.file, reason=f"tuning: seed {seed} has not ended in every study")
        for search in found
        for (_, seed), run in search.finals.items()
        if run.record.status == "complete" and seed not in standing_for[search.identity]
    ]
    left = [
        (labels[search.identity], run)
        for search in found
        for run in search.finals.values()
        if run.record.status != "complete" and run not in shown[search.identity]
    ]
    stopped = [(label, run) for label, run in left if run.record.status != "diverged"]
    others = [(label, run) for label, run in left if run.record.status == "diverged"]
    standing = [(labels[search.identity], run) for search in found for run in shown[search.identity]]
    table = make_table(track, metric, [*standing, *stopped], others)
    entries = [_tuned(search, labels[search.identity], shown[search.identity], default, metric) for search in found]
    order = {row.label: place for place, row in enumerate(table.rows)}
    entries.sort(key=lambda entry: (order.get(entry.label, 0), entry.states or 0))
    return table.model_copy(update={"ruleset": "tuned", "tuned": entries}), rejected


def _labels(found: Sequence[TunedRuns]) -> dict[str, str]:
    """Label of the row of each tuning; those of one name and precision are told apart by their space."""
    records = [run.record for search in found for run in search.finals.values()]
    names = row_names(records)
    own = {search.identity: names[next(iter(search.finals.values())).record.config_hash] for search in found}
    cells: dict[tuple[str, float | None], list[TunedRuns]] = defaultdict(list)
    for search in found:
        cells[own[search.identity], search.example.states].append(search)
    crowded = {name for (name, _), inside in cells.items() if len(inside) > 1}
    for search in found:
        if own[search.identity] in crowded:
            common = hash_of([search.space, *search.keys, _without_states(search.example, search.keys)])
            own[search.identity] += f" ({search.space} {common[:6]})"
    return own


def _without_states(record: Record, keys: Sequence[str]) -> object:
    config = untuned_config(record, keys)
    device = config.get("model", {}).get("init_args", {}).get("device")
    if isinstance(device, dict) and isinstance(device.get("init_args"), dict):
        device["init_args"].pop("states", None)
    return config


def _tuned(search: TunedRuns, label: str, shown: Sequence[Run], default: Sequence[Run], metric: Metric) -> Tuned:
    judged = search.judged
    results = [_validation(record, metric) for _, record in sorted(judged.items())]
    # Accuracy has a worst value, which a trial without a result takes; a loss has none.
    values = [0.0 if metric.higher_is_better and not isfinite(value) else value for value in results]
    best, low, high = expected_best(values, metric.higher_is_better)
    scores = {run.record.seed: run.record.final[metric.key] for run in shown if run.record.status == "complete"}
    entry = Tuned(
        label=label,
        states=search.example.states,
        space=search.space,
        trials=len(judged),
        diverged=sum(record.status == "diverged" for record in judged.values()),
        studies=[_study(search, study, metric) for study in range(1, STUDIES + 1)],
        expected=Expected(mean=best, low=low, high=high),
    )
    before = _scores(_default_of(search, default), metric)
    if not before or not scores:
        return entry
    centre, interval = mean_interval(list(before.values()))
    gain, gain_interval = difference_interval(scores, before)
    changes: dict[str, float] = {"default": centre, "gain": gain}
    for name, ends in (("default", interval), ("gain", gain_interval)):
        if ends:
            changes |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return entry.model_copy(update=changes)


def _default_of(search: TunedRuns, default: Sequence[Run]) -> list[Run]:
    """Complete runs of the ruleset `default` that differ from a tuning in nothing but what it tunes.

    They may do without validation data, because the tables of a track have the same training and test data. None where
    they differ among each other: nobody could say which settings are those of the algorithm's file. None either if a
    seed of theirs diverged: only the seeds that went well would be left.
    """
    common = _without_validation(untuned_config(search.example, search.keys))
    alike: dict[str, list[Run]] = defaultdict(list)
    wanted = search.example.algorithm.class_path, search.example.states
    ended = ("complete", "diverged")
    for run in default:
        record = run.record
        near = record.status in ended and (record.algorithm.class_path, record.states) == wanted
        if near and _without_validation(untuned_config(record, search.keys)) == common:
            alike[hash_of(untuned_config(record, ()))].append(run)
    results = [runs for runs in alike.values() if any(run.record.status == "complete" for run in runs)]
    return results[0] if len(results) == 1 and all(run.record.status == "complete" for run in results[0]) else []


def _without_validation(config: dict[str, Any]) -> dict[str, Any]:
    data = config.get("data")
    arguments = data.get("init_args") if isinstance(data, dict) else None
    if isinstance(arguments, dict):
        arguments.pop("val_size", None)
    return config


def _scores(runs: Sequence[Run], metric: Metric) -> dict[int, float]:
    return {run.record.seed: run.record.final[metric.key] for run in runs if metric.key in run.record.final}


def _validation(record: Record, metric: Metric) -> float:
    """What a trial reached on validation data; infinitely bad where it diverged."""
    worst = float("-inf") if metric.higher_is_better else float("inf")
    if record.status != "complete" or not record.epochs:
        return worst
    value = record.epochs[-1].values.get(metric.val_key, nan)
    return value if isfinite(value) else worst


def _study(search: TunedRuns, study: int, metric: Metric) -> Study:
    point = search.winners.get(study)
    if point is None:
        return Study(study=study, point=None, settings={}, validation=None, mean=None)
    trial = search.trials[point].record
    finals = [run for (number, _), run in sorted(search.finals.items()) if study_of(number) == study]
    results = list(_scores([run for run in finals if run.record.status == "complete"], metric).values())
    return Study(
        study=study,
        point=point,
        settings={key: plain(value_at(trial.config, key)) for key in search.keys},
        validation=_validation(trial, metric),
        mean=mean(results) if results else None,
    )
