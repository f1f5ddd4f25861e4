"""What a tuning did, and the summary over tracks, as lines of Markdown."""

from resbench.leaderboard.markdown_text import escape, table_lines
from resbench.leaderboard.summary import Summary, explained, words
from resbench.leaderboard.tables import Cell, Metric, Study, Table, Tuned
from resbench.leaderboard.wording import interval, number, precision

#: Numbers of trials whose expected best is written out.
COUNTS = (1, 5, 15)


def tuning_lines(table: Table) -> list[str]:
    """Default and tuned results side by side, what was spent, and what was chosen; nothing without a tuning."""
    if not table.tuned:
        return []
    metric = table.metric
    header = ["default and tuned", "states", "default", "tuned", "difference", "trials", "studies: point, test"]
    rows = [
        [
            escape(entry.label),
            precision(entry.states),
            _value(entry.default, entry.default_low, entry.default_high, metric),
            _tuned(table.cell_of(entry), metric),
            _value(entry.gain, entry.gain_low, entry.gain_high, metric, "+"),
            str(entry.trials),
            "; ".join(_study(study, metric) for study in entry.studies),
        ]
        for entry in table.tuned
    ]
    expected = [
        [escape(entry.label), precision(entry.states), *(_expected(entry, k, metric) for k in COUNTS)]
        for entry in table.tuned
    ]
    best = [f"expected best {metric.val_key} of k trials", "states", *(f"k = {k}" for k in COUNTS)]
    return ["", *table_lines(header, rows), "", *table_lines(best, expected)]


def summary_lines(summary: Summary) -> list[str]:
    """The section of a summary."""
    header = ["algorithm", f"close to the best, of {summary.levels}", "worst case"]
    rows = [[escape(row.label), str(row.close), escape(words(row.worst))] for row in summary.rows]
    return [f"## Over all tracks: {summary.ruleset}", "", explained(summary), "", *table_lines(header, rows)]


def _tuned(cell: Cell | None, metric: Metric) -> str:
    return "-" if cell is None else _value(cell.mean, cell.low, cell.high, metric)


def _value(value: float | None, low: float | None, high: float | None, metric: Metric, sign: str = "") -> str:
    return "-" if value is None else f"{number(value, metric, sign)}{interval(low, high, metric, sign)}"


def _study(study: Study, metric: Metric) -> str:
    if study.point is None:
        return "all trials diverged"
    return f"{study.point}, {'-' if study.mean is None else number(study.mean, metric)}"


def _expected(entry: Tuned, k: int, metric: Metric) -> str:
    found = entry.expected
    if len(found.mean) < k:
        return "-"
    return _value(found.mean[k - 1], found.low[k - 1], found.high[k - 1], metric)
