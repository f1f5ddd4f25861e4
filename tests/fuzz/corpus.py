"""Configs of records that try to run foreign code, or to write outside of the folder of the run."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Config = dict[str, Any]

REPOSITORY = Path(__file__).resolve().parents[2]
#: A record of the leaderboard. Each hostile config changes its config at one place.
RECORD = min((REPOSITORY / "leaderboards/records/digits-mlp").glob("Residual-4-seed0-*.json"))
#: File in the present folder that shows that code ran.
MARK = "code-ran"
#: A module that must not be imported. Importing it, calling its function or building its objects writes the mark.
EVIL = f"""
from pathlib import Path
Path({MARK!r}).touch()
from lightning.pytorch.callbacks import Callback
from torch import nn
def hook(*arguments, **named):
    Path({MARK!r}).touch()
class Cb(Callback):
    pass
class Net(nn.Linear):
    pass
"""
#: A config file that names it.
EVIL_YAML = "class_path: evil.Net\ninit_args: {in_features: 64, out_features: 10}\n"
SYSTEM = {"class_path": "torch.os.system", "init_args": {"command": f"touch {MARK}"}}
POPEN = {
    "class_path": "torch.utils.cpp_extension.subprocess.Popen",
    "init_args": {"args": ["touch", MARK]},
}
LINEAR = {"in_features": 64, "out_features": 10, "bias": True}


def base() -> Config:
    """The config of :data:`RECORD`."""
    config: Config = json.loads(RECORD.read_text(encoding="utf-8"))["config"]
    return renewed(config)


def renewed(config: Config) -> Config:
    """The config of a record that is older than :class:`resbench.nn.AnalogOptimizer`, with that as its optimiser."""
    optimizer = config["optimizer"]
    if optimizer["class_path"] == "resbench.nn.AnalogSGD":  # all records have SGD without momentum and weight decay
        optimizer = an("resbench.nn.AnalogOptimizer", lr=optimizer["init_args"]["lr"])
    return config | {"optimizer": optimizer}


def prepare(folder: Path) -> None:
    """Write the files that the corpus names."""
    (folder / "evil.py").write_text(EVIL)
    (folder / "evil.yaml").write_text(EVIL_YAML)
    (folder / "plain").write_text(EVIL_YAML)
    (folder / "evil_callbacks.yaml").write_text("- class_path: evil.Cb\n")
    (folder / "pulses.yaml").write_text("pulse_type: stochastic\n")


def at(config: Config, place: str) -> Any:
    """The value at a dotted place without its last part; missing mappings are made."""
    for part in place.split(".")[:-1]:
        config = config.setdefault(part, {})
    return config


def put(place: str, value: Any) -> Callable[[Config], None]:
    """A change of a config that sets the value at a dotted place."""
    return lambda config: at(config, place).__setitem__(place.rpartition(".")[2], value)


def an(class_path: str, **init_args: Any) -> Config:
    """An object as a config writes it."""
    return {"class_path": class_path, "init_args": init_args}


ARGUMENTS = "model.init_args"
DIGITAL = "optimizer.init_args.digital"
CALLBACKS = "lightning.pytorch.callbacks"
SCHEDULERS = "torch.optim.lr_scheduler"

#: Changes of the config of a record, by name.
HOSTILE: dict[str, Callable[[Config], None]] = {
    # classes of others, as objects
    "network_class": put(f"{ARGUMENTS}.network", an("evil.Net", **LINEAR)),
    "algorithm_class": put(f"{ARGUMENTS}.algorithm", an("evil.hook")),
    "device_class": put(f"{ARGUMENTS}.device", an("evil.hook")),
    "device_is_a_command": put(f"{ARGUMENTS}.device", SYSTEM),
    "model_class": put("model", SYSTEM),
    "data_class": put("data", SYSTEM),
    "optimizer_class": put("optimizer", an("evil.hook")),
    "scheduler_class": put("lr_scheduler", an("evil.hook")),
    "callback_class": put("trainer.callbacks", [an("evil.Cb")]),
    "one_callback": put("trainer.callbacks", an("evil.Cb")),
    "logger_class": put("trainer.logger", [an("evil.hook")]),
    "profiler_class": put("trainer.profiler", an("evil.hook")),
    "plugin_class": put("trainer.plugins", [an("evil.hook")]),
    "strategy_class": put("trainer.strategy", an("evil.hook")),
    "accelerator_class": put("trainer.accelerator", an("evil.hook")),
    # functions that a trusted package has imported
    "any_argument_is_a_command": put(f"{ARGUMENTS}.network", an("torch.nn.Linear", **LINEAR, device=SYSTEM)),
    "any_argument_is_a_process": put(f"{ARGUMENTS}.network", an("torch.nn.Linear", **LINEAR, device=POPEN)),
    "dtype_is_a_command": put(f"{ARGUMENTS}.network", an("torch.nn.Linear", **LINEAR, dtype=SYSTEM)),
    "network_is_a_process": put(f"{ARGUMENTS}.network", POPEN),
    "a_class_of_the_package_that_is_not_offered": put(f"{ARGUMENTS}.network", an("resbench.cli.main")),
    "another_module_of_the_package": put(f"{ARGUMENTS}.network", an("resbench.training.fit.fit", argv=["--help"])),
    "a_class_in_the_wrong_place": put(f"{ARGUMENTS}.network", an("torch.optim.SGD", lr=0.1)),
    "optimizer_with_an_object": put("optimizer", an("torch.optim.SGD", lr=SYSTEM)),
    "own_optimizer_with_an_object": put("optimizer.init_args.lr", SYSTEM),
    "digital_optimizer_class": put(DIGITAL, an("evil.hook")),
    "digital_optimizer_is_a_command": put(DIGITAL, SYSTEM),
    "digital_optimizer_with_an_object": put(DIGITAL, an("torch.optim.AdamW", betas=SYSTEM)),
    "digital_optimizer_in_another": put(DIGITAL, an("resbench.nn.AnalogOptimizer", digital=an("evil.hook"))),
    "value_of_the_algorithm": put(f"{ARGUMENTS}.algorithm.init_args.gamma", SYSTEM),
    "value_in_a_list": put(f"{ARGUMENTS}.algorithm.init_args.gamma", [1.0, SYSTEM]),
    "pulses_are_an_object": put(f"{ARGUMENTS}.algorithm.init_args.pulses", SYSTEM),
    "mapping_is_an_object": put(f"{ARGUMENTS}.mapping", SYSTEM),
    "io_is_an_object": put(f"{ARGUMENTS}.forward_io", SYSTEM),
    "layers_are_an_object": put(f"{ARGUMENTS}.layers", SYSTEM),
    "threads_are_an_object": put("threads", SYSTEM),
    "experiment_is_an_object": put("experiment", SYSTEM),
    "max_epochs_is_an_object": put("trainer.max_epochs", SYSTEM),
    "element_of_a_cell": put(f"{ARGUMENTS}.device", an("resbench.crossbar.devices.VectorCell", devices=[SYSTEM])),
    "torch_hub": put(f"{ARGUMENTS}.network", an("torch.hub.load", repo_or_dir=".", model="x", source="local")),
    "torchvision": put(f"{ARGUMENTS}.network", an("torchvision.datasets.utils.os.system", command=f"touch {MARK}")),
    "lightning": put("trainer.callbacks", [an("lightning.pytorch.trainer.trainer.os.system", command=f"touch {MARK}")]),
    # names in strings, where a parser imports them
    "network_string": put(f"{ARGUMENTS}.network", "evil.Net"),
    "algorithm_string": put(f"{ARGUMENTS}.algorithm", "evil.hook"),
    "device_string": put(f"{ARGUMENTS}.device", "evil.hook"),
    "model_string": put("model", "evil.hook"),
    "data_string": put("data", "evil.hook"),
    "optimizer_string": put("optimizer", "evil.hook"),
    "digital_optimizer_string": put(DIGITAL, "evil.hook"),
    "scheduler_string": put("lr_scheduler", "evil.hook"),
    "callback_string": put("trainer.callbacks", "evil.Cb"),
    "callback_strings": put("trainer.callbacks", ["evil.Cb"]),
    "plugin_strings": put("trainer.plugins", ["evil.hook"]),
    "profiler_string": put("trainer.profiler", "evil.hook"),
    "logger_string": put("trainer.logger", "evil.hook"),
    "strategy_string": put("trainer.strategy", "evil.hook"),
    "accelerator_string": put("trainer.accelerator", "evil.hook"),
    "object_in_a_string": put(f"{ARGUMENTS}.network", json.dumps(an("evil.Net", **LINEAR))),
    "callbacks_in_a_string": put("trainer.callbacks", "[{class_path: evil.Cb}]"),
    # callables
    "hook_of_a_callback": put("trainer.callbacks", [an(f"{CALLBACKS}.LambdaCallback", on_train_start="evil.hook")]),
    "lambda_of_a_scheduler": put("lr_scheduler", an(f"{SCHEDULERS}.LambdaLR", lr_lambda="evil.hook")),
    "scale_of_a_scheduler": put(
        "lr_scheduler", an(f"{SCHEDULERS}.CyclicLR", base_lr=0.1, max_lr=0.2, scale_fn="evil.hook")
    ),
    "size_of_a_monitor": put("trainer.callbacks", [an(f"{CALLBACKS}.ThroughputMonitor", batch_size_fn="evil.hook")]),
    "average": put(
        "trainer.callbacks", [an(f"{CALLBACKS}.StochasticWeightAveraging", swa_lrs=0.1, avg_fn="evil.hook")]
    ),
    "pruning": put("trainer.callbacks", [an(f"{CALLBACKS}.ModelPruning", pruning_fn="evil.hook")]),
    "theme_of_a_bar": put("trainer.callbacks", [an(f"{CALLBACKS}.RichProgressBar", theme=an("evil.hook"))]),
    # files of configs
    "network_file": put(f"{ARGUMENTS}.network", "evil.yaml"),
    "network_file_without_an_ending": put(f"{ARGUMENTS}.network", "plain"),
    "callbacks_file": put("trainer.callbacks", "evil_callbacks.yaml"),
    "model_file": put("model", "evil.yaml"),
    "trainer_file": put("trainer", "evil.yaml"),
    "experiment_file": put("experiment", "evil.yaml"),
    "pulses_file": put(f"{ARGUMENTS}.algorithm.init_args.pulses", "pulses.yaml"),
    "compose": put("compose", ["evil.yaml"]),
    "config": put("config", ["evil.yaml"]),
    # keys that only a parser knows
    "appended_callbacks": put("trainer.callbacks+", [an("evil.Cb")]),
    "dotted_key": lambda config: config.__setitem__("trainer.callbacks", [an("evil.Cb")]),
    "dict_kwargs": put(f"{ARGUMENTS}.network.dict_kwargs", {"activation": SYSTEM}),
    "unknown_section": put("evil", SYSTEM),
    "unknown_key_of_the_trainer": put("trainer.evil", SYSTEM),
    # places outside of the folder
    "checkpoints_elsewhere": put("trainer.callbacks", [an(f"{CALLBACKS}.ModelCheckpoint", dirpath="../outside")]),
    "checkpoint_above": put("trainer.callbacks", [an(f"{CALLBACKS}.ModelCheckpoint", filename="../../../../outside")]),
    "checkpoint_by_a_field": put(
        "trainer.callbacks", [an(f"{CALLBACKS}.ModelCheckpoint", filename=".{epoch!s:.0}./.{epoch!s:.0}./outside")]
    ),
    "exception_elsewhere": put("trainer.callbacks", [an(f"{CALLBACKS}.OnExceptionCheckpoint", dirpath="../outside")]),
    "profile_elsewhere": put(
        "trainer.profiler", an("lightning.pytorch.profilers.SimpleProfiler", dirpath="../outside", filename="x")
    ),
    "logger_elsewhere": put("trainer.logger", an("lightning.pytorch.loggers.CSVLogger", save_dir="../outside")),
    "logger_at_home": put("trainer.logger", an("lightning.pytorch.loggers.TensorBoardLogger", save_dir="~/outside")),
    "root_elsewhere": put("trainer.default_root_dir", "../outside"),
    "data_elsewhere": put("data", an("resbench.data.ImageFolderData", root="../outside")),
    "download_elsewhere": put("data", an("resbench.data.MNISTData", root="/tmp/outside", download=True)),
    "text_elsewhere": put("data", an("resbench.data.CharacterData", root="data", path="/dev/zero")),
    "weights_elsewhere": put("weights", "../outside.safetensors"),
    "registry": put("trainer.model_registry", "evil"),
}


def configs() -> Iterator[tuple[str, Config]]:
    """Name and config of each."""
    whole = base()
    for name, change in HOSTILE.items():
        config = copy.deepcopy(whole)
        change(config)
        yield name, config


def files(folder: Path) -> dict[str, bytes]:
    """The content of all files in a folder, which shows every change."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")
    }
