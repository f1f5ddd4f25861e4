"""Checks the keys of a config: the form of its sections and objects, and keys that a run must not have.

Sections are mappings, and the arguments of a class are under its ``init_args``. If a mapping has another form, the
parser takes it for something else and its message is about that. These checks come first, name the key and say what to
write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resbench.config.messages import such_as
from resbench.errors import UserError
from resbench.registry import Argument, offers

#: Keys that follow from seed_everything.
SEEDS = ("model.init_args.seed", "data.init_args.seed")
SECTIONS = ("experiment", "checkpoint", "tile_state", "trainer")
#: Keys with one object, and keys of the trainer with one or more objects.
OBJECTS = ("model", "data", "optimizer", "lr_scheduler")
TRAINER_OBJECTS = ("callbacks", "logger")
#: Keys of a mapping that describes an object.
PARTS = ("class_path", "init_args", "dict_kwargs")
#: A dotted key, whose parts a flag may contain: no spaces, no equals sign, no dash at the beginning.
DOTTED = re.compile(r"[^\s=.-][^\s=.]*(\.[^\s=.]+)*")
#: Keys of the trainer that a run must not have, with the reason.
REFUSED = {
    "barebones": "leaves out the metrics that the record is made of",
    "default_root_dir": "the run folder follows from experiment.root; write that instead",
    "fast_dev_run": "leaves out loggers and checkpoints; write limit_train_batches and max_epochs instead",
    "overfit_batches": "validates on the training data; write limit_train_batches instead",
}
#: Keys of the trainer that count something, and what is wrong with 0 and less.
COUNTS = {
    "max_epochs": "trains nothing; write a number of epochs, 1 or more",
    "max_steps": "trains nothing; write a number of steps, 1 or more, or -1 for no limit of steps",
    "val_check_interval": "is no interval; write a number of mini-batches, 1 or more, or a share such as 0.5",
    "check_val_every_n_epoch": "is no interval; write 1 or more, or limit_val_batches: 0 for no validation",
    "accumulate_grad_batches": "is no number of mini-batches; write 1 or more",
}
#: Keys that may be -1, for no limit.
UNLIMITED = ("max_epochs", "max_steps")


def check_shape(config: Mapping[str, Any]) -> None:
    """Refuse a merged config that does not have this form.

    Raises:
        UserError: with the key and what to write.
    """
    if "config_hash" in config:
        raise UserError("config: this is a record; write the config.yaml beside it, or resbench verify RECORD")
    if config.get("config") is not None:  # the parser takes it for the option of the command line
        raise UserError(f"config: {_shown(config['config'])}: there is no such key; write compose: [FILE.yaml]")
    for key in SECTIONS:
        if key in config and not isinstance(config[key], Mapping):
            raise UserError(f"{key}: {_shown(config[key])} is no mapping; leave it out, or write keys and values")
        if key in config and "class_path" in config[key]:
            raise UserError(f"{key}.class_path: there is no such key; write those of {key} itself")
    for key in OBJECTS:
        _check_object(key, config.get(key))
    trainer = config.get("trainer", {})
    for key in TRAINER_OBJECTS:
        for value in (trainer.get(key), trainer.get(f"{key}+")):
            for item in value if isinstance(value, list) else [value]:
                if not (key == "logger" and isinstance(item, bool)):
                    _check_object(f"trainer.{key}", item)


def _check_object(key: str, value: Any) -> None:
    """Refuse a value that is neither an object, the name of a class, nor null."""
    if value is None or isinstance(value, str):
        return
    if not isinstance(value, Mapping):
        raise UserError(f"{key}: {_shown(value)} is no object; write its class_path and init_args{such_as(key)}")
    for name in value:
        if name not in PARTS:
            raise UserError(f"{key}.{name}: there is no such key; write {key}.init_args.{name}")
    if "class_path" in value and not isinstance(value["class_path"], str):
        raise UserError(
            f"{key}.class_path: {_shown(value['class_path'])} is no class; write its dotted path{such_as(key)}"
        )
    arguments = value.get("init_args", {})
    if not isinstance(arguments, Mapping):
        raise UserError(f"{key}.init_args: {_shown(arguments)} is no mapping of names to values; leave it out")
    known = _known(key, value.get("class_path", ""))
    for name, item in arguments.items():
        place, argument = f"{key}.init_args.{name}", known.get(name, Argument())
        if argument.fields is not None and not isinstance(item, Mapping | str | None):
            raise UserError(f"{place}: {_shown(item)} is no mapping of names to values; leave it out, or write some")
        for part in item if isinstance(item, list) else [item]:
            named = isinstance(part, Mapping) and ("class_path" in part or "init_args" in part)
            if named or argument.shelf is not None:
                _check_object(place, part)


def _known(key: str, class_path: str) -> dict[str, Argument]:
    """What is known of arguments: of those of all tasks for the model, else of those of a class of resbench."""
    kinds = ("tasks",) if key == "model" else ("algorithms", "devices", "networks", "data", "optimizers")
    found = [
        offer
        for kind in kinds
        for offer in offers(kind)
        if key == "model" or class_path in (offer.path, offer.path.rpartition(".")[2])
    ]
    return {name: argument for offer in found for name, argument in offer.arguments.items()}


def dotted(values: Mapping[str, Any], parent: str = "") -> Iterator[str]:
    """Every dotted key of nested values, including the keys of inner mappings."""
    for key, value in values.items():
        yield f"{parent}{key}"
        if isinstance(value, Mapping):
            yield from dotted(value, f"{parent}{key}.")


def bare(key: str) -> str:
    """A dotted key without ``init_args``, which may be left out of it."""
    return key.replace(".init_args", "")


def check_dotted(values: Mapping[str, Any], place: str) -> None:
    """Refuse what is no dotted key of a config: it would be another flag, or none.

    Args:
        values: values by dotted key.
        place: the file and the key that contains them.

    Raises:
        UserError: with the key.
    """
    for key in values:
        if not DOTTED.fullmatch(key):
            raise UserError(f"{place}: {key!r} is no dotted key; write lines such as 'model.device.states: 4'")
        if key.rpartition(".")[2] in ("help", "print_config"):
            raise UserError(f"{place}: {key}: it is an option of the command line, not a key of a config; leave it out")


def _shown(value: Any) -> str:
    return "null" if value is None else repr(value)


def check_seeds(config: Mapping[str, Any], arguments: Sequence[str]) -> None:
    """Refuse seeds that follow from ``seed_everything``. The parser would accept and ignore them without a message.

    Args:
        config: the merged config.
        arguments: the flags after it.

    Raises:
        UserError: with the key.
    """
    flags = {argument.partition("=")[0].removeprefix("--").replace(".init_args", "") for argument in arguments}
    for key in SEEDS:
        section = config.get(key.split(".")[0])
        init_args = section.get("init_args") if isinstance(section, Mapping) else None
        if key.replace(".init_args", "") in flags or (isinstance(init_args, Mapping) and "seed" in init_args):
            raise UserError(f"{key}: it follows from seed_everything; write that instead")


def check_trainer(trainer: Mapping[str, Any]) -> None:
    """Refuse keys with which there would be no training, or no result of it.

    Args:
        trainer: the section of the resolved config.

    Raises:
        UserError: with the key and the reason.
    """
    if trainer["limit_train_batches"] == 0:
        raise UserError("trainer.limit_train_batches: 0 trains nothing; write a number, or null for all mini-batches")
    for key, what in COUNTS.items():
        value = trainer[key]
        if isinstance(value, int | float) and value <= 0 and not (key in UNLIMITED and value == -1):
            raise UserError(f"trainer.{key}: {value} {what}")
    if (trainer["log_every_n_steps"] or 0) < 0:
        value = trainer["log_every_n_steps"]
        raise UserError(f"trainer.log_every_n_steps: {value} is no interval; write 1 or more, or 0 to log no steps")
    for key, why in REFUSED.items():
        if trainer[key]:
            raise UserError(f"trainer.{key}: {why}")
