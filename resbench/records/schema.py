"""The record of a run: a versioned schema, and writing and reading it as strict JSON.

JSON has no infinity and no NaN: both are written as the strings ``"inf"``, ``"-inf"`` and ``"nan"``, in ``states``, in
every metric and inside ``config``. All other numbers survive the round trip bit for bit. ``docs/records.md`` describes
each field.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from resbench.errors import BadValue
from resbench.records.files import write_text_atomically
from resbench.records.identity import deciding, hash_of, plain
from resbench.records.text import one_line, printable
from resbench.records.titles import title

SCHEMA_VERSION = 1
MAX_RECORD_BYTES = 16 * 2**20
#: The commit of a checkout that git could not be asked about.
UNKNOWN_COMMIT = "unknown"
#: Characters of a name, and of what is said of a file that is no record.
LONGEST_TEXT, LONGEST_REASON = 10_000, 500

#: Neither control characters nor marks of direction, and no space but the plain one.
PRINTABLE = r"^(?: |[^\p{C}\p{Z}])*$"

_SPECIAL = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class RecordError(ValueError):
    """A file is not a record; the message is one line that says why, without what a terminal would act on."""

    def __init__(self, reason: str) -> None:
        line = one_line(reason)
        super().__init__(line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 3]}...")


def _from_json_number(value: Any) -> Any:
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


def _plain(value: Any, info: ValidationInfo) -> Any:
    return value if info.mode == "json" else plain(value)


def _to_json_number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


#: Whole numbers as 64 bits hold them: no larger one can be a count, and sums and products of them stay floats.
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Positive = Annotated[int, Field(ge=1, le=2**63 - 1)]
Number = Annotated[float, BeforeValidator(_from_json_number), PlainSerializer(_to_json_number, when_used="json")]
#: A name: what tables, terminals and figures show as it is.
Text = Annotated[str, Field(max_length=LONGEST_TEXT, pattern=PRINTABLE)]
PlainDict = Annotated[dict[str, JsonValue], BeforeValidator(_plain)]


class Entry(BaseModel):
    """Base of everything in a record: frozen, no conversion of types, unknown fields refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Budget(Entry):
    """How long a run may train; null where the track sets no such limit."""

    epochs: Positive | None = None
    max_steps: Positive | None = None


class Track(Entry):
    """What is the same for every row of one table: task, network, data, analog layers and budget.

    ``analog_layers`` are the name patterns of the layers that the track puts on crossbars; the digital reference
    states them too. ``train_size`` counts training examples. ``limits`` are what makes an epoch shorter, or a step
    larger, than these say: those of the trainer and of the data module, in words.
    """

    name: Text
    task: Text
    network: Text
    dataset: Text
    analog_layers: list[Text]
    budget: Budget
    train_size: Positive
    batch_size: Positive
    limits: list[Text] = []


class AlgorithmEntry(Entry):
    """A training algorithm: its name, its class and its hyper-parameters.

    ``name`` is the ``title`` that the class gives itself, else the name of the class.
    """

    name: Text
    class_path: Text
    settings: PlainDict

    @property
    def title(self) -> str:
        """As tables show it."""
        return title(self.name, self.class_path)


class DeviceEntry(Entry):
    """A device model: the name shown in tables, its class and its parameters."""

    name: Text
    class_path: Text
    settings: PlainDict


class TileEntry(Entry):
    """What one tile of a layer went through.

    ``pulses_up`` and ``pulses_down`` are totals over its devices, ``transfers`` counts columns or rows written to it
    from another tile, and ``max_writes`` is the number of pulses of its most written device. ``slots`` sums the lengths
    of all pulse trains on its lines, one for each vector of the gradient and for each line written; 0 where it changed
    without trains. ``write_histogram`` counts devices by their number of pulses w: entry 0 those never written, entry k
    those with 2^(k-1) <= w < 2^k. Both are null where a run did not record them.
    """

    name: Text
    pulses_up: Count
    pulses_down: Count
    transfers: Count
    max_writes: Count
    slots: Count | None = None
    write_histogram: list[Count] | None = None

    @model_validator(mode="after")
    def _ends_at_its_maximum(self) -> Self:
        counts = self.write_histogram
        if counts is not None and (len(counts) != self.max_writes.bit_length() + 1 or not counts[-1]):
            hint = f"do not end with the devices that have max_writes {self.max_writes}"
            raise BadValue("write_histogram", f"{len(counts)} counts", hint)
        return self


