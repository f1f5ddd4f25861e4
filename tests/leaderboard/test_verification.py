import math
from collections.abc import Callable
from typing import Any

import pytest

from resbench.leaderboard.verification import compare, environment_differences, rerun_config
from resbench.records.schema import EpochMetrics, Hardware, LayerEntry, Record

MakeRecord = Callable[..., Record]


def run(make_record: MakeRecord, *losses: float, accuracy: float = 0.9, **changes: Any) -> Record:
    epochs = [EpochMetrics(epoch=e, step=e + 1, values={"train/loss": loss}) for e, loss in enumerate(losses)]
    return make_record(accuracy=accuracy).model_copy(update={"epochs": epochs} | changes)


def test_equal_metrics_are_equal_wherever_they_came_from(make_record: MakeRecord) -> None:
    record = run(make_record, 1.0, math.nan)
    for same in (True, False):
        verdict = compare(record, run(make_record, 1.0, math.nan), same)
        assert (verdict.kind, verdict.compared, verdict.differences) == ("equal", 5, [])


def test_one_bit_is_a_difference_in_the_same_environment_only(make_record: MakeRecord) -> None:
    record, again = run(make_record, 1.0, 0.5), run(make_record, math.nextafter(1.0, 2), 0.5)
    same = compare(record, again, True)
    assert (same.kind, same.differences) == ("different", ["epoch 0, train/loss: 1.0 and 1.0000000000000002"])
    assert compare(record, again, False).kind == "close"


@pytest.mark.parametrize(
    ("loss", "accuracy", "kind"),
    [(0.51, 0.919, "close"), (0.52, 0.9, "different"), (0.5, 0.93, "different"), (math.nan, 0.9, "different")],
)
def test_the_tolerance_is_absolute_for_fractions_and_relative_for_losses(
    make_record: MakeRecord, loss: float, accuracy: float, kind: str
) -> None:
    again = run(make_record, 1.0, loss, accuracy=accuracy)
    verdict = compare(run(make_record, 1.0, 0.5), again, False, tolerance=0.021)
    assert verdict.kind == kind
    assert len(verdict.differences) == (1 if kind == "different" else 2 if accuracy != 0.9 else 1)


def test_the_first_epochs_are_compared_alone(make_record: MakeRecord) -> None:
    record, again = run(make_record, 1.0, 0.5), run(make_record, 1.0, accuracy=0.1)
    assert compare(record, again, True, epochs=1).kind == "equal"
    ended = compare(record, again, True)
    assert (ended.kind, ended.compared) == ("different", 0)
    assert "complete, and now complete after 1 epochs" in ended.differences[0]


def test_another_end_or_other_data_cannot_be_equal(make_record: MakeRecord) -> None:
    record = run(make_record, 1.0)
    failed = run(make_record, 1.0, status="failed", error="no memory", final={})
    assert compare(record, failed, True).differences[0].endswith("now failed after 1 epochs (no memory)")
    other = run(make_record, 1.0, data={"sha256": {"train": "00"}})
    assert compare(record, other, True).differences[0].startswith("data: the checksums are")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("states", 2.0, "states: 2.0 and 10.0"),
        ("tiles", 1, "tiles: 1 and 4"),
        ("track", {"name": "other"}, "track: other and mnist-10k-lenet5"),
        ("track", {"train_size": 7}, "train_size: 7 and 10000"),
        ("track", {"dataset": "FashionMNIST"}, "dataset: FashionMNIST and MNIST"),
        ("algorithm", {"name": "Mine"}, "algorithm: Mine and Residual learning"),
        ("device", {"name": "Mine"}, "device: Mine and SoftBounds"),
    ],
)
def test_what_a_record_says_of_its_run_is_compared(make_record: MakeRecord, field: str, value: Any, said: str) -> None:
    again = run(make_record, 1.0)
    part = getattr(again, field)
    forged = run(make_record, 1.0, **{field: part.model_copy(update=value) if isinstance(value, dict) else value})
    for epochs in (None, 1):
        verdict = compare(forged, again, True, epochs)
        assert (verdict.kind, verdict.differences) == ("different", [said])


