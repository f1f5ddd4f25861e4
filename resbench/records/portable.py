"""A record without the places of the machine that made it, as it is published."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from resbench.records.identity import RESULT_FREE_KEYS, counted_callbacks, plain, result_config
from resbench.records.schema import Record

#: File names that lead out of the present folder on some system: absolute ones, ``~``, drives, addresses and ``..``.
LEADS_OUT = re.compile(r"^[/~\\]|^[A-Za-z]:|://|(^|[/\\])\.\.([/\\]|$)|[\x00-\x1f]")
#: The folders of an absolute file name in a text. After a letter, colon or slash it is a fraction or an address.
_FOLDERS = re.compile(r"(?<![\w.:/\\~-])(?:~?/(?:[^\s/'\"]+/)*|[A-Za-z]:\\(?:[^\s\\'\"]+\\)*)(?=[^\s/\\'\"])")


def portable(record: Record) -> Record:
    """The record without places of a machine. Its hash stays the same.

    In the keys of the config that do not change the result (:data:`~resbench.records.identity.RESULT_FREE_KEYS`, and
    callbacks that only watch), a file name that leads out of the present folder becomes its last part, and an
    address becomes null. In ``error``, an absolute file name becomes its last part.
    """
    config = {key: _of_key(value, key) for key, value in record.config.items()}
    error = record.error and _FOLDERS.sub("", record.error)
    return record if (config, error) == (record.config, record.error) else _changed(record, config, error)


def places(record: Record) -> Iterator[tuple[str, str]]:
    """Keys and values of the config that name a place of a machine and decide the result, so that they have to stay."""
    return _places(result_config(record.config), "")


def _changed(record: Record, config: Mapping[str, Any], error: str | None) -> Record:
    return record.model_copy(update={"config": plain(config), "error": error})


def _of_key(value: Any, key: str) -> Any:
    """The value at a dotted key of the config, where all but the values of result-free keys is left as it is."""
    if key in RESULT_FREE_KEYS:
        return _inside(value)
    if key == "trainer.callbacks":
        callbacks = value if isinstance(value, list) else [value]
        inside = [item if counted_callbacks(item) else _inside(item) for item in callbacks]
        return inside if isinstance(value, list) else inside[0]
    if isinstance(value, dict):
        return {name: _of_key(item, f"{key}.{name}") for name, item in value.items()}
    return value


def _inside(value: Any) -> Any:
    """Plain data whose file names lie below the present folder."""
    if isinstance(value, dict):
        return {name: _inside(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_inside(item) for item in value]
    if not isinstance(value, str) or not LEADS_OUT.search(value):
        return value
    parts = [part for part in re.split(r"[/\\]", value) if part not in ("", "~", "..")]
    name = parts[-1] if parts and "://" not in value else ""
    return None if not name or LEADS_OUT.search(name) else name


def _places(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        named = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in named:
            yield from _places(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, str) and LEADS_OUT.search(value):
        yield key, value
