"""How numbers, precisions and tracks are written in all kinds of tables."""

import math
from collections.abc import Sequence
from itertools import zip_longest

from resbench.leaderboard.statistics import ALPHA, SEEDS_FOR_CLAIM
from resbench.leaderboard.tables import Cell, Metric, Printed, Table
from resbench.records.schema import Track


def precision(states: float | None) -> str:
    """A column's heading: "4 states (2 bits)"."""
    if states is None:
        return "digital"
    if math.isinf(states):
        return "inf states"
    bits = f"{math.log2(states):.2g}"
    return f"{states:g} states ({bits} bit{'' if bits == '1' else 's'})"


def number(value: float, metric: Metric, sign: str = "") -> str:
    """A metric as people read it: 0.9662 is "96.62"."""
    rounded = round(value * metric.factor, metric.decimals) + 0.0  # no -0.00
    return f"{rounded:{sign}.{metric.decimals}f}"


def distance(difference: float, metric: Metric) -> str:
    """The size of a difference with its unit: "12.34 points"."""
    return f"{number(abs(difference), metric)} {metric.units}"


def interval(low: float | None, high: float | None, metric: Metric, sign: str = "") -> str:
    """The ends of an interval, " [96.51, 96.70]" with a space in front; empty if there is none."""
    return "" if low is None or high is None else f" [{number(low, metric, sign)}, {number(high, metric, sign)}]"


def steps(cell: Cell) -> str:
    """Steps to the target: "2,500", "2,500 (2 of 3)" if some runs do not reach it, "1 of 3 runs" if most do not."""
    if cell.steps_to_target is None:
        return "-"
    runs = len(cell.seeds) + cell.diverged
    if math.isinf(cell.steps_to_target):
        return f"{cell.reached} of {runs} runs" if cell.reached else "never"
    median = f"{cell.steps_to_target:,.0f}"
    return median if cell.reached == runs else f"{median} ({cell.reached} of {runs})"


def seeds(cell: Cell, count: str) -> str:
    """The number of seeds behind a mean, as ``count`` writes it, and how many more diverged: "n=5, 1 diverged"."""
    return f"{count}, {cell.diverged} diverged" if cell.diverged else count


def paper(printed: Printed, metric: Metric) -> str:
    """A published result: "75.61 ± 0.69"."""
    spread = "" if printed.deviation is None else f" ± {number(printed.deviation, metric)}"
    return number(printed.mean, metric) + spread


def facts(track: Track) -> list[str]:
    """What all rows of a track have in common."""
    limits = [
        f"{value} {unit}"
        for value, unit in ((track.budget.epochs, "epochs"), (track.budget.max_steps, "steps"))
        if value
    ]
    return [
        f"{track.task}, {track.network}, {track.dataset} ({track.train_size:,} training examples)",
        "all layers analog"
        if track.analog_layers == ["*"]
        else f"analog layers {', '.join(track.analog_layers) or 'none'}",
        f"budget {' or '.join(limits)}" if limits else "no budget",
        f"batch {track.batch_size}",
        *(["limits: " + ", ".join(track.limits)] if track.limits else []),
    ]


def titles(tables: Sequence[Table]) -> list[str]:
    """Names of the tracks and rulesets; facts are added to those that share a name, where they differ."""
    terms = [facts(table.track) for table in tables]
    names = [table.track.name if table.ruleset == "default" else f"{table.track.name}, tuned" for table in tables]
    groups: dict[str, list[list[str]]] = {}
    for base, own in zip(names, terms, strict=True):
        groups.setdefault(base, []).append(own)
    differing = {
        name: [place for place, values in enumerate(zip_longest(*group)) if len(set(values)) > 1]
        for name, group in groups.items()
    }
    return [
        ", ".join([base, *(own[place] for place in differing[base] if place < len(own))])
        for base, own in zip(names, terms, strict=True)
    ]


def claims(table: Table) -> str:
    """One sentence on what may be claimed in a table."""
    rankings = [ranking for ranking in table.rankings if ranking.seeds_needed is not None]
    if not rankings:
        return ""
    large = sum(ranking.too_many_rows for ranking in rankings)
    if large:
        return (
            f"No ranks at {large} of {len(rankings)} precisions: their rows are too many to be compared pair by pair; "
            "take the records of fewer rows."
        )
    if any(ranking.ranks for ranking in rankings):
        found = sum(len(ranking.claims) for ranking in rankings)
        compared = sum(ranking.comparisons for ranking in rankings)
        return (
            f"{found} of {compared} paired comparisons are claims (joint sign-flip test, level {ALPHA}); "
            "rows that cannot be told apart share a rank."
        )
    fewer = "fewer, or diverged" if any(run.status == "diverged" for run in table.unfinished) else "fewer"
    return f"No ranks: a claim takes {SEEDS_FOR_CLAIM} seeds for each row, these results have {fewer}."
