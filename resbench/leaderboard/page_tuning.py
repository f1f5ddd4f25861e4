"""What the page shows of a tuning, and its summary over all tracks."""

from collections.abc import Sequence
from math import floor, log10

from resbench.leaderboard.page_charts import analog, drawn, precision_key, style
from resbench.leaderboard.page_view import (
    Answer,
    Behind,
    ChartSummary,
    ExpectedChart,
    ExpectedCurve,
    LegendEntry,
    Shown,
    StandingRow,
    Style,
    SummaryLine,
    SummaryView,
    TunedLine,
    TuningView,
)
from resbench.leaderboard.standings import Standings, standings
from resbench.leaderboard.summary import Summary, explained, summaries, words
from resbench.leaderboard.tables import Metric, Study, Table, Tuned
from resbench.leaderboard.wording import interval, number, precision

#: Edges of a drawing in its own units, and the numbers of trials that are named below it.
LEFT, RIGHT, TOP, BOTTOM = 40.0, 470.0, 10.0, 222.0
NAMED_COUNTS = (1, 5, 10, 15)


def summary_views(tables: Sequence[Table]) -> list[tuple[SummaryView, ChartSummary]]:
    """The summary of each ruleset that has several tracks, and a chart of how far its rows are behind the best."""
    return [
        (_summary_view(summary, found), _summary_chart(found))
        for summary in summaries(tables)
        if (found := standings(tables, summary.ruleset))
    ]


def _summary_view(summary: Summary, found: Standings) -> SummaryView:
    lines = [
        SummaryLine(
            label=row.label,
            close=f"{row.close} of {summary.levels}",
            share=f"{100 * row.close / summary.levels:.0f} %",
            worst=words(row.worst),
        )
        for row in summary.rows
    ]
    return SummaryView(
        ruleset=summary.ruleset,
        answers=[Answer(precision(states), text) for states, text in found.answers()],
        left_out=found.left_out,
        keys=[LegendEntry(row.label, style(index)) for index, row in enumerate(found.rows())],
        text=explained(summary),
        lines=lines,
    )


def _summary_chart(found: Standings) -> ChartSummary:
    metric = found.metric
    rows = []
    for index, row in enumerate(found.rows()):
        places = [
            Behind(precision_key(states), round(behind, metric.decimals), tracks)
            for states, (mean, tracks) in sorted(row.behind.items())
            if (behind := drawn(mean, metric)) is not None
        ]
        rows.append(StandingRow(row.label, style(index), places))
    return ChartSummary(f"{metric.units} behind the best", [precision_key(states) for states in found.levels], rows)


def tuning_view(table: Table) -> TuningView | None:
    """What a table of the ruleset `tuned` says of its tuning; null for any other."""
    if not table.tuned:
        return None
    styles = {row.label: style(index) for index, row in enumerate(analog(table))}
    charts = [_chart(table, states, styles) for states in table.columns]
    with_row = {row.label for row in table.rows}
    lines = [_line(table, entry, styles) for entry in table.tuned if entry.label in with_row]
    return TuningView(table.metric.title, lines, [chart for chart in charts if chart.curves])


def _line(table: Table, entry: Tuned, styles: dict[str, Style]) -> TunedLine:
    metric = table.metric
    cell = table.cell_of(entry)
    return TunedLine(
        label=entry.label,
        style=styles.get(entry.label, style(0)),
        digital=entry.states is None,
        states=precision_key(entry.states),
        default=_value(entry.default, entry.default_low, entry.default_high, metric),
        tuned=_value(cell.mean, cell.low, cell.high, metric) if cell else Shown("-"),
        gain=_value(entry.gain, entry.gain_low, entry.gain_high, metric, "+"),
        trials=f"{entry.trials}" + (f" ({entry.diverged} diverged)" if entry.diverged else ""),
        studies=[_study(study, metric) for study in entry.studies],
    )


def _value(value: float | None, low: float | None, high: float | None, metric: Metric, sign: str = "") -> Shown:
    return Shown("-") if value is None else Shown(number(value, metric, sign), small=interval(low, high, metric, sign))


def _study(study: Study, metric: Metric) -> Shown:
    if study.point is None:
        return Shown("all trials diverged")
    judged = "-" if study.validation is None else number(study.validation, metric)
    tested = "-" if study.mean is None else number(study.mean, metric)
    settings = ", ".join(f"{key.removeprefix('model.')} {value}" for key, value in study.settings.items())
    return Shown(f"point {study.point}", small=f"{judged} → {tested}", tip=settings)


def _chart(table: Table, states: float | None, styles: dict[str, Style]) -> ExpectedChart:
    """Curves of all analog rows at one precision."""
    metric = table.metric
    entries = [entry for entry in table.tuned if entry.states == states]
    shown = [
        value
        for entry in entries
        for part in (entry.expected.mean, entry.expected.low, entry.expected.high)
        for value in (drawn(result, metric) for result in part)
        if value is not None
    ]
    if not shown:
        return ExpectedChart(precision(states), [], [], [])
    ticks = _ticks(min(shown), max(shown))
    low, high = ticks[0], ticks[-1]
    count = max(len(entry.expected.mean) for entry in entries)

    def place(k: int, value: float) -> tuple[float, float]:
        across = LEFT + (RIGHT - LEFT) * k / max(count - 1, 1)
        return across, BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)

    def points(results: Sequence[float]) -> list[str]:
        values = [drawn(result, metric) for result in results]
        return ["{:.1f},{:.1f}".format(*place(k, value)) for k, value in enumerate(values) if value is not None]

    curves = [
        ExpectedCurve(
            entry.label,
            styles.get(entry.label, style(0)),
            line=" ".join(points(entry.expected.mean)),
            band=" ".join([*points(entry.expected.low), *reversed(points(entry.expected.high))]),
        )
        for entry in entries
    ]
    decimals = max(0, -floor(log10(ticks[1] - ticks[0])))
    return ExpectedChart(
        precision(states),
        [(round(place(0, tick)[1], 1), f"{tick:.{decimals}f}" if abs(tick) < 1e9 else f"{tick:.3g}") for tick in ticks],
        [(round(place(k - 1, low)[0], 1), str(k)) for k in NAMED_COUNTS if k <= count],
        curves,
    )


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers that enclose a range."""
    size = max(1.0, abs(low), abs(high))
    if high - low < 1e-9 * size:  # all but equal, so that ticks between them may be one number
        half = max(0.5, 1e-6 * size)
        low, high = low - half, high + half
    rough = (high - low) / 4
    power = 10 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = floor(low / step)
    last = first
    while last * step < high:
        last += 1
    return [k * step for k in range(first, last + 1)]
