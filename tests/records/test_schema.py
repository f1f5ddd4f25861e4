import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from resbench.records.identity import config_hash
from resbench.records.schema import (
    Entry,
    EpochMetrics,
    Record,
    RecordError,
    metric_differences,
    read_record,
    write_record,
)

MakeRecord = Callable[..., Record]


def bits(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


@given(value=st.floats() | st.sampled_from([math.inf, -math.inf, math.nan, -0.0, 5e-324]))
def test_every_float_survives_strict_json(value: float) -> None:
    entry = EpochMetrics(epoch=0, step=1, values={"train/loss": value})
    text = entry.model_dump_json()
    json.loads(text, parse_constant=lambda literal: pytest.fail(f"{literal} is not JSON"))
    assert bits(EpochMetrics.model_validate_json(text).values["train/loss"]) == bits(value)


@pytest.mark.parametrize("states", [None, 4, 10.0, math.inf])
def test_round_trip_keeps_everything(tmp_path: Path, make_record: MakeRecord, states: float | None) -> None:
    record = make_record(states=states)
    write_record(tmp_path / "a" / "record.json", record)
    assert read_record(tmp_path / "a" / "record.json") == record


def test_infinite_states_are_the_string_inf_on_disk(tmp_path: Path, make_record: MakeRecord) -> None:
    write_record(tmp_path / "record.json", make_record(states=math.inf))
    document = json.loads((tmp_path / "record.json").read_text())
    assert document["states"] == document["bits"] == "inf"
    assert document["config"]["model"]["init_args"]["device"]["init_args"]["states"] == "inf"


@pytest.mark.parametrize("accuracy", [0.0, 1.0, 1.0000001, math.nan])
def test_an_accuracy_is_a_fraction_but_for_rounding_or_nan(
    tmp_path: Path, make_record: MakeRecord, accuracy: float
) -> None:
    write_record(tmp_path / "record.json", make_record(final={"test/acc": accuracy, "test/loss": 1e308}))
    assert bits(read_record(tmp_path / "record.json").final["test/acc"]) == bits(accuracy)


def change_seed(document: dict[str, Any], seed: object, *sections: str) -> None:
    section = document["config"]
    for key in sections:
        section = section[key]
    section["seed" if sections else "seed_everything"] = seed
    document["config_hash"] = config_hash(document["config"])


def count_devices(document: dict[str, Any], devices: int) -> None:
    """All devices of the first tile got as many pulses as the one with the most, which are 90."""
    document["layers"][0]["tiles"][0]["write_histogram"] = [0] * 7 + [devices]


def change_config(document: dict[str, Any]) -> None:
    document["config"]["optimizer"]["init_args"]["lr"] = 0.1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda document: document.update(schema_version=2), "schema version 2 is not 1"),
        (lambda document: document.pop("schema_version"), "it has no schema_version"),
        (lambda document: document.pop("seed"), "seed: Field required"),
        (lambda document: document.update(colour="red"), "colour: Extra inputs are not permitted"),
        (lambda document: document["track"].update(colour="red"), "track.colour: Extra inputs"),
        (lambda document: document.update(seed="0", tiles=-1), "tiles: .* greater than or equal to 0 (and 1 more)"),
        (lambda document: document["final"].update(acc=True), "final.acc: Input should be a valid number"),
        (lambda document: document["final"].update(acc="infinite"), "final.acc: Input should be a valid number"),
        (lambda document: document.update(run_id="../../etc/passwd"), "run_id: String should match pattern"),
        (lambda document: document["track"].update(name="a\x1b[2Jb"), "track.name: .* cannot be printed"),
        (lambda document: document["algorithm"].update(name="two\nlines"), "algorithm.name: .* cannot be printed"),
        (lambda document: document["final"].update({"\u202egnp": 0.5}), "final.* cannot be printed"),
        (lambda document: document["versions"].update(torch="\x00"), "versions.torch: .* cannot be printed"),
        (lambda document: document["hardware"].update(cpu="x" * 10_001), "hardware.cpu: .* at most 10000 characters"),
        (lambda document: document.update({"\x1b[2J": 1}), "Extra inputs are not permitted"),
        (lambda document: document.update(states="nan"), "states: Input should be greater than 0"),
        (lambda document: document.update(bits=3), "bits: 3.0 is not log2 of states 10.0; write 3.32"),
        (lambda document: document.update(bits=None), "bits: None with states 10.0"),
        (lambda document: document.update(status="failed"), "error: null; a failed run says why"),
        (lambda document: document.update(error="killed"), "status: a complete run has final metrics and no error"),
        (lambda document: document.update(final={}), "status: a complete run has final metrics"),
        (lambda document: document["epochs"].reverse(), "epochs: not in ascending order"),
        (lambda document: document.update(finished="2026-01-01T00:00:00Z"), "finished: .* is earlier than started"),
        (lambda document: document.update(started="2026-01-01T00:00:00"), "started: .* timezone"),
        (lambda document: document.update(seed=7), "seed: 7 with seed_everything 0 in config"),
        (lambda document: change_seed(document, 0.0), "seed: 0 with seed_everything 0.0 in config"),
        (lambda document: change_seed(document, False), "seed: 0 with seed_everything False in config"),
        (
            lambda document: change_seed(document, 3, "model", "init_args"),
            "seed: 0 with model.init_args.seed 3 in conf",
        ),
        (
            lambda document: change_seed(document, "*", "data", "init_args"),
            "seed: 0 with data.init_args.seed . in conf",
        ),
        (lambda document: document.update(steps=2499), "steps: 2499 with the last epoch at step 2500; both are"),
        (lambda document: document["epochs"][0].update(step=2501), "epochs: steps not in ascending order"),
        (lambda document: document.update(steps_per_s="12.5"), "steps_per_s: Input should be a valid number"),
        (lambda document: document.update(steps_per_s=True), "steps_per_s: Input should be a valid number"),
        (lambda document: document.update(steps_per_s="inf"), "steps_per_s: Input should be a valid number"),
        (
            lambda document: count_devices(document, 399),
            "write_histogram: 399 devices in conv1.tile0; a tile of 16 x 25 has 400",
        ),
        (change_config, "config_hash: [0-9a-f]{12}… does not match config"),
    ],
)
def test_an_invalid_record_is_refused_in_one_line(
    tmp_path: Path, make_record: MakeRecord, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    document = json.loads(make_record().model_dump_json())
    change(document)
    (tmp_path / "record.json").write_text(json.dumps(document))
    with pytest.raises(RecordError, match=reason.replace("(", r"\(").replace(")", r"\)")) as caught:
        read_record(tmp_path / "record.json")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 500


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not strict JSON: Expecting value"),
        (b'{"schema_version": 1, "seed": 0, "seed": 1}', "not strict JSON: 'seed' is there twice"),
        (b'{"schema_version": 1, "track": {"name": "a", "name": "a"}}', "not strict JSON: 'name' is there twice"),
        (b'{"schema_version": 1, "seed": ' + b"9" * 5000 + b"}", "not strict JSON: Exceeds the limit"),
        (b'{"schema_version": 1, "run_id": "a', "not strict JSON"),
        (b'{"schema_version": 1, "seed": NaN}', "not strict JSON"),
        (b'{"schema_version": 1, "data": {"sha256": 1e400}}', 'not strict JSON: 1e400 .* write "inf"'),
        (b"\x80\x04\x95\x0b\x00cos\nsystem\n", "not strict JSON"),
        (b"[" * 100_000, "not strict JSON"),
        (b"[1]", "not a record"),
        (b" " * (16 * 2**20 + 1), "larger than 16 MiB"),
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "record.json").write_bytes(content)
    with pytest.raises(RecordError, match=reason):
        read_record(tmp_path / "record.json")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read: No such file"):
        read_record(tmp_path / "record.json")


