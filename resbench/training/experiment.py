"""The section `experiment` of a config: names and folder of a run, and its place in a tuning."""

from __future__ import annotations

from dataclasses import dataclass

from resbench.errors import BadValue
from resbench.tuning.entry import Tuning


@dataclass
class Experiment:
    """Names and folder of a run.

    Args:
        name: folder of the runs of this experiment.
        track: leaderboard table of the run; null for one named after data and network.
        root: folder of all experiments.
        tuning: place in a tuning, set by `resbench tune`.

    Raises:
        BadValue: for an empty root, as of a variable that is not set: it would be the current folder.
    """

    name: str = "unnamed"
    track: str | None = None
    root: str = "runs"
    tuning: Tuning | None = None

    def __post_init__(self) -> None:
        if not self.root:
            raise BadValue("root", repr(self.root), "is empty; write a folder, or . for the current one")
