"""The fields of a config of aihwkit: each is taken once, and what is left over has no counterpart."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Collection, Mapping
from numbers import Real
from typing import Any

from resbench.errors import BadValue

#: Modules whose classes only give other values to the fields of the classes that they derive from.
PRESETS = "aihwkit.simulator.presets"


def as_dict(config: object) -> Any:
    """A config object of aihwkit as plain data: ``{"class": name, field: value, ...}``, enumerations by their names.

    A preset, or a class of your own, has the name of the class of aihwkit that it derives from. Nothing is imported.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        names = [field.name for field in dataclasses.fields(config)]
        return {"class": _class_name(type(config)), **{name: as_dict(getattr(config, name)) for name in names}}
    if isinstance(config, enum.Enum):
        return config.name
    if isinstance(config, Mapping):
        return {str(name): as_dict(value) for name, value in config.items()}
    if isinstance(config, list | tuple):
        return [as_dict(value) for value in config]
    return config.__name__ if isinstance(config, type) else config


def _class_name(found: type) -> str:
    for base in found.__mro__:
        if base.__module__.startswith("aihwkit.") and not base.__module__.startswith(PRESETS):
            return base.__name__
    return found.__name__


def snake_case(name: str) -> str:
    """A choice of an enumeration by our names: ``abs_max_np_sum`` for ``ABS_MAX_NP_SUM`` and ``AbsMaxNPSum``."""
    if not name.isupper():
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return name.lower()


class Fields:
    """Fields of one config object.

    Args:
        content: as :func:`as_dict` gives it.
        path: where it stands, for messages; empty for the whole config.
    """

    def __init__(self, content: object, path: str) -> None:
        if not isinstance(content, Mapping):
            raise BadValue(
                path or "rpu_config", repr(content)[:80], "is no config; write an object of aihwkit or a dict"
            )
        self.left: dict[str, Any] = dict(content)
        self.path = path
        self.name = str(self.left.pop("class", ""))

    def place(self, name: str) -> str:
        """Dotted path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a field; its default in aihwkit where it is left out.

        Raises:
            BadValue: for a value of another kind than the default.
        """
        value = self.left.pop(name, default)
        if value is not None and (kind := _unlike(value, default)):
            raise BadValue(self.place(name), repr(value)[:80], f"is not {kind}; write for example {default!r}")
        return value

    def child(self, name: str) -> Fields | None:
        """A field that is a config object itself."""
        content = self.left.pop(name, None)
        return None if content is None else Fields(content, self.place(name))

    def ignore(self, *names: str) -> None:
        """Drop fields that have no effect on numbers."""
        for name in names:
            self.left.pop(name, None)

    def only(self, name: str, *values: Any) -> None:
        """Drop a field that has a counterpart for these values alone; the first one is the default."""
        found = self.left.pop(name, values[0])
        if found not in values:
            raise BadValue(self.place(name), repr(found), f"has no counterpart; write {values[0]!r}")

    def rest(self, model: type, names: Collection[str] = (), without: Collection[str] = ()) -> dict[str, Any]:
        """The fields that are called as those of a dataclass of ours, with values of the same kinds.

        Args:
            model: the dataclass.
            names: its fields that aihwkit has; all by default.
            without: its fields that aihwkit does not have.

        Raises:
            BadValue: for a value of another kind than the default of our field.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(model) if field.init}
        known = (set(names) or defaults.keys()) - set(without)
        return {name: self.take(name, _number_if_none(defaults[name])) for name in sorted(known & self.left.keys())}

    def finish(self) -> None:
        """Refuse what was not taken."""
        for name, value in self.left.items():
            raise BadValue(self.place(name), repr(value)[:80], "has no counterpart; remove it")


def _number_if_none(default: Any) -> Any:
    """A value of the kind of a field of ours: those without a value of their own hold numbers."""
    return 1.0 if default is None or default is dataclasses.MISSING else default


def _unlike(value: Any, default: Any) -> str:
    """What a value would have to be, to be of the kind of a default; empty if it is."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, Real):
        return "" if isinstance(value, Real) and not isinstance(value, bool) else "a number"
    if isinstance(default, list | tuple):
        return "" if isinstance(value, list | tuple) else "a list"
    return "a word" if isinstance(default, str) and not isinstance(value, str) else ""
