import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resbench.leaderboard.compact import Compactor
from resbench.leaderboard.compile import compile_runs
from resbench.leaderboard.render import to_json
from resbench.leaderboard.runs import Run
from resbench.records.schema import (
    AlgorithmEntry,
    DeviceEntry,
    EpochMetrics,
    Record,
    metric_differences,
    read_record,
    write_record,
)

MakeRecord = Callable[..., Record]


def odd(make_record: MakeRecord) -> list[Record]:
    """Records of every kind: epochs with different metrics, no epochs, numbers that are not finite, digital runs."""
    unlike = [EpochMetrics(epoch=e, step=e, values={"val/acc": 0.5} if e else {}) for e in range(3)]
    strange = [EpochMetrics(epoch=e, step=2**62, values={"val/acc": math.nan, "val/loss": -0.0}) for e in (0, 7)]
    return [
        make_record(),
        make_record(seed=1, states=4, tiles=6),
        make_record("Digital", states=None, tiles=0),
        make_record("Analog SGD", tiles=1).model_copy(update={"epochs": unlike}),
        make_record("TT-v1", tiles=2).model_copy(update={"epochs": strange, "git": None}),
        make_record("TT-v2", tiles=2).model_copy(update={"epochs": []}),
    ]


def test_a_compact_record_says_what_it_said(make_record: MakeRecord) -> None:
    compactor = Compactor()
    for record in odd(make_record):
        compact = compactor.compact(record)
        assert metric_differences(record, compact) == []
        assert [(entry.epoch, entry.step) for entry in compact.epochs] == [(e.epoch, e.step) for e in record.epochs]
        assert [repr(entry.values) for entry in compact.epochs[-2:]] == [repr(e.values) for e in record.epochs[-2:]]
        assert list(compact.layers) == record.layers
        same = ("config", "track", "algorithm", "device", "data", "versions", "hardware", "git", "final", "states")
        assert [getattr(compact, name) for name in same] == [getattr(record, name) for name in same]


def test_tables_are_those_of_the_records(make_record: MakeRecord) -> None:
    records, compactor = odd(make_record), Compactor()
    whole = [Run(file=f"{index}.json", record=record) for index, record in enumerate(records)]
    compact = [Run(file=run.file, record=compactor.compact(run.record)) for run in whole]
    assert to_json(compile_runs(compact)) == to_json(compile_runs(whole))


def test_equal_parts_are_one_object_but_not_numbers_that_only_compare_equal(make_record: MakeRecord) -> None:
    compactor = Compactor()
    first, second = (compactor.compact(make_record(seed=seed)) for seed in (0, 1))
    assert first.config["model"] is second.config["model"]
    assert first.track is second.track
    for values in ((0.0, -0.0), (1, 1.0), (1, True), ("1", 1)):
        kept = [compactor.compact(make_record().model_copy(update={"data": {"x": [v]}})).data["x"] for v in values]
        assert [repr(item) for item in kept] == [repr([value]) for value in values]


def test_an_algorithm_and_a_device_of_one_content_stay_what_they_are(make_record: MakeRecord) -> None:
    compactor = Compactor()
    same: dict[str, Any] = {"name": "Q", "class_path": "q.Q", "settings": {}}
    first = compactor.compact(make_record().model_copy(update={"device": DeviceEntry(**same)}))
    second = compactor.compact(make_record(seed=1).model_copy(update={"algorithm": AlgorithmEntry(**same)}))
    assert (type(first.device), type(second.algorithm)) == (DeviceEntry, AlgorithmEntry)
    assert second.algorithm.title == "Q"


def test_many_records_take_little_memory(tmp_path: Path, make_record: MakeRecord) -> None:
    write_record(tmp_path / "record.json", make_record(epochs=40))
    compactor = Compactor()
    kept = [compactor.compact(read_record(tmp_path / "record.json"))]
    tracemalloc.start()
    kept += [compactor.compact(read_record(tmp_path / "record.json")) for _ in range(50)]
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used / 50 < 15_000  # 50,000 of them are 0.75 GB; as they are read one takes 60 kB
