"""The W&B sweep in examples/, as far as it works offline: the command lines are those that an agent would run."""

from pathlib import Path
from typing import Any

import pytest
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from resbench.cli import main
from resbench.config.files import read_mapping
from resbench.config.yaml import load_yaml
from resbench.records.schema import read_record

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "wandb_sweep.yaml"
SWEEP = read_mapping(EXAMPLE)


def command_line(values: dict[str, Any]) -> list[str]:
    arguments = create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
    parts = create_sweep_command(list(SWEEP["command"]))
    return [argument for part in parts for argument in (arguments["args"] if part == "${args}" else [part])]


@pytest.mark.parametrize("end", [0, -1])
def test_every_parameter_is_a_key_of_resbench_fit(end: int, capsys: pytest.CaptureFixture[str]) -> None:
    ends = {key: spec.get("values") or [spec["min"], spec["max"]] for key, spec in SWEEP["parameters"].items()}
    values = {key: options[end] for key, options in ends.items()}
    program, *argv = command_line(values)
    assert (program, argv[0]) == ("resbench", "fit")
    assert main([*argv, "--print_config"]) == 0
    config = load_yaml(capsys.readouterr().out)
    for key, value in values.items():
        place = config
        for part in key.split("."):
            place = place[part] if part in place else place["init_args"][part]
        assert place == value
    (logger,) = config["trainer"]["logger"]
    assert logger["init_args"]["offline"] is False


def test_the_metric_is_logged(tmp_path: Path) -> None:
    argv = command_line({"model.device.states": 4})[1:]
    offline = [argument.replace("wandb_online", "wandb") for argument in argv]
    limits = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", f"--experiment.root={tmp_path}"]
    assert main([*offline, *limits]) == 0
    (path,) = tmp_path.glob("*/*/record.json")
    record = read_record(path)
    assert record.states == 4
    assert SWEEP["metric"]["name"] in record.epochs[-1].values
