"""The record of a run: a versioned schema, and writing and reading it as strict JSON.

JSON has no infinity and no NaN. They are written as the strings ``"inf"``, ``"-inf"`` and ``"nan"``, in ``states``, in
metrics and in ``config``. All other numbers are read back bit for bit. ``docs/records.md`` describes each field.
"""

import math
import os
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

from resbench.errors import BadValue, UserError
from resbench.records.files import write_text_atomically
from resbench.records.identity import SEED_KEYS, deciding, hash_of, holders, plain
from resbench.records.strict_json import parse
from resbench.records.text import cut, one_line, printable
from resbench.records.titles import title

SCHEMA_VERSION = 1
MAX_RECORD_BYTES = 16 * 2**20
#: The commit of a checkout if git is missing or fails.
UNKNOWN_COMMIT = "unknown"
#: Most characters of a name, and of the reason why a file is not a record.
LONGEST_TEXT, LONGEST_REASON = 10_000, 500

#: Text without control characters and direction marks, whose only whitespace is the plain space.
PRINTABLE = r"^(?: |[^\p{C}\p{Z}])*$"

_SPECIAL = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class RecordError(ValueError):
    """A file is not a record. The message says why, in one line that is safe for a terminal."""

    def __init__(self, reason: str) -> None:
        super().__init__(cut(one_line(reason), LONGEST_REASON))


def _from_json_number(value: Any) -> Any:
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


def _plain(value: Any, info: ValidationInfo) -> Any:
    return value if info.mode == "json" else plain(value)


def _to_json_number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


#: Whole numbers of 64 bits. No count is larger, and sums and products of such numbers can be converted to floats.
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Positive = Annotated[int, Field(ge=1, le=2**63 - 1)]
Number = Annotated[float, BeforeValidator(_from_json_number), PlainSerializer(_to_json_number, when_used="json")]
#: A name, which tables, terminals and figures show unchanged.
Text = Annotated[str, Field(max_length=LONGEST_TEXT, pattern=PRINTABLE)]
PlainDict = Annotated[dict[str, JsonValue], BeforeValidator(_plain)]


class Entry(BaseModel):
    """Base of all parts of a record. Fields are frozen, types are not converted, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Budget(Entry):
    """How long a run may train. A limit that the track does not set is null."""

    epochs: Positive | None = None
    max_steps: Positive | None = None


class Track(Entry):
    """Everything that is the same for all rows of a table: task, network, data, analog layers and budget.

    ``analog_layers`` are name patterns of the layers that are on crossbars; the digital reference has them too.
    ``train_size`` counts training examples. ``limits`` lists, in words, the settings of the trainer and of the data
    module that make an epoch shorter or a step larger.
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

    ``name`` is the ``title`` of the class if it has one, else the name of the class.
    """

    name: Text
    class_path: Text
    settings: PlainDict

    @property
    def title(self) -> str:
        """Its name in tables."""
        return title(self.name, self.class_path)


class DeviceEntry(Entry):
    """A device model: the name shown in tables, its class and its parameters."""

    name: Text
    class_path: Text
    settings: PlainDict


class TileEntry(Entry):
    """The writes to one tile of a layer.

    ``pulses_up`` and ``pulses_down`` are totals over its devices. ``transfers`` counts the columns or rows that were
    written to it from another tile. ``max_writes`` is the number of pulses of the device with the most pulses.
    ``slots`` is the total length of all pulse trains: there is one for each vector of the gradient and for each line
    that is written. It is 0 if the tile changed without pulse trains. ``write_histogram`` counts devices by their
    number of pulses w. Entry 0 counts those without a pulse, and entry k those with 2^(k-1) <= w < 2^k. ``slots`` and
    ``write_histogram`` are null in records of versions that did not count them.
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
    """One analog layer with weights ``[out_features, in_features]``. The fast tile is the first.

    ``reuse`` is the number of vectors of one sample: 1, or the number of output positions of a convolution.
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
    """The commit that ran, and whether files differed from it. The commit is ``unknown`` if git could not be asked."""

    commit: Text
    dirty: bool


class Accelerator(Entry):
    """What the last bits of a GPU's results depend on: its architecture, its libraries, and whether TF32 was allowed.

    ``driver`` is null if its version is unknown.
    """

    compute_capability: Text
    driver: Text | None
    cuda: Text
    cudnn: Text
    triton: Text | None
    tf32_matmul: bool
    tf32_cudnn: bool


class Hardware(Entry):
    """Processor, threads and torch's device (``cpu`` or the model of the accelerator).

    ``instructions``, ``onednn`` and ``mkl`` are the instruction sets that the three libraries of torch report for the
    processor. The rounding of sums depends on them. They are null if a library does not report one. They and
    ``architecture`` (``x86_64``) are also null in records of versions that did not note them. ``accelerator`` is null
    for a run on the CPU.
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

    ``states`` is null for a digital run and ``inf`` for devices without granularity. ``bits`` is log2 of ``states``.
    ``tiles`` is the number of device arrays for each weight, and 0 for a digital run. ``final`` has the metrics after
    the last epoch; accuracies such as ``test/acc`` are fractions.

    Raises:
        ValidationError: for a missing, unknown or wrong field, or if fields contradict each other.
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
        """The version of resbench that made it, with the commit if it was a checkout."""
        commit = f", commit {self.git.commit[:12]}" if self.git else ""
        return f"resbench {self.versions.get('resbench', 'of an unknown version')}{commit}"

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.config_hash != (computed := hash_of(deciding(self.config))):
            raise BadValue(
                "config_hash", f"{self.config_hash[:12]}…", f"does not match config, which gives {computed[:12]}…"
            )
        seeds = {key: section[last] for key, section, last in holders(self.config, SEED_KEYS)}
        for key, seed in {SEED_KEYS[0]: None, **seeds}.items():
            if type(seed) is not int or seed != self.seed:
                raise BadValue("seed", self.seed, f"with {key} {seed} in config; both name the one seed")
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
        ends = [entry.step for entry in self.epochs]
        if ends != sorted(ends):
            raise BadValue("epochs", "steps not in ascending order", "; each epoch goes on from the one before")
        # A run that did not complete may have stopped inside an epoch.
        if self.status == "complete" and ends and self.steps != ends[-1]:
            raise BadValue("steps", self.steps, f"with the last epoch at step {ends[-1]}; both are the end of the run")
        for layer in self.layers:
            devices = layer.out_features * layer.in_features
            for tile in layer.tiles:
                if tile.write_histogram is not None and (found := sum(tile.write_histogram)) != devices:
                    hint = f"; a tile of {layer.out_features} x {layer.in_features} has {devices}"
                    raise BadValue("write_histogram", f"{found} devices in {layer.name}.{tile.name}", hint)
        if self.finished < self.started:
            raise BadValue("finished", self.finished.isoformat(), "is earlier than started")
        return self


