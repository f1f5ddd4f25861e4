"""Checks a set of records against the rules of the leaderboard, and writes the text of their pull request."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from resbench.config.trust import ANOTHER_VERSION, missing, refusals
from resbench.config.weights import on_shelf
from resbench.leaderboard.compile import compile_runs
from resbench.leaderboard.markdown import to_markdown
from resbench.leaderboard.markdown_text import code, escape
from resbench.leaderboard.rows import seedless_config
from resbench.leaderboard.runs import Run, data_digest
from resbench.leaderboard.searches import conflicts, is_trial, searches, split, submission_problems
from resbench.leaderboard.tables import Line, Rejected
from resbench.leaderboard.tabulate import no_fraction
from resbench.leaderboard.wording import facts
from resbench.records.described import contradictions
from resbench.records.identity import hash_of
from resbench.records.limits import untested
from resbench.records.portable import places
from resbench.records.schema import UNKNOWN_COMMIT, Entry, Record, metric_differences
from resbench.records.text import file_stem


class Finding(Entry):
    """The result of a check: a problem excludes the records, a note is for the reviewer."""

    file: str
    problem: bool
    text: Line


def check(runs: Sequence[Run], rejected: Iterable[Rejected] = (), board: Sequence[Run] = ()) -> list[Finding]:
    """Check records before they are added to the leaderboard; ``docs/submit.md`` has the list of checks.

    Args:
        runs: The records.
        rejected: Files that are not records.
        board: Records that are on the leaderboard already. Copies of the given records in their right place are
            ignored: an earlier submission made them, and it may be repeated.
    """
    places = [(destination(run), run.record) for run in runs]
    own = {place.rpartition("/")[2]: (place, record) for place, record in places}
    board = [run for run in board if not _is_copy(run, own)]
    findings = [Finding(file=entry.file, problem=True, text=entry.reason) for entry in rejected]
    for run in runs:
        findings += (Finding(file=run.file, problem=problem, text=text) for problem, text in _of_run(run))
    for find in (_repeats, _tunings, _seeds, _tracks):
        findings += find(runs, board)
    return sorted(findings, key=lambda finding: (not finding.problem, finding.file, finding.text))


def _problem(run: Run, text: str) -> Finding:
    return Finding(file=run.file, problem=True, text=text)


def _note(run: Run, text: str) -> Finding:
    return Finding(file=run.file, problem=False, text=text)


def _is_copy(run: Run, own: Mapping[str, tuple[str, Record]]) -> bool:
    """Whether a run of the board is one of the submitted records in its place there, in everything that it says."""
    place, record = own.get(run.file.rpartition("/")[2], ("", None))
    return record is not None and run.file.endswith(place) and _content(record) == _content(run.record)


def _content(record: Record) -> str:
    """All that a record says, also one whose epochs and layers are packed; NaN is equal to NaN."""
    packed = {
        "epochs": [(entry.epoch, entry.step, dict(entry.values)) for entry in record.epochs],
        "layers": list(record.layers),
    }
    return repr({name: packed.get(name, getattr(record, name)) for name in Record.model_fields})


def _of_run(run: Run) -> Iterator[tuple[bool, str]]:
    """Problems (True) and notes of one record on its own."""
    record = run.record
    if record.git and record.git.commit == UNKNOWN_COMMIT:
        yield True, "git: it could not be asked which code ran; put git on the PATH, commit and run again"
    elif record.git and record.git.dirty:
        yield True, "git: the checkout had uncommitted changes, so nobody can run the same code; commit and run again"
    yield from ((True, f"{text}; submit the record as the run wrote it") for text in contradictions(record))
    if not record.data.get("sha256"):
        yield True, "data: no checksums; a data module says them in describe()"
    measured = [("final", record.final), *((f"epoch {entry.epoch}", entry.values) for entry in record.epochs)]
    yield from (
        (True, f"{place}: {reason}")
        for place, values in measured
        for key, value in values.items()
        if (reason := no_fraction(key, value))
    )
    looked = sorted({key for entry in record.epochs for key in entry.values if key.startswith("test/")})
    if looked:
        yield True, f"epochs: {', '.join(looked)} was looked at while training; choose on val/* and test once"
    if watched := sorted(set(_monitored(record.config))):
        yield True, f"config: {', '.join(watched)} is monitored; choose on val/*"
    if record.status == "complete":
        if not record.steps:
            yield True, "steps: complete without a step of training"
        if not is_trial(record):
            if reason := untested(record.config):
                yield True, f"config: {reason}; write null and test on all"
            if not {"test/acc", "test/loss"} & record.final.keys():
                yield True, "final: neither test/acc nor test/loss"
        epochs = record.track.budget.epochs
        trained = record.epochs[-1].epoch + 1 if record.epochs else 0
        if epochs is not None and trained != epochs and not record.track.budget.max_steps:
            yield True, f"epochs: {trained} of the {epochs} of its budget"
    else:
        yield False, f"{record.status}: it is listed, and enters no mean"
    digest = record.config.get("weights_sha256")
    if digest is not None and on_shelf(str(digest)) is None:
        yield (
            True,
            f"config: weights: no file in configs/weights has the sha256 {str(digest)[:12]}; bring it in the same pull "
            "request, so that others can run resbench verify",
        )
    refused = refusals(record.config, own_paths=True)
    if paths := missing(refused):
        yield True, f"config: {', '.join(paths)}, {ANOTHER_VERSION.format(record.made_by)}, and submit with it"
    if foreign := sorted({refusal.class_path for refusal in refused if refusal.class_path} - set(paths)):
        yield False, f"config: {', '.join(foreign)} is not part of resbench; bring its code in the same pull request"
    for key, place in places(record):
        yield False, f"config: {key}: {place} is a place of one machine; a run with a relative name would not show it"
    for refusal in refused:
        if refusal.class_path is None and refusal.lacking is None:
            yield True, f"config: {refusal.key}: {refusal.text}; nobody could run it with resbench verify"


def _monitored(value: Any) -> Iterator[str]:
    """Test metrics that a callback or a scheduler watches."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "monitor" and isinstance(item, str) and item.startswith("test/"):
                yield item
            yield from _monitored(item)
    elif isinstance(value, list):
        for item in value:
            yield from _monitored(item)


