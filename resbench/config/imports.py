"""Limits what the parser may import while it reads a config of somebody else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from jsonargparse import _common, set_parsing_settings

from resbench.config.trust import class_paths, is_trusted
from resbench.errors import UserError
from resbench.registry import DIGITAL, OPTIMIZER, named

#: Classes of values that may be null, and whose names a config does not contain: the parser imports them by name.
UNNAMED = (
    "resbench.tuning.entry.Tuning",  # experiment.tuning
    "resbench.crossbar.devices.Drift",  # drift of a device
    "resbench.crossbar.periphery.IOParameters",  # forward_io, backward_io, transfer_io
)


#: Variable that tells the further processes of a training what they may import.
ALLOWED = "RESBENCH_ALLOWED_IMPORTS"


@contextmanager
def only_named(config: Mapping[str, Any], trusted: Sequence[str] = ()) -> Iterator[None]:
    """Inside this block, jsonargparse can only import the classes that a config names.

    :func:`resbench.config.trust.refusals` has checked these classes before. This is a second wall: the parser would
    also import what it finds in strings, files, and values of any type.

    Args:
        config: the config.
        trusted: modules that may be imported whole.

    Raises:
        UserError: for a class that cannot be imported.
    """
    paths = {OPTIMIZER, DIGITAL, *UNNAMED, *class_paths(config)}
    defined = {_where_defined(name) for name in paths if not is_trusted(name, trusted)}
    os.environ[ALLOWED] = json.dumps(sorted({*paths, *defined, *trusted}))
    try:
        with as_allowed():
            yield
    finally:
        del os.environ[ALLOWED]


@contextmanager
def as_allowed() -> Iterator[None]:
    """Inside this block, the limits hold that :func:`only_named` has set in this process or in the one that started it.

    A training on several processes starts them with the same config, so that each of them reads it.
    """
    allowed = os.environ.get(ALLOWED)
    before = dict(_common.parsing_settings)
    if allowed is not None:
        set_parsing_settings(
            import_path_denylist=["*"],
            import_path_allowlist=json.loads(allowed),
            instantiate_subclass_spec_in_any=False,
        )
    try:
        yield
    finally:
        _common.parsing_settings.update(before)


def _where_defined(path: str) -> str:
    """The path of a class in the module that defines it, which the parser checks too.

    Classes of trusted modules do not come here, because such a module may have imported a class that nobody trusts.
    """
    try:
        found = named(path)
    except (ImportError, AttributeError) as error:
        raise UserError(f"class_path: {path} cannot be imported ({error})") from None
    return f"{found.__module__}.{found.__qualname__}"
