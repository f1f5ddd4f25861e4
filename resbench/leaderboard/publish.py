"""A leaderboard as a folder for a static host: the page, tables, figures, and the records as a data set with a card."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from resbench.errors import UserError
from resbench.leaderboard.figures import write_figures
from resbench.leaderboard.markdown_text import escape
from resbench.leaderboard.page import to_html
from resbench.leaderboard.render import to_csv, to_json
from resbench.leaderboard.runs import record_files
from resbench.leaderboard.tables import Leaderboard
from resbench.records.files import real_path, replacing, write_text_atomically
from resbench.records.portable import portable
from resbench.records.schema import Record, read_record, write_record

#: Folder of the copied records, and files of the data set.
RECORDS, LINES, PARQUET = "records", "data/records.jsonl", "data/records.parquet"
#: The files that a publication has written, as a list of their names: the next one removes those that it lacks.
WRITTEN = "data/files.json"
#: What lies in a published folder.
NAMES = ("README.md", "data", "figures", "index.html", "leaderboard.csv", "leaderboard.json", RECORDS)
#: How the names begin of files that a later publication may lack.
PLACES = (f"{RECORDS}/", "figures/", PARQUET)
#: The data card; its front matter is what hosts of data sets read.
CARD = """\
---
license: apache-2.0
pretty_name: resbench records
configs:
- config_name: default
  data_files: {lines}
---

# Records of in-memory training on resistive crossbars

Each record is one training of a neural network on simulated arrays of devices with few conductance states, made with
resbench: the whole config with the seed, the metrics of every epoch, the final test metrics, the pulses that every
tile got, versions, hardware, and how the run ended. Runs that failed are records too.

{count:,} records: {ended}. Trained on {data}. Made by resbench {versions}.

| track | records |
| --- | ---: |
{tracks}

## Files

- `index.html`: the leaderboard, with ranks, intervals and costs.
- `{lines}`: one record in each line, with `file`, its name below `{records}/`.
- `{parquet}`: the same as columns, if pyarrow was installed; nested parts are JSON.
- `{records}/`: the records themselves. `resbench verify FILE` trains one again and compares every metric.
- `leaderboard.csv`, `leaderboard.json`, `figures/`: compiled tables and figures.
- `{written}`: the names of all these files. The next publication into this folder replaces them.

## Limits