class LayerEntry(Entry):
    """One analog layer, weights ``[out_features, in_features]``, tiles fast first.

    ``reuse`` counts the vectors that one sample puts through it: 1, or the output positions of a convolution.
    """

    name: Text
    out_features: Positive
    in_features: Positive
    reuse: Positive
    tiles: list[TileEntry]


class EpochMetrics(Entry):
    """Metrics at the end of one epoch (counted from 0) after ``step`` optimiser steps."""

    epoch: Count
    step: Count
    values: dict[Text, Number]


class GitState(Entry):
    """The commit that ran, and whether files differed from it; ``unknown`` where git could not say."""

    commit: Text
    dirty: bool


class Accelerator(Entry):
    """What decides the last bits of a GPU's results: its architecture, its libraries, and whether TF32 was allowed.

    ``driver`` is null where it does not tell its version.
    """

    compute_capability: Text
    driver: Text | None
    cuda: Text
    cudnn: Text
    triton: Text | None
    tf32_matmul: bool
    tf32_cudnn: bool


class Hardware(Entry):
    """What the run ran on: processor, threads, and torch's device (``cpu`` or the model of the accelerator).

    ``instructions``, ``onednn`` and ``mkl`` are what the three libraries of torch computed with on the processor, by
    their own word: their sums are rounded by it. Null where they do not tell, and in records from before it was noted;
    ``architecture`` (``x86_64``) likewise. ``accelerator`` is null for a run on the CPU.
    """

    cpu: Text
    threads: Positive
    device: Text
    architecture: Text | None = None
    instructions: Text | None = None
    onednn: Text | None = None
    mkl: Text | None = None
    accelerator: Accelerator | None = None


class Record(Entry):
    """The result of one run, finished or not.

    ``states`` is null for a digital run and ``inf`` for devices without granularity; ``bits`` is log2 of it. ``tiles``
    counts device arrays a weight, 0 for a digital run. ``final`` holds the metrics after the last epoch (``test/acc``
    as a fraction).

    Raises:
        ValidationError: for a missing, unknown or wrong field, or where fields contradict each other.
    """

    schema_version: Literal[1] = 1
    run_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    status: Literal["complete", "interrupted", "failed", "diverged"]
    error: str | None = None
    track: Track
    algorithm: AlgorithmEntry
    device: DeviceEntry | None
    states: Annotated[Number, Field(gt=0)] | None
    bits: Number | None
    tiles: Count
    seed: Count
    config: PlainDict
    config_hash: str
    epochs: list[EpochMetrics]
    final: dict[Text, Number]
    layers: list[LayerEntry]
    data: PlainDict
    steps: Count
    wall_time_s: float = Field(ge=0, allow_inf_nan=False)
    steps_per_s: float = Field(ge=0, allow_inf_nan=False)
    versions: dict[Text, Text]
    git: GitState | None
    hardware: Hardware
    started: AwareDatetime
    finished: AwareDatetime

    @property
    def made_by(self) -> str:
        """The resbench that made it: its version, and the commit of a checkout."""
        commit = f", commit {self.git.commit[:12]}" if self.git else ""
        return f"resbench {self.versions.get('resbench', 'of an unknown version')}{commit}"

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.config_hash != (computed := hash_of(deciding(self.config))):
            raise BadValue(
                "config_hash", f"{self.config_hash[:12]}…", f"does not match config, which gives {computed[:12]}…"
            )
        if (seed := self.config.get("seed_everything")) != self.seed:
            raise BadValue("seed", self.seed, f"with seed_everything {seed} in config; both name the one seed")
        if self.states is None or self.bits is None:
            if self.bits is not self.states:
                raise BadValue(
                    "bits", self.bits, f"with states {self.states}; both are null for a digital run, else neither"
                )
        elif not math.isclose(self.bits, math.log2(self.states)):
            raise BadValue("bits", self.bits, f"is not log2 of states {self.states}; write {math.log2(self.states)}")
        if self.status == "complete" and (self.error is not None or not self.final):
            raise BadValue("status", "a complete run", "has final metrics and no error")
        if self.status == "failed" and not self.error:
            raise BadValue("error", "null", "; a failed run says why")
        numbers = [entry.epoch for entry in self.epochs]
        if numbers != sorted(set(numbers)):
            raise BadValue("epochs", "not in ascending order", ", each once")
        if self.finished < self.started:
            raise BadValue("finished", self.finished.isoformat(), "is earlier than started")
        return self