def test_a_run_that_failed_before_its_first_epoch_is_a_record(make_record: MakeRecord) -> None:
    record = make_record(status="failed", error="RuntimeError: out of memory", epochs=1, final={})
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_a_run_that_stopped_inside_an_epoch_is_a_record(make_record: MakeRecord) -> None:
    document = json.loads(make_record(status="interrupted", final={}).model_dump_json())
    count_devices(document, 400)
    document["steps"] += 7
    assert Record.model_validate_json(json.dumps(document)).steps == 2507


def test_the_hash_is_checked_when_a_record_is_made(make_record: MakeRecord) -> None:
    fields = dict(make_record()) | {"config_hash": config_hash({})}
    with pytest.raises(ValidationError, match="does not match config"):
        Record(**fields)


def test_metrics_are_compared_bit_for_bit(make_record: MakeRecord) -> None:
    final = {"test/acc": 0.1, "test/loss": math.nan, "gap": -0.0}
    a, same = make_record(final=final), make_record(final=dict(final), minutes=5)
    assert not metric_differences(a, same)
    b = make_record(final={"test/acc": math.nextafter(0.1, 1), "gap": 0.0}, epochs=1)
    assert metric_differences(a, b)
    assert metric_differences(a, b) == [
        "epoch 1, step: 2500 and absent",
        "epoch 1, train/loss: 0.2 and absent",
        "epoch 1, val/acc: 0.9 and absent",
        "final test/acc: 0.1 and 0.10000000000000002",
        "final test/loss: nan and absent",
        "final gap: -0.0 and 0.0",
    ]


def test_the_page_on_records_names_every_field() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "records.md").read_text(encoding="utf-8")
    fields = {
        field
        for entry in Entry.__subclasses__()
        for field in entry.model_fields
        if entry.__module__.endswith("records")
    }
    assert not {field for field in fields if f"`{field}`" not in page}
