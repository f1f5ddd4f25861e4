"""What the page of a leaderboard shows, as types: the template and the scripts read these names and no others.

The classes up to :class:`Page` are for ``page.html.jinja``, the others are the JSON that ``page.js`` reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from resbench.leaderboard.tables import Rejected


@dataclass(frozen=True, slots=True)
class Style:
    """Numbers of the colour and of the marker of a row."""

    colour: int
    marker: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of the large table.

    ``kind`` says what its cells hold. ``screens`` says where the column is shown at first: on all screens, on wide or
    very wide ones, or on none. ``checked`` is false where the column is hidden at first on all screens. ``ascending``
    is the order of the first click: the smallest value on top, because less is better or comes first.
    """

    key: str
    kind: Literal["row", "plot", "value"]
    text: str
    meaning: str
    screens: Literal["always", "wide", "huge", "no"]
    checked: bool
    ascending: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A value in the large table: its text, what it sorts by (empty sorts last), a remark in small type, and a tip."""

    text: str = ""
    sort: str = ""
    small: str = ""
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """A small drawing of a mean, its interval and the digital reference, as places in per cent of its width."""

    mean: float
    low: float | None
    high: float | None
    reference: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the large table: one algorithm at one precision.

    ``values`` are in the order of the columns. ``rank`` is 0 for none and 4 for every rank beyond three,
    ``status`` says how runs ended that did not complete, and ``has_runs`` whether there is a completed run to show.
    """

    key: str
    label: str
    style: Style
    digital: bool
    rank: int
    status: str
    has_runs: bool
    strip: Strip | None
    values: Sequence[Shown]


@dataclass(frozen=True, slots=True)
class GlanceCell:
    """A mean in the small table, empty where no run completed; ``rank`` and ``status`` as in :class:`Line`."""

    key: str
    mean: str
    rank: int
    more: str
    status: str


@dataclass(frozen=True, slots=True)
class GlanceRow:
    """A line of the small table: one algorithm at all precisions."""

    label: str
    style: Style
    digital: bool
    cells: Sequence[GlanceCell]


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A button above the charts."""

    label: str
    style: Style


@dataclass(frozen=True, slots=True)
class Level:
    """A precision: its key in the page, and its name."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run that did not complete."""

    label: str
    states: str
    seed: int
    status: str
    error: str
    file: str


@dataclass(frozen=True, slots=True)
class TunedLine:
    """What tuning did for one algorithm at one precision: results with intervals, and the point of each study."""

    label: str
    style: Style
    digital: bool
    states: str
    default: Shown
    tuned: Shown
    gain: Shown
    trials: str
    studies: Sequence[Shown]


@dataclass(frozen=True, slots=True)
class ExpectedCurve:
    """Expected best of k trials of one algorithm: points of a line and of a band in the coordinates of a drawing."""

    label: str
    style: Style
    line: str
    band: str


@dataclass(frozen=True, slots=True)
class ExpectedChart:
    """The curves of one precision; ``ticks`` are (place, text) of the values, ``counts`` those of the numbers k."""

    title: str
    ticks: Sequence[tuple[float, str]]
    counts: Sequence[tuple[float, str]]
    curves: Sequence[ExpectedCurve]


@dataclass(frozen=True, slots=True)
class TuningView:
    """What a tab of the ruleset `tuned` shows beside its tables."""

    metric: str
    lines: Sequence[TunedLine]
    charts: Sequence[ExpectedChart]


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One algorithm over all tracks."""

    label: str
    close: str
    share: str
    worst: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What to use at a number of states, in words."""

    states: str
    words: str


@dataclass(frozen=True, slots=True)
class SummaryView:
    """All tracks of one ruleset: answers in words, what the rows of the chart look like, and a table.

    ``left_out`` says which tracks the answers and the chart leave out; it is empty if they have all of them.
    """

    ruleset: str
    answers: Sequence[Answer]
    left_out: str
    keys: Sequence[LegendEntry]
    text: str
    lines: Sequence[SummaryLine]


