"""What a run is called, where it goes, and what it is part of: the key `experiment` of a config."""

from __future__ import annotations

from dataclasses import dataclass

from resbench.tuning.entry import Tuning


@dataclass
class Experiment:
    """What a run is called and where it goes.

    Args:
        name: folder of the runs of this experiment.
        track: leaderboard table that the run belongs to; null for one named after data and network.
        root: folder of all experiments.
        tuning: place in a tuning, which `resbench tune` gives.
    """

    name: str = "unnamed"
    track: str | None = None
    root: str = "runs"
    tuning: Tuning | None = None