def _repeats(runs: Sequence[Run], board: Sequence[Run]) -> Iterator[Finding]:
    """The same config twice, in the set or on the board."""
    seen: dict[str, Run] = {run.record.config_hash: run for run in board if run.record.status == "complete"}
    for run in runs:
        if run.record.status != "complete":
            continue
        first = seen.setdefault(run.record.config_hash, run)
        if first is not run:
            differences = metric_differences(first.record, run.record)
            text = (
                f"other metrics than {first.file} ({differences[0]})" if differences else f"duplicate of {first.file}"
            )
            yield _problem(run, f"{text}, the same config and seed")


def _tunings(runs: Sequence[Run], board: Sequence[Run]) -> Iterator[Finding]:
    """Tuned results without all of their trials, or of other points than were chosen."""
    *_, odd = split(runs)
    yield from (_problem(run, text) for run, text in odd)
    submitted = {run.file for run in runs}
    yield from (_problem(run, text) for run, text in conflicts([*board, *runs]) if run.file in submitted)
    for search in searches([*board, *runs]):
        for run, text in submission_problems(search):
            if run.file in submitted:
                yield _problem(run, text)


def _seeds(runs: Sequence[Run], board: Sequence[Run]) -> Iterator[Finding]:
    """Seeds that are missing: the seeds of a cell must be 0, 1, ..., n - 1, including failures."""
    cells: dict[str, list[Run]] = defaultdict(list)
    for run in [*board, *runs]:
        if is_trial(run.record):
            continue
        cells[hash_of([run.track.model_dump(mode="json"), seedless_config(run.record)])].append(run)
    submitted = {run.file for run in runs}
    for cell in cells.values():
        seeds = {run.record.seed for run in cell}
        own = sorted((run for run in cell if run.file in submitted), key=lambda run: run.record.seed)
        if not own:
            continue
        # The range is limited by the number of seeds, because the largest seed may be any number.
        missing = sorted(set(range(min(max(seeds) + 1, len(seeds) + 9))) - seeds)
        if missing:
            listed = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
            yield _problem(own[0], f"seeds: {listed} missing; a cell has the seeds from 0 on")
        elif len(seeds) < 3:
            name = own[0].record.algorithm.title
            yield _note(own[0], f"seeds: {name} has {len(seeds)}; three give an interval")


