"""Checks of the values of a config beyond their types: null where it does not fit, size of numbers, plain data."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

from jsonargparse import Namespace

from resbench.config.messages import plain_type
from resbench.errors import UserError
from resbench.registry import named

#: No machine needs more threads, and a much larger number would bring it down.
THREADS = 4096
#: Names of experiments and tracks; they are names of folders too.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: When a scheduler of the learning rate takes its step.
Interval = Literal["epoch", "step"]
#: SHA-256 as ``sha256sum`` prints it.
DIGEST = re.compile(r"[0-9a-f]{64}")
#: Types whose values a file represents exactly.
PLAIN = (type(None), bool, int, float, str)


def check_values(config: Namespace, made: Mapping[str, type]) -> None:
    """Refuse values that the parser accepts but no run can have.

    Args:
        config: the parsed config.
        made: the class of each section, or the type of a value, by key.

    Raises:
        UserError: for null where the class does not take it, a whole number beyond 64 bits, NaN, or a string with NUL.
    """
    for key, value in _items(config):
        _check(key, value, made.get(key))


def check_run(config: Namespace) -> None:
    """Refuse a seed, a number of threads, a name, a checksum or a time of the scheduler that no run can have.

    Raises:
        UserError: with the key and what to write.
    """
    seed, threads = config.seed_everything, config.threads
    if not 0 <= seed < 2**32:
        raise UserError(f"seed_everything: {seed} is no seed; write a whole number from 0 to {2**32 - 1}")
    if threads < 1:
        raise UserError(f"threads: {threads} is too few; write 1 or more")
    if threads > THREADS:
        raise UserError(f"threads: {threads} are too many; write at most {THREADS}")
    for key in ("name", "track"):
        value = config.experiment[key]
        if value is not None and not NAME.fullmatch(value):
            raise UserError(f"experiment.{key}: {value!r}: write letters, digits, '.', '_' and '-', at most 100")
    if config.lr_scheduler_interval == "step":
        scheduler = config.get("lr_scheduler")
        if scheduler is None:
            raise UserError("lr_scheduler_interval: step, but there is no lr_scheduler; write one, or leave it out")
        if scheduler.class_path.endswith("ReduceLROnPlateau"):
            raise UserError("lr_scheduler_interval: ReduceLROnPlateau follows a metric of the epoch; write epoch")
    digest = config.weights_sha256
    if digest is not None and (config.weights is None or not DIGEST.fullmatch(digest)):
        raise UserError(f"weights_sha256: {digest!r} is no checksum of a file; leave it out, it follows from weights")


def odd_values(config: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Key and value of everything that a file may not represent, such as an object as the default of an argument."""
    if isinstance(config, Namespace | Mapping):
        for name, item in _items(config):
            yield from odd_values(item, f"{key}.{name}" if key else str(name))
    elif isinstance(config, list | tuple):
        for item in config:
            yield from odd_values(item, key)
    elif type(config) not in PLAIN and not isinstance(config, os.PathLike):
        yield key, config


def _check(key: str, value: Any, hint: Any) -> None:
    if value is None and hint is not None and type(None) not in _parts(hint):
        raise UserError(f"{key}: null does not fit; leave it out, or write {plain_type(str(hint))}")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise UserError(f"{key}: a whole number beyond 64 bits does not fit; write a smaller one")
    if isinstance(value, float) and math.isnan(value):
        raise UserError(f"{key}: nan is no number to compute with; write another")
    if isinstance(value, str) and "\0" in value:
        raise UserError(f"{key}: {value!r} has a character that no name has; leave it out")
    if isinstance(value, list | tuple):
        for item in value:
            _check(key, item, None)
    elif isinstance(value, Namespace | Mapping):
        class_path = value.get("class_path")
        if isinstance(class_path, str):
            hints, key, value = _hints(named(class_path)), f"{key}.init_args", value.get("init_args") or {}
        else:
            hints = _hints(next((part for part in _parts(hint) if isinstance(part, type)), None))
        for name, item in _items(value):
            _check(f"{key}.{name}", item, hints.get(name))


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    yield from (vars(value) if isinstance(value, Namespace) else value).items()


def _parts(hint: Any) -> tuple[Any, ...]:
    """The types of a union, or the single type."""
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


@cache
def _hints(made: Any) -> dict[str, Any]:
    """Types of the arguments of a class, without those whose default is null: they accept null whatever their type."""
    try:
        parameters = inspect.signature(made).parameters
        hints = typing.get_type_hints(made) if dataclasses.is_dataclass(made) else _of_init(made)
    except (TypeError, ValueError, NameError, AttributeError):
        return {}
    return {name: hint for name, hint in hints.items() if name in parameters and parameters[name].default is not None}


def _of_init(made: Any) -> dict[str, Any]:
    """Types of the arguments, without those that cannot be resolved."""
    found: dict[str, Any] = {}
    init = inspect.unwrap(made.__init__)
    for name, annotation in init.__annotations__.items():
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        with contextlib.suppress(NameError, AttributeError, TypeError):
            found |= typing.get_type_hints(alone, init.__globals__)
    return found
