"""From records to tables: one table for each track, one row for each algorithm, one column for each precision.

``docs/rules.md`` has the rules.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from resbench.leaderboard.compact import Compactor
from resbench.leaderboard.rows import row_labels
from resbench.leaderboard.runs import Run, data_digest, one_per_config, read_runs, record_files
from resbench.leaderboard.searches import split
from resbench.leaderboard.tables import Leaderboard, Rejected, Table
from resbench.leaderboard.tabulate import make_table, metric_of, no_result
from resbench.leaderboard.tuned import tuned_table
from resbench.records.schema import Track


def compile_leaderboard(records_dir: Path | str) -> Leaderboard:
    """Compile every record under a folder; no file in it stops the compilation.

    Files whose names begin with a dot are skipped. A file is listed as rejected, with the reason, if it is not a valid
    record, repeats another run, contradicts another run of the same config and seed, or reports no test metric.

    Raises:
        FileNotFoundError: if the folder does not exist or contains no file.
    """
    return compile_runs(*read_runs(record_files(records_dir), Compactor().compact))


def compile_runs(runs: Iterable[Run], rejected: Iterable[Rejected] = ()) -> Leaderboard:
    """Compile runs from any source; ``rejected`` files are listed in the result."""
    kept, repeated = one_per_config(runs)
    tables, without_result = [], []
    for track, track_runs in _by_track(kept):
        plain, tuned, odd = split(track_runs)
        without_result += [Rejected(file=run.file, reason=reason) for run, reason in odd]
        for table, left_out in (_table(track, plain), tuned_table(track, tuned, plain)):
            without_result += left_out
            if table is not None:
                tables.append(table)
    return Leaderboard(
        tables=tables, rejected=sorted([*rejected, *repeated, *without_result], key=lambda entry: entry.file)
    )


def _by_track(runs: list[Run]) -> list[tuple[Track, list[Run]]]:
    """Group runs by track; tracks with the same name but another budget, or other data, are different tracks."""
    groups: dict[tuple[str, tuple[str, ...]], dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        track = run.track
        place = track.model_dump_json(exclude={"limits"}), tuple(track.limits)
        groups[place][data_digest(run.record)].append(run)
    found = []
    for _, by_data in sorted(groups.items()):
        for digest, group in sorted(by_data.items()):
            track = group[0].track
            own = [*track.limits, f"data {digest}"] if len(by_data) > 1 else track.limits
            found.append((track.model_copy(update={"limits": own}), group))
    return found


def _table(track: Track, runs: list[Run]) -> tuple[Table | None, list[Rejected]]:
    """The table of the ruleset `default`, null without a run that counts, and the runs that do not."""
    metric = metric_of(runs)
    reasons = {run.file: no_result(run.record, metric) for run in runs if run.record.status == "complete"}
    counted = [run for run in runs if reasons.get(run.file) is None]
    labels = row_labels(run.record for run in counted)
    table = make_table(track, metric, [(labels[run.record.config_hash], run) for run in counted]) if counted else None
    return table, [Rejected(file=file, reason=reason) for file, reason in reasons.items() if reason]
