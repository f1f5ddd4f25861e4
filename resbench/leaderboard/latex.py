"""A compiled leaderboard as LaTeX: one booktabs table for each track, to be included in a paper."""

from resbench.leaderboard.tables import Cell, Leaderboard, Metric, Table
from resbench.leaderboard.wording import claims, facts, number, precision, seeds
from resbench.records.text import one_line

_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "[": "{[}",  # would be the option of the end of the line before
        "|": r"\textbar{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "∞": r"$\infty$",
        "µ": r"$\mu$",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


def to_latex(leaderboard: Leaderboard) -> str:
    """One ``table`` environment for each track: mean, interval and n, bold for rank 1. Needs ``booktabs``."""
    head = "% Needs \\usepackage{booktabs}. Intervals are 95 % bootstrap intervals over n seeds; bold is rank 1.\n"
    return head + "".join(map(_table, leaderboard.tables))


def _table(table: Table) -> str:
    columns = len(table.columns)
    what = f"{table.track.name}: final {table.metric.title}, mean [95 % interval], n seeds."
    caption = " ".join(filter(None, (what, f"{'; '.join(facts(table.track))}.", claims(table))))
    lines = [
        "",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escape(caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * columns}}}",
        r"\toprule",
        _line(["Algorithm", *(_escape(precision(states)) for states in table.columns)]),
        r"\midrule",
        *(_line([_escape(row.label), *(_cell(cell, table.metric) for cell in row.cells)]) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _cell(cell: Cell | None, metric: Metric) -> str:
    if cell is None:
        return "--"
    mean = number(cell.mean, metric)
    text = rf"\textbf{{{mean}}}" if cell.rank == 1 else mean
    if cell.low is not None and cell.high is not None:
        text += rf" {{\scriptsize [{number(cell.low, metric)}, {number(cell.high, metric)}]}}"
    return rf"{text} {{\scriptsize {seeds(cell, f'$n={len(cell.seeds)}$')}}}"


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escape(text: str) -> str:
    return one_line(text).translate(_SPECIAL)
