"""Runs side by side."""

import copy
from pathlib import Path
from typing import Any

from resbench.records.identity import config_hash
from resbench.report.comparison import Row, Value, config_differences, groups
from resbench.report.runs import Run, read_run
from tests.records.factory import MakeRecord
from tests.report.runs import tile_line, write_run


def rows(runs: list[Run]) -> dict[str, list[tuple[str, str]]]:
    return {row.name: [(v.text, v.difference) for v in row.values] for group in groups(runs) for row in group.rows}


def test_results_have_their_difference_to_the_first_run(make_record: MakeRecord, tmp_path: Path) -> None:
    runs = [
        read_run(write_run(tmp_path / str(k), make_record(seed=k, final={"test/acc": acc, "test/loss": 0.3 + k})))
        for k, acc in enumerate((0.91, 0.935))
    ]
    found = rows(runs)
    assert found["test/acc"] == [("91.00 %", ""), ("93.50 %", "+2.50")]
    assert found["test/loss"] == [("0.3000", ""), ("1.3000", "+1.0000")]
    assert found["seed"] == [("0", ""), ("1", "")]
    assert found["algorithm"] == [("Residual learning, 4 tiles", "")]  # once, as all have it
    assert found["pulses"] == [("127,500", "")]  # 4 layers with (9000 + 8000) (1 + 1/2 + 1/4 + 1/8) pulses


def test_a_run_without_a_record_says_what_its_config_does(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record()
    place = write_run(tmp_path / "run", None, [tile_line(0)], "epoch,val/acc\n0,0.5\n", config=record.config)
    found = rows([read_run(place)])
    assert found["device"] == [("SoftBounds, 10 states", "")]
    assert found["val/acc"] == [("50.00 %", "")]
    assert found["epochs"] == [("1", "")]


def test_configs_are_compared_by_the_keys_of_a_command_line(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record(lr=0.05)
    config: dict[str, Any] = copy.deepcopy(record.config)
    config["optimizer"]["init_args"]["lr"] = 0.1
    config["model"]["init_args"]["algorithm"]["init_args"]["tiles"] = 6
    config["model"]["init_args"]["seed"] = 0  # a copy of seed_everything
    config["trainer"]["logger"] = {"class_path": "x.Logger"}  # cannot change a result
    config["model"]["init_args"]["device"]["init_args"]["half_constants"] = False  # a later key at its default
    config["data"]["init_args"]["val_size"] = None
    other = record.model_copy(update={"config": config, "config_hash": config_hash(config)})
    runs = [read_run(write_run(tmp_path / str(k), one)) for k, one in enumerate((record, other))]
    nothing = read_run(write_run(tmp_path / "empty", None, config={}))
    assert config_differences([*runs, nothing]) == [
        Row(key, [Value(left), Value(right), Value("-")])
        for key, left, right in (
            ("model.algorithm.tiles", "4", "6"),
            ("optimizer.lr", "0.05", "0.1"),
            ("data.val_size", "-", "null"),
        )
    ]