def write_record(path: Path | str, record: Record) -> None:
    """Write a record as JSON. The file is complete or not there, even if the run is killed. Missing folders are made.

    Raises:
        OSError: if ``path`` cannot be written.
    """
    write_text_atomically(path, record.model_dump_json(indent=1) + "\n")


def read_record(path: Path | str) -> Record:
    """Read a record; nothing in the file is executed, imported or unpickled.

    Raises:
        RecordError: if the file is missing, larger than 16 MiB, not strict JSON, of another schema version, or not a
            valid record.
    """
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size  # 0 for a pipe; a read reserves the whole size
            content = file.read(1 + (size if 0 < size <= MAX_RECORD_BYTES else MAX_RECORD_BYTES))
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_RECORD_BYTES:
        raise RecordError(f"larger than {MAX_RECORD_BYTES // 2**20} MiB: not a record")
    try:
        document = parse(content)
    except ValueError as error:
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


def record_or_none(path: Path | str) -> Record | None:
    """The record in a file; None if there is none, or none that can be read."""
    try:
        return read_record(path)
    except RecordError:
        return None


def record_or_refuse(path: Path | str) -> Record:
    """The record in a file that the user named.

    Raises:
        UserError: as :func:`read_record`, with the file.
    """
    try:
        return read_record(path)
    except RecordError as error:
        raise UserError(f"{path}: {error}") from None


def metric_differences(a: Record, b: Record) -> list[str]:
    """A line for each metric, of an epoch or final, in which two records differ in any bit. NaN equals NaN."""
    left, right = _metrics(a), _metrics(b)
    return [
        f"{key}: {left.get(key, 'absent')} and {right.get(key, 'absent')}"
        for key in dict.fromkeys([*left, *right])
        if left.get(key) != right.get(key)
    ]


def _metrics(record: Record) -> dict[str, str]:
    """Every metric by its place, as ``repr``, which differs for 0.0 and -0.0 and is equal for any two NaN."""
    metrics = {}
    for entry in record.epochs:
        metrics[f"epoch {entry.epoch}, step"] = str(entry.step)
        metrics |= {f"epoch {entry.epoch}, {key}": repr(value) for key, value in entry.values.items()}
    return metrics | {f"final {key}": repr(value) for key, value in record.final.items()}


def _reason(error: ValidationError) -> str:
    """The first error in one line, and the number of the others."""
    first, *others = error.errors(include_url=False, include_context=False)
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if PRINTABLE in message:
        message = f"{printable(str(first['input'])[:80])!r} cannot be printed; write one line of text"
    return (f"{place}: " if place else "") + message + (f" (and {len(others)} more)" if others else "")