def write_record(path: Path | str, record: Record) -> None:
    """Write a record as JSON, atomically: a reader or a killed run never leaves half a file. Missing folders are made.

    Raises:
        OSError: where ``path`` cannot be written.
    """
    write_text_atomically(path, record.model_dump_json(indent=1) + "\n")


def read_record(path: Path | str) -> Record:
    """Read a record; nothing in the file is executed, imported or unpickled.

    Raises:
        RecordError: where the file is missing, larger than 16 MiB, not strict JSON, of another schema version, or not
        a valid record.
    """
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size  # 0 for a pipe; a read makes room for all that it may get
            content = file.read(1 + (size if 0 < size <= MAX_RECORD_BYTES else MAX_RECORD_BYTES))
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_RECORD_BYTES:
        raise RecordError(f"larger than {MAX_RECORD_BYTES // 2**20} MiB: not a record")
    try:
        document = json.loads(content.decode(), object_pairs_hook=_each_key_once, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not strict JSON: {error}") from None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version is None:
        raise RecordError("not a record: it has no schema_version")
    if version != SCHEMA_VERSION:
        raise RecordError(f"schema version {version!r} is not {SCHEMA_VERSION}, the one this resbench reads")
    try:
        return Record.model_validate_json(content)
    except ValidationError as error:
        raise RecordError(_reason(error)) from None


def _each_key_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{twice!r} is there twice in one object")
    return found


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def metric_differences(a: Record, b: Record) -> list[str]:
    """Where the metrics of two records (per epoch and final) differ in any bit, one line each; NaN equals NaN."""
    left, right = _metrics(a), _metrics(b)
    return [
        f"{key}: {left.get(key, 'absent')} and {right.get(key, 'absent')}"
        for key in dict.fromkeys([*left, *right])
        if left.get(key) != right.get(key)
    ]


def metrics_equal(a: Record, b: Record) -> bool:
    """Whether two records hold the same metrics bit for bit; :func:`metric_differences` says where they do not."""
    return not metric_differences(a, b)


def _metrics(record: Record) -> dict[str, str]:
    """Every metric by place; ``repr`` tells all floats apart, and -0.0 from 0.0, but calls any two NaN the same."""
    metrics = {}
    for entry in record.epochs:
        metrics[f"epoch {entry.epoch}, step"] = str(entry.step)
        metrics |= {f"epoch {entry.epoch}, {key}": repr(value) for key, value in entry.values.items()}
    return metrics | {f"final {key}": repr(value) for key, value in record.final.items()}


def _reason(error: ValidationError) -> str:
    """One line for the first of the errors, and how many more there are."""
    first, *others = error.errors(include_url=False, include_context=False)
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if PRINTABLE in message:
        message = f"{printable(str(first['input'])[:80])!r} cannot be printed; write one line of text"
    return (f"{place}: " if place else "") + message + (f" (and {len(others)} more)" if others else "")
