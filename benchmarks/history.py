"""The ratios of published benchmark runs, one JSON line each, in ``benchmarks/history.jsonl``.

``python -m benchmarks.history add FILE ...`` adds the reports that a benchmark wrote with ``--json FILE``.
``python -m benchmarks.history plot FILE`` draws the ratios over the commits.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HISTORY = Path(__file__).with_name("history.jsonl")
#: What a line keeps of a report; single measurements stay in the report.
KEPT = ("date", "commit", "dirty", "machine", "versions", "arithmetic", "command", "ratios")
#: Options with paths, which mean nothing on another machine.
PATHS = ("--data", "--json", "--peer", "--plot")


def line_of(path: Path) -> dict[str, Any]:
    """The line for a report.

    Raises:
        SystemExit: if the file is no report with ratios, or its commit is not known.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        line = {key: report[key] for key in KEPT}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"error: {path}: {type(error).__name__}: {error}; name a file that a benchmark wrote with --json"
        ) from None
    if not line["ratios"]:
        raise SystemExit(f"error: {path} has no ratios; this benchmark compares nothing, or ran without --peer")
    if line["dirty"] is not False:
        raise SystemExit(f"error: {path} was measured on code that is in no commit; commit first, then measure")
    words = line["command"]
    line["command"] = [
        word for before, word in zip(["", *words], words, strict=False) if word not in PATHS and before not in PATHS
    ]
    return line


def read(path: Path) -> list[dict[str, Any]]:
    """All lines of a history."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def plot(lines: Sequence[dict[str, Any]], path: Path) -> None:
    """A panel for each benchmark, a line for each of its ratios on each machine, one place for each commit.

    Dots are medians, bars go from quartile to quartile.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    commits = list(dict.fromkeys(line["commit"] for line in lines))
    benchmarks = list(dict.fromkeys(line["command"][0] for line in lines))
    figure, panels = pyplot.subplots(len(benchmarks), 1, figsize=(11, 5.5 * len(benchmarks)), squeeze=False)
    for panel, benchmark in zip(panels[:, 0], benchmarks, strict=True):
        series: dict[str, list[tuple[int, list[float]]]] = {}
        for line in lines:
            if line["command"][0] == benchmark:
                for name, quartiles in line["ratios"].items():
                    where = (commits.index(line["commit"]), quartiles)
                    series.setdefault(f"{name} ({line['machine']['cpu']}, {line['arithmetic']})", []).append(where)
        for name, points in series.items():
            places = [place for place, _ in points]
            low, middle, high = zip(*(quartiles for _, quartiles in points), strict=True)
            spread = [
                [m - v for m, v in zip(middle, low, strict=True)],
                [v - m for m, v in zip(middle, high, strict=True)],
            ]
            panel.errorbar(places, middle, yerr=spread, marker="o", markersize=3, linewidth=1, label=name)
        panel.axhline(1.0, color="black", linewidth=0.5)
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("{x:g}")
        panel.set_xticks(range(len(commits)), [str(commit)[:7] for commit in commits], rotation=45, ha="right")
        panel.set_xlim(-0.5, len(commits) - 0.5)
        panel.set(title=benchmark, ylabel="ratio")
        panel.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.01, 0.5))
    figure.savefig(path, dpi=100, bbox_inches="tight")


def main(argv: Sequence[str] | None = None) -> int:
    """Add reports, or draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, default=HISTORY, help="the history (default: %(default)s)")
    actions = parser.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="add reports of benchmarks")
    add.add_argument("reports", type=Path, nargs="+", metavar="FILE", help="written by a benchmark with --json")
    draw = actions.add_parser("plot", help="draw the ratios over the commits")
    draw.add_argument("figure", type=Path, metavar="FILE", help="picture to write, such as history.png")
    args = parser.parse_args(argv)
    if args.action == "add":
        lines = [line_of(path) for path in args.reports]
        with args.file.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    else:
        lines = read(args.file)
        if not lines:
            raise SystemExit(f"error: {args.file} has no lines; `add` some first")
        plot(lines, args.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
