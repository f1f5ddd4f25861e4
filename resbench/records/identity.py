"""The identity of a run: the hash of its resolved config, without the keys that cannot change its result."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

from resbench.errors import BadValue

#: Dotted keys of a resolved config that do not change the result: they say where a run writes, what it shows and where
#: its files are. The folder of the data is one of them, because published data are the same in any folder, and data of
#: one's own have a checksum as a key, as a file of weights has.
RESULT_FREE_KEYS = frozenset(
    {
        "checkpoint",
        "ckpt_path",
        "config",
        "data.init_args.download",
        "data.init_args.root",
        "experiment.name",
        "experiment.root",
        "tile_state",
        "trainer.default_root_dir",
        "trainer.enable_checkpointing",
        "trainer.enable_model_summary",
        "trainer.enable_progress_bar",
        "trainer.log_every_n_steps",
        "trainer.logger",
        "trainer.profiler",
        "weights",
        "weights_only",
    }
)

#: Dotted keys of a resolved config that have the seed of the run. The last two follow from the first.
SEED_KEYS = ("seed_everything", "model.init_args.seed", "data.init_args.seed")

#: Shell patterns for the class paths of callbacks that only watch. All other callbacks are part of the identity.
RESULT_FREE_CALLBACKS = (
    "resbench.callbacks.*",
    "lightning.pytorch.callbacks.DeviceStatsMonitor",
    "lightning.pytorch.callbacks.LearningRateMonitor",
    "lightning.pytorch.callbacks.ModelCheckpoint",
    "lightning.pytorch.callbacks.*ModelSummary",
    "lightning.pytorch.callbacks.*ProgressBar",
)

#: Of the callbacks above those that change weights after all.
CHANGING_CALLBACKS = ("resbench.callbacks.*PassTime", "resbench.callbacks.*TimeBeforeTest")

#: Keys that were added after the first records had been published, each with the value that computes the same as before
#: the key was added; ``CLASS.argument`` is an argument of that class only. A config with this value has the same hash
#: as one without the key, so old records stay comparable.
LATER_KEYS: Mapping[str, Any] = {
    "half_constants": False,
    "zero_shift": 0,
    "arithmetic": "native",
    "tuning": None,
    "weights_sha256": None,
    "data_sha256": None,
    "code_sha256": None,
    "lr_scheduler_interval": "epoch",
    "ImageFolderData.resize": None,
    "ChoppedTikiTaka.gamma": 0.0,
    "ChoppedTikiTaka.with_reset_prob": 0.0,
}


def config_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 (64 hex digits) of the part of a resolved config that decides the result.

    The config is converted to plain data (:func:`plain`). :data:`RESULT_FREE_KEYS`, :data:`RESULT_FREE_CALLBACKS` and
    :data:`LATER_KEYS` with the value of before are removed. The rest is written as JSON with sorted keys, no whitespace
    and floats as Python's ``repr``. The seed is included, so each run has its own hash.

    Raises:
        BadValue: if the config has a value that JSON cannot represent; it names the key.
    """
    return hash_of(result_config(config))


def result_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that decides the result, as plain data."""
    return deciding(plain(config))


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same as :func:`result_config`, for a config that is plain data already."""
    kept = _as_before(without(config, lambda path: path in RESULT_FREE_KEYS))
    trainer = kept.get("trainer")
    if isinstance(trainer, dict) and (counted := counted_callbacks(trainer.pop("callbacks", None))):
        trainer["callbacks"] = counted
    return cast("dict[str, Any]", kept)


def counted_callbacks(callbacks: Any) -> list[Any]:
    """The callbacks of a config (None, one, or a list) that do more than watch."""
    return [callback for callback in as_list(callbacks or []) if not _only_watches(callback)]


def hash_of(value: Any) -> str:
    """SHA-256 of plain data as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def without(config: Mapping[str, Any], drop: Callable[[str], bool], parent: str = "") -> dict[str, Any]:
    """A copy of plain data without the keys for whose dotted path ``drop`` is true. Lists are not searched."""
    kept = {}
    for key, value in config.items():
        path = f"{parent}.{key}" if parent else key
        if not drop(path):
            kept[key] = without(value, drop, path) if isinstance(value, dict) else value
    return kept


def plain(value: Any, path: str = "") -> Any:
    """The value as plain data, which strict JSON can represent.

    Paths become strings and tuples become lists. Infinity and NaN become ``"inf"``, ``"-inf"`` and ``"nan"``.

    Raises:
        BadValue: for any other type, naming the key and the type.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise BadValue(path or "config", f"the key {key!r}", f"is a {type(key).__name__}; write a string")
        return {key: plain(item, f"{path}.{key}" if path else key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{path}.{index}") for index, item in enumerate(value)]
    raise BadValue(
        path or "config", repr(value), f"is a {type(value).__name__}; write a dict, list, str, number, bool or None"
    )


def _as_before(value: Any, owner: str = "") -> Any:
    """Plain data without those of the later keys that have the value of before; arguments have the class ``owner``."""
    if isinstance(value, list):
        return [_as_before(item) for item in value]
    if isinstance(value, dict):
        name = str(value.get("class_path", "")).rpartition(".")[2]
        return {
            key: _as_before(item, name if key == "init_args" else "")
            for key, item in value.items()
            if not any(later in LATER_KEYS and item == LATER_KEYS[later] for later in (key, f"{owner}.{key}"))
        }
    return value


def holders(config: Mapping[str, Any], keys: Iterable[str]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Of dotted keys those that a config has, each with the section that holds it and its last part."""
    for key in keys:
        *parents, last = key.split(".")
        section: Any = config
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if isinstance(section, dict) and last in section:
            yield key, section, last


def as_list(value: Any) -> list[Any]:
    """The list itself, or a list with a value that may also be written alone."""
    return value if isinstance(value, list) else [value]


def _only_watches(callback: Any) -> bool:
    class_path = callback.get("class_path") if isinstance(callback, dict) else None
    if not isinstance(class_path, str):  # a record of others may say anything
        return False
    changes, watches = (
        any(fnmatchcase(class_path, pattern) for pattern in patterns)
        for patterns in (CHANGING_CALLBACKS, RESULT_FREE_CALLBACKS)
    )
    return watches and not changes
