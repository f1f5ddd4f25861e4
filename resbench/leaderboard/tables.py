"""What a compiled leaderboard is made of: tables of rows of cells, and the files that were not used."""

from resbench.leaderboard.records import Entry, Number, Track


class Metric(Entry):
    """What a table compares: a final metric on test data, how it is shown, and whether more of it is better.

    ``factor`` and ``decimals`` are for people (0.9662 is shown as 96.62 %); CSV and JSON hold the numbers as the
    records do.
    """

    key: str
    title: str
    factor: int
    decimals: int
    higher_is_better: bool


#: The first of these that any run of a track reports is what its table compares.
METRICS = (
    Metric(key="test/acc", title="test accuracy, %", factor=100, decimals=2, higher_is_better=True),
    Metric(key="test/loss", title="test loss", factor=1, decimals=4, higher_is_better=False),
)


class Cell(Entry):
    """One algorithm at one precision: mean over seeds, its 95 % interval (null for one seed), and the gap.

    ``gap`` is the mean minus the mean of the digital reference, null where the track has none.
    """

    mean: Number
    low: Number | None
    high: Number | None
    gap: Number | None
    seeds: list[int]


class Row(Entry):
    """One algorithm: one cell a column of the table, null where no run completed.

    A digital row has the same single cell in every column. ``mean`` is the mean of its cells, ``unfinished`` counts
    its runs that did not complete.
    """

    label: str
    digital: bool
    cells: list[Cell | None]
    mean: Number | None
    unfinished: int


class Unfinished(Entry):
    """A run that did not complete."""

    file: str
    label: str
    states: Number | None
    seed: int
    status: str
    error: str | None


class Table(Entry):
    """One track: the digital reference on top, then the rows, the better mean earlier.

    ``columns`` are numbers of states, ascending. Where all runs of a track are digital, the one column is null.
    """

    track: Track
    metric: Metric
    columns: list[Number | None]
    rows: list[Row]
    unfinished: list[Unfinished]


class Rejected(Entry):
    """A file that counts nowhere, and why."""

    file: str
    reason: str


class Leaderboard(Entry):
    """All tables, by name of their track, and the files that were not used."""

    tables: list[Table]
    rejected: list[Rejected]
