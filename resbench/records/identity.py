"""The identity of a run: the hash of its resolved config, without the keys that cannot change its numbers."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

from resbench.errors import BadValue

#: Dotted keys of a resolved config that say where a run writes, what it shows or where it starts from, never what it
#: computes. Where the data lie is left out too: the record holds their checksums.
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
        "weights_only",
    }
)

#: Callbacks (by class path, shell patterns) that only watch; any other entry of ``trainer.callbacks`` counts.
RESULT_FREE_CALLBACKS = (
    "resbench.callbacks.*",
    "lightning.pytorch.callbacks.DeviceStatsMonitor",
    "lightning.pytorch.callbacks.LearningRateMonitor",
    "lightning.pytorch.callbacks.ModelCheckpoint",
    "lightning.pytorch.callbacks.*ModelSummary",
    "lightning.pytorch.callbacks.*ProgressBar",
)

#: Keys that came after records had been published, with what computes the same as before there was the key. A config
#: that holds it has the hash of one without the key, so that old records stay comparable.
LATER_KEYS: Mapping[str, Any] = {"half_constants": False, "arithmetic": "native", "tuning": None}


def config_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 (64 hex digits) of what a resolved config computes.

    The config is made plain (:func:`plain`), loses :data:`RESULT_FREE_KEYS`, :data:`RESULT_FREE_CALLBACKS` and those of
    the :data:`LATER_KEYS` that change nothing, and is written as JSON with sorted keys, no whitespace and floats as
    Python's ``repr``. The seed is part of it: one hash is one run.

    Raises:
        BadValue: where the config holds something that JSON cannot, naming the key.
    """
    return hash_of(result_config(config))


def result_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that decides the numbers, as plain data."""
    return deciding(plain(config))


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """As :func:`result_config`, of a config that is plain data already."""
    kept = _as_before(without(config, lambda path: path in RESULT_FREE_KEYS))
    trainer = kept.get("trainer")
    if isinstance(trainer, dict) and (counted := counted_callbacks(trainer.pop("callbacks", None))):
        trainer["callbacks"] = counted
    return cast("dict[str, Any]", kept)


def counted_callbacks(callbacks: Any) -> list[Any]:
    """Of the callbacks of a config, none, one or a list, those that do more than watch."""
    return [callback for callback in _as_list(callbacks or []) if not _only_watches(callback)]


def hash_of(value: Any) -> str:
    """SHA-256 of plain data as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def without(config: Mapping[str, Any], drop: Callable[[str], bool], parent: str = "") -> dict[str, Any]:
    """A copy of plain data without the keys whose dotted path ``drop`` names; lists are kept whole."""
    kept = {}
    for key, value in config.items():
        path = f"{parent}.{key}" if parent else key
        if not drop(path):
            kept[key] = without(value, drop, path) if isinstance(value, dict) else value
    return kept


def plain(value: Any, path: str = "") -> Any:
    """Plain data that strict JSON can hold.

    Paths become strings, tuples lists, and infinity and NaN the strings ``"inf"``, ``"-inf"`` and ``"nan"``.

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


def _as_before(value: Any) -> Any:
    """Plain data without the later keys that hold what computes the same as before."""
    if isinstance(value, list):
        return [_as_before(item) for item in value]
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in LATER_KEYS or item != LATER_KEYS[key]}
        return {key: _as_before(item) for key, item in kept.items()}
    return value


def _as_list(callbacks: Any) -> list[Any]:
    return callbacks if isinstance(callbacks, list) else [callbacks]


def _only_watches(callback: Any) -> bool:
    class_path = callback.get("class_path", "") if isinstance(callback, dict) else ""
    return any(fnmatchcase(class_path, pattern) for pattern in RESULT_FREE_CALLBACKS)
