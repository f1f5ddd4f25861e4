"""The runs of a folder: every file is read, and one run is kept for each config."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from resbench.leaderboard.tables import Rejected
from resbench.records.identity import hash_of
from resbench.records.limits import limits
from resbench.records.names import CONFIG, RECORD
from resbench.records.schema import Record, RecordError, Track, metric_differences, read_record
from resbench.records.text import printable


@dataclass(frozen=True, slots=True)
class Run:
    """A record and the file it came from, relative to the folder."""

    file: str
    record: Record

    @property
    def track(self) -> Track:
        """The track of the record with the limits of its config, which older records do not state."""
        return self.record.track.model_copy(update={"limits": limits(self.record.config)})


def data_digest(record: Record) -> str:
    """A digest of the training and test data in six digits, from their checksums and the window length of a text."""
    sums = record.data.get("sha256")
    used = [sums.get("train"), sums.get("test")] if isinstance(sums, dict) else sums
    return hash_of([used, record.data.get("context")])[:6]


def record_files(folder: Path | str) -> list[tuple[str, Path]]:
    """Files under a folder by their names relative to it, sorted.

    Files and folders whose names begin with a dot are skipped. So are the other files in or below the folder of a run,
    which contains a ``record.json`` or, before the run has ended, a ``config.yaml``. Links to folders are not followed.

    Raises:
        FileNotFoundError: if the folder does not exist or contains no file.
    """
    folder = Path(folder)
    found: list[Path] = []
    run_folders: set[Path] = set()
    for place, folders, names in os.walk(folder):  # from the top: a folder comes before those below it
        parent = Path(place)
        if RECORD in names or CONFIG in names or parent.parent in run_folders:
            run_folders.add(parent)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen = [RECORD] if RECORD in names else [] if parent in run_folders else names
        found += [parent / name for name in seen if not name.startswith(".")]
    if not found:
        raise FileNotFoundError(f"no records in {folder}")
    return sorted((printable(path.relative_to(folder).as_posix()), path) for path in found)


def read_runs(
    files: Iterable[tuple[str, Path]], keep: Callable[[Record], Record] = lambda record: record
) -> tuple[list[Run], list[Rejected]]:
    """Read files as runs; files that are not valid records are listed with the reason.

    Args:
        files: Names and paths.
        keep: Applied to each record; :class:`~resbench.leaderboard.compact.Compactor` makes many records smaller.
    """
    runs, rejected = [], []
    for name, path in files:
        if path.suffix != ".json" or not path.is_file():
            rejected.append(Rejected(file=name, reason="not a .json file"))
            continue
        try:
            runs.append(Run(file=name, record=keep(read_record(path))))
        except RecordError as error:
            rejected.append(Rejected(file=name, reason=str(error)))
    return runs, rejected


def one_per_config(runs: Iterable[Run]) -> tuple[list[Run], list[Rejected]]:
    """Keep the earliest complete run of each config, seed and data; if such runs differ in their metrics, keep none."""
    kept, rejected = [], []
    groups: dict[tuple[str, int, str], list[Run]] = defaultdict(list)
    for run in runs:
        if run.record.status == "complete":
            groups[run.record.config_hash, run.record.seed, data_digest(run.record)].append(run)
        else:
            kept.append(run)
    for group in groups.values():
        first, *others = sorted(group, key=lambda run: (run.record.finished, run.file))
        differences = [difference for run in others for difference in metric_differences(first.record, run.record)]
        if differences:
            files = ", ".join(run.file for run in group)
            reason = f"conflicting: same config and seed, other metrics ({differences[0]}) in {files}"
            rejected += [Rejected(file=run.file, reason=reason) for run in group]
        else:
            kept.append(first)
            rejected += [Rejected(file=run.file, reason=f"duplicate of {first.file}") for run in others]
    return kept, rejected
