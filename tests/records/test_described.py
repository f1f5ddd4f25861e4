import copy
import math
from typing import Any

import pytest

from resbench.records.described import budget, contradictions, device_entry, network_text
from resbench.records.identity import config_hash
from resbench.records.schema import Budget, DeviceEntry, Record
from tests.records.factory import make_record


def test_a_record_as_it_was_written_says_what_its_config_says() -> None:
    assert contradictions(make_record()) == []
    assert contradictions(make_record("Digital", states=None, tiles=0)) == []
    assert contradictions(make_record(states=math.inf)) == []


@pytest.mark.parametrize(
    ("update", "found"),
    [
        ({"states": 2.0, "bits": 1.0}, "states: 2.0, and 10.0 by its config"),
        ({"tiles": 2}, "tiles: 2, and 4 by its config"),
        ({"track": {"name": "digits-noisy"}}, "track.name: digits-noisy, and mnist-10k-lenet5 by its config"),
        ({"track": {"task": "Language"}}, "track.task: Language, and Classification by its config"),
        ({"track": {"network": "LeNet5(a=1)"}}, "track.network: LeNet5(a=1), and LeNet5() by its config"),
        ({"track": {"analog_layers": []}}, "track.analog_layers: [], and ['*'] by its config"),
        ({"track": {"batch_size": 64}}, "track.batch_size: 64, and 8 by its config"),
        (
            {"track": {"budget": Budget(epochs=100)}},
            "track.budget: epochs=100 max_steps=None, and epochs=2 max_steps=None by its config",
        ),
        ({"algorithm": {"name": "TT-v2"}}, "algorithm.name: TT-v2, and Residual by its config"),
        (
            {"algorithm": {"class_path": "mine.Own"}},
            "algorithm.class_path: mine.Own, and resbench.algorithms.ResidualLearning by its config",
        ),
        ({"algorithm": {"settings": {"tiles": 2}}}, "algorithm.settings: {'tiles': 2}, and {'tiles': 4} by its config"),
        (
            {"device": {"class_path": "mine.Own"}},
            "device.class_path: mine.Own, and resbench.crossbar.devices.SoftBounds by its config",
        ),
    ],
)
def test_what_its_config_does_not_say_is_named(update: dict[str, Any], found: str) -> None:
    record = make_record()
    parts = {
        key: getattr(record, key).model_copy(update=value) if isinstance(value, dict) else value
        for key, value in update.items()
    }
    assert contradictions(record.model_copy(update=parts)) == [found]


@pytest.mark.parametrize("states", [10**400, -(10**400)])
def test_numbers_that_no_float_holds_are_named_too(states: int) -> None:
    record = _with_config(lambda config: config["model"]["init_args"]["device"]["init_args"].update(states=states))
    settings = {**(record.device.settings if record.device else {}), "states": states}
    device = record.device and record.device.model_copy(update={"settings": settings})
    (found,) = contradictions(record.model_copy(update={"device": device}))
    assert found.startswith("config: it is not that of a run (OverflowError: ")


def test_a_run_without_a_track_is_named_by_its_data_and_network() -> None:
    record = _with_config(lambda config: config["experiment"].pop("track"))
    assert contradictions(record) == ["track.name: mnist-10k-lenet5, and MNIST-LeNet5 by its config"]


@pytest.mark.parametrize("value", [None, [], "x", {"init_args": 3}])
def test_a_config_of_anything_else_is_named_in_one_line(value: Any) -> None:
    record = _with_config(lambda config: config.update(model=value))
    (line,) = contradictions(record)
    assert line.startswith("config: it is not that of a run (")


def test_several_devices_are_one_entry() -> None:
    fast: dict[str, Any] = {"class_path": "a.Fast", "init_args": {"states": 4}}
    slow: dict[str, Any] = {"class_path": "a.Slow"}
    assert device_entry([fast]) == DeviceEntry(name="Fast", class_path="a.Fast", settings={"states": 4})
    both = DeviceEntry(name="Fast + Slow", class_path="a.Fast + a.Slow", settings={"devices": [fast, slow]})
    assert device_entry([fast, slow]) == both


def test_network_and_budget_as_records_have_them() -> None:
    assert network_text({"class_path": "a.Net", "init_args": {"width": 2, "name": "x\ny"}}) == "Net(width=2, name=x y)"
    assert budget({"max_epochs": 3, "max_steps": -1}) == Budget(epochs=3, max_steps=None)
    assert budget({"max_epochs": None, "max_steps": 50}) == Budget(epochs=None, max_steps=50)


def _with_config(change: Any) -> Record:
    record = make_record()
    config = copy.deepcopy(record.config)
    change(config)
    return record.model_copy(update={"config": config, "config_hash": config_hash(config)})