@dataclass(frozen=True, slots=True)
class TrackView:
    """A tab of the page.

    ``log_axis`` names what the charts show on a log axis: errors in place of accuracies, or the loss itself. ``at`` is
    the key of the precision at which costs are compared at first, ``reference`` the digital result, ``best``
    the best row of each precision in words, and ``left_out`` the number of rows that the page has no room for.
    """

    id: str
    name: str
    facts: Sequence[str]
    claims: str
    target: str
    title: str
    log_axis: str
    at: str
    levels: Sequence[Level]
    headings: Sequence[Heading]
    lines: Sequence[Line]
    glance: Sequence[GlanceRow]
    legend: Sequence[LegendEntry]
    unfinished: Sequence[UnfinishedRun]
    runs: int
    algorithms: int
    reference: str
    best: Sequence[str]
    left_out: int
    tuning: TuningView | None


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page.

    ``names`` counts tracks; one that was tuned is there twice in ``tracks``. ``left_out`` names the tracks that found
    no room, ``most_files`` is the longest list of files that is written out, ``source`` is the source of published
    results, ``data`` is a :class:`PageData` as JSON, ``script_hash`` is the hash by which the content security policy
    allows the script, and ``series`` counts the colours.
    """

    tracks: Sequence[TrackView]
    summaries: Sequence[SummaryView]
    left_out: Sequence[str]
    rejected: Sequence[Rejected]
    names: int
    runs: int
    most_files: int
    source: str
    series: int
    data: str
    script: str
    script_hash: str


class SeedRun(NamedTuple):
    """A run behind a cell: its seed, its result (null where it is not finite) and the file of its record."""

    seed: int
    result: float | None
    file: str


@dataclass(frozen=True, slots=True)
class ChartCurve:
    """Training curve of a cell: mean and range over seeds of the metric ``key`` after so many steps."""

    key: str
    steps: Sequence[int]
    mean: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class ChartCell:
    """One algorithm at one precision, numbers as people read them; null for what is missing or not finite.

    ``n`` counts seeds and ``runs`` lists the first of them. If seeds ``diverged``, it is compared with no other cell.
    ``costs`` are in the order of :attr:`PageData.costs`. ``paper`` is the published result, ``printed`` the same in
    words with its source, ``worn`` how the pulses are spread over devices, and ``claims`` what the tests say of this
    row.
    """

    key: str
    mean: float | None
    low: float | None
    high: float | None
    n: int
    diverged: int
    runs: Sequence[SeedRun]
    costs: Sequence[float | None]
    worn: str
    paper: float | None
    printed: str
    curve: ChartCurve | None
    claims: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChartRow:
    """An algorithm in the charts."""

    label: str
    style: Style
    cells: Sequence[ChartCell]


@dataclass(frozen=True, slots=True)
class ChartTrack:
    """What the charts of a track draw.

    ``higher`` says that more of the metric is better, ``percent`` that it is shown in per cent, ``validation`` is the
    metric that ``target`` is a value of, and ``levels`` are the keys of the precisions.
    """

    title: str
    unit: str
    higher: bool
    decimals: int
    percent: bool
    validation: str
    target: float | None
    levels: Sequence[str]
    digital: ChartCell | None
    rows: Sequence[ChartRow]


@dataclass(frozen=True, slots=True)
class CostAxis:
    """A chart of the metric against a cost. With ``front``, the rows that no other beats in both are marked."""

    title: str
    label: str
    front: bool


class Behind(NamedTuple):
    """How far a row is behind the best at one precision: mean over so many tracks."""

    key: str
    mean: float
    tracks: int


@dataclass(frozen=True, slots=True)
class StandingRow:
    """A row of the chart over all tracks."""

    name: str
    look: Style
    places: Sequence[Behind]


@dataclass(frozen=True, slots=True)
class ChartSummary:
    """The chart over all tracks of one ruleset: what is drawn, the keys of the precisions, and the rows."""

    caption: str
    keys: Sequence[str]
    standing: Sequence[StandingRow]


@dataclass(frozen=True, slots=True)
class PageData:
    """The JSON of the page: a chart for each of ``costs``, the tracks in the order of the tabs, and the summaries.

    ``records`` is the relative address of the folder of the records, empty if there are no links to them.
    """

    costs: Sequence[CostAxis]
    tracks: Sequence[ChartTrack]
    summaries: Sequence[ChartSummary]
    records: str