def test_steps_and_pulses_are_compared_where_all_metrics_are_equal(make_record: MakeRecord) -> None:
    again = run(make_record, 1.0)
    layer = again.layers[0]
    tile = layer.tiles[0].model_copy(update={"max_writes": 1, "transfers": 0})
    layers = [layer.model_copy(update={"tiles": [tile, *layer.tiles[1:]]}), *again.layers[1:]]
    forged = run(make_record, 1.0, steps=3, layers=layers)
    assert compare(forged, again, True, epochs=1).kind == "equal"
    assert compare(forged, again, False).differences == [
        "steps: 3 and 2500",
        "conv1.tile0, transfers: 0 and 640",
        "conv1.tile0, max_writes: 1 and 90",
    ]
    # Versions that did not count slots wrote null.
    counted = tile.model_copy(update={"slots": 5})
    newer = [layer.model_copy(update={"tiles": [counted, *layer.tiles[1:]]}), *again.layers[1:]]
    assert compare(run(make_record, 1.0, layers=layers), run(make_record, 1.0, layers=newer), True).kind == "equal"


def test_sizes_of_layers_and_names_of_tiles_are_compared_wherever_it_ran(make_record: MakeRecord) -> None:
    again = run(make_record, 1.0)
    first, *others = again.layers
    changes: list[tuple[list[LayerEntry], str]] = [
        ([], "layers: none and conv1, conv2, fc1, fc2"),
        ([*others, first], "layers: conv2, fc1, fc2, conv1 and conv1, conv2, fc1, fc2"),
        ([first.model_copy(update={"out_features": 15}), *others], "conv1, out_features: 15 and 16"),
        ([first.model_copy(update={"in_features": 1}), *others], "conv1, in_features: 1 and 25"),
        ([first.model_copy(update={"reuse": 1}), *others], "conv1, reuse: 1 and 576"),
        ([first.model_copy(update={"tiles": first.tiles[:1]}), *others], "conv1, tiles: tile0 and tile0, "),
    ]
    for layers, said in changes:
        for same_environment, epochs in ((True, None), (True, 1), (False, None)):
            verdict = compare(run(make_record, 1.0, layers=layers), again, same_environment, epochs)
            assert verdict.kind == "different"
            assert verdict.differences[0].startswith(said)


def test_environments_differ_in_versions_commit_and_hardware(make_record: MakeRecord) -> None:
    record = make_record()
    assert record.git
    assert environment_differences(record, record.versions, record.git.commit, record.hardware) == []
    versions = record.versions | {"torch": "2.14.0", "numba": "0.61"}
    here = Hardware(cpu="x86_64", threads=1, device="NVIDIA H100", instructions="AVX512")
    assert environment_differences(record, versions, None, here) == [
        "torch 2.15.0 there, 2.14.0 here",
        "numba unknown there, 0.61 here",
        f"commit {record.git.commit} there, unknown here",
        "device cpu there, NVIDIA H100 here",
        "instructions AVX2 there, AVX512 here",
    ]


def test_the_config_runs_elsewhere_without_loggers_and_derived_seeds(make_record: MakeRecord) -> None:
    record = make_record()
    record.config["model"]["init_args"]["seed"] = 0  # type: ignore[index,call-overload]
    config = rerun_config(record, "/tmp/again", epochs=1, data_root="/data")
    assert config["experiment"] == {"root": "/tmp/again", "name": "verify", "track": "mnist-10k-lenet5"}
    assert (config["trainer"]["max_epochs"], config["trainer"]["logger"]) == (1, None)
    assert "seed" not in config["model"]["init_args"]
    assert config["data"]["init_args"]["root"] == "/data"
    record.config["data"]["init_args"] = {"batch_size": 8}  # type: ignore[index,call-overload]
    assert rerun_config(record, "/tmp/again", data_root="/data")["data"]["init_args"] == {"batch_size": 8}
    assert record.config["trainer"]["max_epochs"] == 2  # type: ignore[index,call-overload]
    odd = record.model_copy(update={"config": {"model": [], "trainer": None}})
    assert rerun_config(odd, "/tmp/again")["trainer"]["logger"] is None
