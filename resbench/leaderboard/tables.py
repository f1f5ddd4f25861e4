"""The parts of a compiled leaderboard: tables of rows of cells, and the files that were not used."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from resbench.records.schema import Entry, Number, Track
from resbench.records.text import one_line

#: Text from records, configs and errors, as one line that can be shown.
Line = Annotated[str, AfterValidator(one_line)]


class Metric(Entry):
    """The metric that a table compares: a final metric on test data, how it is shown, and whether more is better.

    ``factor`` and ``decimals`` are for display (0.9662 is shown as 96.62 %); CSV and JSON contain the numbers as they
    are in the records. ``val_key`` is the same metric on validation data after each epoch, and ``train_key`` on
    training data. The target of the track is ``target_factor`` times the digital reference's validation metric. A mean
    within ``tolerance`` of the best of its column counts as close to it.
    """

    key: str
    val_key: str
    train_key: str
    title: str
    unit: str
    factor: int
    decimals: int
    higher_is_better: bool
    target_factor: float
    tolerance: float

    @property
    def units(self) -> str:
        """The plural of ``unit``."""
        return "points" if self.unit == "point" else self.unit


#: The metric of a run is the first of these that it reports; a table compares the one that most of its runs have.
METRICS = (
    Metric(
        key="test/acc",
        val_key="val/acc",
        train_key="train/acc",
        title="test accuracy, %",
        unit="point",
        factor=100,
        decimals=2,
        higher_is_better=True,
        target_factor=0.95,
        tolerance=0.01,
    ),
    Metric(
        key="test/loss",
        val_key="val/loss",
        train_key="train/loss",
        title="test loss",
        unit="nats",
        factor=1,
        decimals=4,
        higher_is_better=False,
        target_factor=1.05,
        tolerance=0.05,
    ),
)


def is_close(behind: float, tolerance: float) -> bool:
    """Whether a mean is within the tolerance of the best: 0.97 is within 0.01 of 0.98, however that is rounded."""
    return behind <= tolerance * (1 + 1e-9)


class Curve(Entry):
    """A metric over training: mean, minimum and maximum over seeds after so many optimiser steps."""

    key: str
    steps: list[int]
    mean: list[Number]
    low: list[Number]
    high: list[Number]


class Cost(Entry):
    """Hardware cost by the model of :mod:`resbench.costs`; ``docs/costs.md`` explains the figures.

    ``latency_ns`` and ``energy_nj`` are for one vector pair by the published formulas, ``image_ns`` for one sample
    with the transfers and pulse trains that the run counted. Of a cell it is that of the first seed.
    """

    latency_ns: Number
    image_ns: Number
    energy_nj: Number
    storage_bytes: int
    devices: Number
    area_mm2: Number


class Wear(Entry):
    """Pulses that devices received in training: the maximum, the mean, and the number that 99 % do not exceed.

    The last one, ``most_writes``, is rounded up to a power of two less one. It is null if a run did not record the
    distribution.
    """

    max_writes: int
    mean_writes: Number
    most_writes: int | None


class Printed(Entry):
    """A published result: mean and deviation in the metric's own unit, where it is printed, and its training budget.

    ``deviation`` is null if none is printed.
    """

    mean: float
    deviation: float | None
    place: str
    budget: str


class Cell(Entry):
    """One algorithm at one precision: mean over seeds, its 95 % interval (null for one seed), gap, rank, and effort.

    ``values`` are the results of ``seeds``. ``gap`` is the mean minus the mean of the digital reference, with the
    interval of that difference; null if the track has no reference. ``behind`` is the distance to the best mean of the
    column, 0 for the best. ``rank`` is null if there are too few seeds for a claim. ``diverged`` counts the seeds that
    diverged: ``mean`` is that of the other seeds, and with such a seed ``behind`` and ``rank`` are null.
    ``steps_to_target`` is the median over all of these seeds of the optimiser steps to the target of the table,
    infinite if most never reach it, and ``reached`` counts those that do; both are null without a target. ``files`` are
    the records behind the cell, in the order of ``seeds``, and ``steps_per_s`` is the mean speed of the simulation.
    """

    mean: Number
    low: Number | None
    high: Number | None
    gap: Number | None = None
    gap_low: Number | None = None
    gap_high: Number | None = None
    behind: Number | None = None
    rank: int | None = None
    diverged: int = 0
    seeds: list[int]
    values: list[Number]
    files: list[str]
    steps_per_s: float
    steps_to_target: Number | None = None
    reached: int | None = None
    curve: Curve | None = None
    cost: Cost | None = None
    wear: Wear | None = None
    paper: Printed | None = None


class Row(Entry):
    """One algorithm: one cell for each column of the table, null where no run completed.

    A digital row has the same cell in every column. ``tiles`` is the number of device arrays for each weight, ``mean``
    the mean of the cells, and ``unfinished`` the number of runs that did not complete. ``profile`` has the points
    (τ, share) at which the share of precision levels within τ of the best steps up; it is empty for a digital row.
    """

    label: str
    tiles: int
    digital: bool
    cells: list[Cell | None]
    profile: list[tuple[Number, float]]
    mean: Number | None
    unfinished: int

    def behind(self, column: int) -> float | None:
        """How far an analog row is behind the best of a column.

        Null without a result, if one of its seeds diverged, and for a digital row.
        """
        cell = self.cells[column]
        return None if self.digital or cell is None else cell.behind

    def close_levels(self, tolerance: float) -> int:
        """Number of precision levels at which the mean is within ``tolerance`` of the best."""
        return round(
            max((share for distance, share in self.profile if is_close(distance, tolerance)), default=0)
            * len(self.cells)
        )


class Claim(Entry):
    """A difference that chance does not explain: its size, the number of shared seeds, and the adjusted p-value."""

    better: str
    worse: str
    difference: Number
    p: float
    seeds: int


class Ranking(Entry):
    """Ranks of the rows of one column, and the claims behind them.

    ``seeds_needed`` is the number of seeds that a row needs for a claim; null for a single row. If ``too_many_rows`` is
    true, no rows were compared.
    """

    states: Number | None
    comparisons: int
    seeds_needed: int | None
    too_many_rows: bool
    ranks: dict[str, int]
    claims: list[Claim]


class Unfinished(Entry):
    """A run that did not complete; ``error`` is the last line of its error."""

    file: str
    label: Line
    states: Number | None
    seed: int
    status: str
    error: Line | None


class Study(Entry):
    """One study of a tuning: its best point, with the values that it has, and how it was judged.

    ``point`` is null where all trials diverged. ``validation`` is the metric of the trial on validation data, ``mean``
    that of the trainings of the point on test data over the seeds.
    """

    study: int
    point: int | None
    settings: dict[str, JsonValue]
    validation: Number | None
    mean: Number | None


class Expected(Entry):
    """Expected best of k trials on validation data for k = 1, 2, ...: mean and ends of a 95 % band."""

    mean: list[Number]
    low: list[Number]
    high: list[Number]


class Tuned(Entry):
    """What tuning did for one row at one precision.

    ``default`` is the mean of the same algorithm in the ruleset `default`, with its interval, and ``gain`` is the tuned
    mean minus it, with the interval of that difference; null where the track has no such run, or several that differ in
    keys that are tuned. ``trials`` counts what was spent, ``diverged`` those of them without a result.
    """

    label: str
    states: Number | None
    space: str
    trials: int
    diverged: int
    default: Number | None = None
    default_low: Number | None = None
    default_high: Number | None = None
    gain: Number | None = None
    gain_low: Number | None = None
    gain_high: Number | None = None
    studies: list[Study]
    expected: Expected


class Table(Entry):
    """One track under one ruleset: the digital reference on top, then the rows, the better mean earlier.

    ``columns`` are numbers of states in ascending order, and ``rankings`` have the same order. If all runs of a track
    are digital, there is one column, which is null. ``target`` is the value of the validation metric to which steps are
    counted. ``tuned`` has an entry for each cell of a table of the ruleset `tuned`.
    """

    track: Track
    metric: Metric
    target: Number | None
    columns: list[Number | None]
    rows: list[Row]
    rankings: list[Ranking]
    unfinished: list[Unfinished]
    ruleset: Literal["default", "tuned"] = "default"
    tuned: list[Tuned] = Field(default_factory=list)

    def compared(self) -> list[tuple[int, float]]:
        """Precisions at which a row has a result and another one has too, or diverged: column and number of states.

        Where only one row has run, it is the best of nothing. So a comparison over tracks leaves this precision out.
        """
        found = []
        for column, states in enumerate(self.columns):
            results = {row.label for row in self.rows if row.behind(column) is not None}
            diverged = {run.label for run in self.unfinished if run.states == states and run.status == "diverged"}
            if states is not None and results and len(results | diverged) > 1:
                found.append((column, states))
        return found

    def cell_of(self, entry: Tuned) -> Cell | None:
        """The cell that an entry of ``tuned`` is about; null as long as no run of it stands for a seed."""
        if entry.states is not None and entry.states not in self.columns:
            return None
        column = 0 if entry.states is None else self.columns.index(entry.states)
        return next((row.cells[column] for row in self.rows if row.label == entry.label), None)


class Rejected(Entry):
    """A file that was not used, and why."""

    file: str
    reason: Line


class Leaderboard(Entry):
    """All tables, by name of their track, and the files that were not used."""

    tables: list[Table]
    rejected: list[Rejected]