Devices are simulated by published models, and costs are estimates: nothing was measured on hardware. A record has the
checksums of its data, not the data, and nothing about persons. The test set was read once, after the last epoch.
Settings of the ruleset `default` were not searched for each track; `docs/rules.md` of resbench has the rules.
"""


def check_place(records: Path, out: Path) -> None:
    """Refuse a folder in which a publication would replace files of others, or lie among the records.

    Args:
        records: the folder of the records.
        out: the folder that is to be written: new, without files of these names, or with an earlier publication.

    Raises:
        UserError: if the copies of the records would be among the records or over them, or if the folder has files of
            others where this one writes.
    """
    copies, originals = real_path(out / RECORDS), real_path(records)
    if real_path(out).is_relative_to(originals):
        raise UserError(f"--publish {out}: this is inside {records}; name a folder outside of the records")
    if copies.is_relative_to(originals) or originals.is_relative_to(copies):
        raise UserError(
            f"--publish {out}: its copies of the records, in {out / RECORDS}, would be written over {records}; "
            "name another folder, such as --publish site"
        )
    foreign = [name for name in NAMES if os.path.lexists(out / name)]
    if foreign and not (out / LINES).is_file():
        raise UserError(
            f"--publish {out}: this would replace {', '.join(foreign)}, which no earlier publication has written "
            f"(there is no {LINES}); name a new or empty folder, such as --publish site"
        )


def publish(leaderboard: Leaderboard, records: Path, out: Path) -> list[Path]:
    """Write ``index.html``, tables, figures, the records that were used, the data set and its card into a folder.

    ``data/records.jsonl`` has one record in each line, with the name of its file. ``data/records.parquet`` has the same
    as columns, with nested parts as JSON; it is written if pyarrow is installed. Files of an earlier publication that
    this one has not are removed, and no others.

    Args:
        leaderboard: compiled from ``records``.
        records: the folder of the records.
        out: the folder that is written.

    Returns:
        The paths of page, data and card.

    Raises:
        UserError: as :func:`check_place`; nothing is written then.
        OSError: if the folder cannot be written.
    """
    check_place(records, out)
    unused = {entry.file for entry in leaderboard.rejected}
    files = [(name, path) for name, path in record_files(records) if name not in unused]
    used = {name: portable(read_record(path)) for name, path in files}
    texts = {
        "index.html": to_html(leaderboard, RECORDS),
        "leaderboard.csv": to_csv(leaderboard),
        "leaderboard.json": to_json(leaderboard),
        "README.md": card(used),
        ".nojekyll": "",  # GitHub Pages would otherwise look for templates
    }
    copies = {f"{RECORDS}/{path.relative_to(records).as_posix()}": used[name] for name, path in files}
    before = _written(out)
    # First the file by which the folder is known again, then the names of what an interruption may leave behind.
    write_text_atomically(out / LINES, "".join(_lines(used)))
    _note(out, {*before, *texts, *copies, PARQUET})
    for name, text in texts.items():
        write_text_atomically(out / name, text)
    for name, record in copies.items():
        write_record(out / name, record)
    figures = write_figures(leaderboard, out / "figures")
    parquet = [out / PARQUET] if _write_parquet(used, out / PARQUET) else []
    names = {LINES, *texts, *copies, *(path.relative_to(out).as_posix() for path in [*figures, *parquet])}
    for name in before - names:
        _remove(out, name)
    _note(out, names)
    return [out / "index.html", out / LINES, *parquet, out / "README.md"]


def _written(out: Path) -> set[str]:
    """The names that an earlier publication noted; none if there was none, or its list cannot be read."""
    try:
        names = json.loads((out / WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _note(out: Path, names: Iterable[str]) -> None:
    """Note what a publication has written; ASCII, because names of files may be any bytes."""
    write_text_atomically(out / WRITTEN, json.dumps(sorted(names), indent=0) + "\n")


def _remove(out: Path, name: str) -> None:
    """Remove a file that an earlier publication wrote, and the folders that are empty then.

    The list may have been changed by others: what is not a plain file in one of the places of a publication stays.
    """
    path = out / name
    try:
        inside = name.startswith(PLACES) and path.resolve() == out.resolve() / name
        if not inside or not path.is_file():
            return
    except (OSError, ValueError):  # no name of a file
        return
    path.unlink()
    for folder in path.parents:
        if folder == out or any(folder.iterdir()):
            return
        folder.rmdir()


def _lines(records: Mapping[str, Record]) -> Iterator[str]:
    for name, record in records.items():
        yield json.dumps({"file": name, **record.model_dump(mode="json")}, ensure_ascii=False) + "\n"


def _write_parquet(records: Mapping[str, Record], path: Path) -> bool:
    """The records as a table with one row for each; false without pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return False
    with replacing(path) as file:
        parquet.write_table(
            pyarrow.Table.from_pylist([columns(name, record) for name, record in records.items()]), file
        )
    return True


def columns(name: str, record: Record) -> dict[str, object]:
    """A record as one row of a table."""
    return {
        "file": name,
        "status": record.status,
        "track": record.track.name,
        "task": record.track.task,
        "network": record.track.network,
        "dataset": record.track.dataset,
        "algorithm": record.algorithm.title,
        "algorithm_settings": json.dumps(record.algorithm.settings),
        "device": record.device and record.device.name,
        "states": record.states,
        "tiles": record.tiles,
        "seed": record.seed,
        "test_acc": record.final.get("test/acc"),
        "test_loss": record.final.get("test/loss"),
        "final": json.dumps({key: repr(value) for key, value in record.final.items()}),
        "epochs": len(record.epochs),
        "steps": record.steps,
        "wall_time_s": record.wall_time_s,
        "config_hash": record.config_hash,
        "config": json.dumps(record.config),
        "resbench": record.versions.get("resbench"),
        "commit": record.git and record.git.commit,
        "finished": record.finished,
        "record": record.model_dump_json(),
    }


def card(records: Mapping[str, Record]) -> str:
    """What the data set is, in Markdown."""
    every = records.values()
    tracks = Counter(record.track.name for record in every)
    ended = Counter(record.status for record in every)
    return CARD.format(
        count=len(records),
        ended=", ".join(f"{count:,} {status}" for status, count in sorted(ended.items())),
        data=escape(", ".join(sorted({record.track.dataset for record in every}))),
        versions=escape(", ".join(sorted({record.versions.get("resbench", "unknown") for record in every}))),
        tracks="\n".join(f"| {escape(name)} | {count:,} |" for name, count in sorted(tracks.items())),
        lines=LINES,
        records=RECORDS,
        parquet=PARQUET,
        written=WRITTEN,
    )