def _tracks(runs: Sequence[Run], board: Sequence[Run]) -> Iterator[Finding]:
    """Tracks that are new to the board, or that have other terms there under the same name."""
    known: dict[str, set[str]] = defaultdict(set)
    data: dict[str, set[str]] = defaultdict(set)
    for run in board:
        data[run.track.model_dump_json()].add(data_digest(run.record))
        known[run.record.track.name].add("; ".join(facts(run.track)))
    for track, first in {run.track.model_dump_json(): run for run in reversed(runs)}.items():
        terms = "; ".join(facts(first.track))
        others = known.get(json.loads(track)["name"], set())
        if others and terms not in others:
            known_as = " or ".join(sorted(others))
            yield _note(first, f"track: {terms}; on the board it is {known_as}: this makes a table of its own")
        elif others and data_digest(first.record) not in data[track]:
            yield _note(first, "track: its data have other checksums than on the board: this makes a table of its own")
        elif not others:
            yield _note(first, f"track: {first.record.track.name} is new: {terms}")


def destination(run: Run) -> str:
    """Where the record goes on the board: the folder of its track, and a name that no other run has."""
    record = run.record
    parts = [record.track.name, record.algorithm.name, f"{record.states:g}" if record.states else "digital"]
    folder, algorithm, states = map(file_stem, parts)
    # A config that failed twice is two runs, each with a file of its own.
    digest = hashlib.sha256(record.model_dump_json().encode()).hexdigest()
    if is_trial(record):
        folder += "/trials"
    suffix = "" if record.status == "complete" else f"-{digest[:6]}-{record.status}"
    return f"{folder}/{algorithm}-{states}-seed{record.seed}-{record.config_hash[:12]}{suffix}.json"


def pull_request(runs: Sequence[Run], findings: Sequence[Finding], destinations: Sequence[str]) -> str:
    """The text of the pull request: its records, where they ran, notes for the reviewer, and the tables."""
    records = [run.record for run in runs]
    versions = sorted(
        {", ".join(f"{name} {version}" for name, version in record.versions.items()) for record in records}
    )
    hardware = sorted({f"{r.hardware.cpu}, {r.hardware.threads} threads, {r.hardware.device}" for r in records})
    commits = sorted({record.git.commit if record.git else "an installed package" for record in records})
    shortest = min(zip(runs, destinations, strict=True), key=lambda pair: pair[0].record.wall_time_s)
    hours = sum(record.wall_time_s for record in records) / 3600
    algorithms = sorted({record.algorithm.title for record in records})
    tables = to_markdown(compile_runs(runs)).removeprefix("# Leaderboard\n").strip()
    lines = [
        f"# Records: {escape(', '.join(algorithms))}",
        "",
        f"{len(runs)} records of {len({r.track.name for r in records})} tracks, {hours:.1f} h of training.",
        "",
        *(f"- versions: {escape(line)}" for line in versions),
        *(f"- hardware: {escape(line)}" for line in hardware),
        *(f"- commit: {escape(line)}" for line in commits),
        *(f"- note: {code(finding.file)}: {escape(finding.text)}" for finding in findings if not finding.problem),
        "",
        f"Shortest run to verify, {shortest[0].record.wall_time_s:,.0f} s: {code(f'resbench verify {shortest[1]}')}",
        "",
        "- [ ] Hyper-parameters were chosen on validation data.",
        "- [ ] No run of these configs was left out.",
        "- [ ] The algorithm's code is in resbench, or in this pull request.",
        "",
        tables,
    ]
    return "\n".join(lines) + "\n"
