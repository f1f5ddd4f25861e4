import copy
import math
from pathlib import Path
from typing import Any

import pytest

from resbench.records.identity import config_hash, plain

CONFIG: dict[str, Any] = {
    "seed_everything": 0,
    "trainer": {"max_epochs": 2, "logger": None, "callbacks": None},
    "model": {"init_args": {"device": {"init_args": {"states": math.inf}}}},
    "data": {"class_path": "resbench.data.MNISTData", "init_args": {"root": "data", "batch_size": 8}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split(".")
    node = config
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = value
    return config


def test_the_hash_is_a_fixed_function_of_the_config() -> None:
    # Stored records name this hash: if it changes, raise the schema version.
    assert config_hash(CONFIG) == "ff6f80b806c17961c13ccaf41644dee106d52eeb2f6ec54a738f2e5719b20392"


def test_order_of_keys_does_not_matter() -> None:
    assert config_hash(dict(reversed(CONFIG.items()))) == config_hash(CONFIG)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.init_args.root", "/elsewhere"),
        ("trainer.default_root_dir", "runs/7"),
        ("trainer.logger", {"class_path": "lightning.pytorch.loggers.WandbLogger"}),
        ("trainer.enable_progress_bar", False),
        ("trainer.callbacks", []),
        ("trainer.callbacks", {"class_path": "lightning.pytorch.callbacks.RichProgressBar"}),
        ("trainer.callbacks", [{"class_path": "resbench.callbacks.TileState", "init_args": {"every": 10}}]),
        ("ckpt_path", "last.ckpt"),
        ("weights", "trained.safetensors"),
        ("weights_sha256", None),
        ("data_sha256", None),
        ("code_sha256", None),
        ("lr_scheduler_interval", "epoch"),
        ("model.init_args.device.init_args.half_constants", False),
    ],
)
def test_keys_that_cannot_change_the_numbers_are_left_out(path: str, value: Any) -> None:
    assert config_hash(changed(path, value)) == config_hash(CONFIG)


def test_a_later_argument_belongs_to_its_class_only() -> None:
    """A hidden fast tile is the default of chopped Tiki-Taka since it can be shown; others had that key before."""
    for name, is_later in (("ChoppedTikiTaka", True), ("TikiTaka", False)):
        algorithm = {"class_path": f"resbench.algorithms.{name}", "init_args": {"fast_lr": 0.1}}
        with_gamma = algorithm | {"init_args": {"fast_lr": 0.1, "gamma": 0.0}}
        hashes = [config_hash(changed("model.init_args.algorithm", config)) for config in (algorithm, with_gamma)]
        assert (hashes[0] == hashes[1]) is is_later


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed_everything", 1),
        ("trainer.max_epochs", 3),
        ("trainer.callbacks", [{"class_path": "lightning.pytorch.callbacks.EarlyStopping"}]),
        ("trainer.callbacks", [{"class_path": "resbench.callbacks.PassTime", "init_args": {"seconds_per_step": 1}}]),
        ("trainer.callbacks", [{"class_path": "resbench.callbacks.TimeBeforeTest", "init_args": {"time": "1d"}}]),
        ("trainer.callbacks", [{"class_path": 5}]),
        ("trainer.callbacks", [{"class_path": ["resbench.callbacks.TileState"]}]),
        ("trainer.callbacks", [{}]),
        ("model.init_args.device.init_args.states", 4),
        ("model.init_args.device.init_args.half_constants", True),
        ("data.init_args.batch_size", 16),
        ("weights_sha256", "4f" * 32),
        ("data_sha256", "4f" * 32),
        ("code_sha256", {"mine": "4f" * 32}),
        ("lr_scheduler_interval", "step"),
        ("data.init_args.resize", None),  # an argument of another class than the one that has it in resbench
        ("model.init_args.weights", "an argument of a network or task of one's own"),
        ("model.init_args.root", "a key that is free elsewhere only"),
    ],
)
def test_everything_else_counts(path: str, value: Any) -> None:
    assert config_hash(changed(path, value)) != config_hash(CONFIG)


def test_a_later_argument_of_one_class_is_left_out_there_only() -> None:
    configs = [
        {"data": {"class_path": "resbench.data.ImageFolderData", "init_args": {"root": "data", **more}}}
        for more in ({}, {"resize": None}, {"resize": 32})
    ]
    first, same, other = map(config_hash, configs)
    assert first == same != other


def test_plain_data_hash_as_what_json_returns() -> None:
    config = {"path": Path("a/b"), "pair": (1, 2.5), "limit": -math.inf, "nan": math.nan}
    assert plain(config) == {"path": "a/b", "pair": [1, 2.5], "limit": "-inf", "nan": "nan"}
    assert config_hash(plain(config)) == config_hash(config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model": {"loss": [1, math.sqrt]}}, r"model\.loss\.1: .* is a builtin"),
        ({"a": {0: 1}}, "a: the key 0 is a int"),
    ],
)
def test_what_json_cannot_hold_is_refused_by_name(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config_hash(config)
