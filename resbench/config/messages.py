"""Turns errors about a config into one line: the dotted key, the reason, and what to write instead."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from resbench.errors import BadValue, UserError
from resbench.registry import class_names, named

_KEY = re.compile(r'Parser key "([^"]+)":\s*(.*)')
_CLASS = re.compile(r"Problem with given class_path '([^']+)':")
_UNKNOWN = re.compile(r"Option '([^']+)' is not accepted|unrecognized arguments: --([^=\s]+)")
_UNKNOWN_IN_GROUP = re.compile(r"Group '([^']+)' does not accept option '([^']+)'")
_EXPECTED = re.compile(r"Expected an? (?!dot import path)(.+?)(?:\. Got value: (.*))?$")
_NO_NAME = re.compile(r"module '([^']+)' has no attribute '([^']+)'|No module named '([^']+)'")
_NOT_A_CLASS = re.compile(r"Expected a dot import path string: (\S+)")
_WRONG_CLASS = re.compile(r"Import path (\S+) does not correspond to a subclass of (\S+)")
_NO_PATH = re.compile(
    r"Unexpected import path format: (.*)|Expected a dot import path string:\s*$|Expected a path but (.*) either not"
)
_ABSTRACT = re.compile(r"instantiatable class, but (\S+) is abstract")
_NOT_RETURNED = re.compile(r"Expected '([^']+)' to be a subclass of <class '([^']+)'>")
#: The message for an argument that is a class which is built later, such as an optimiser: the reason, and the class.
_MADE_LATER = re.compile(
    r"Type .+ expects a function or a callable class: (.+?)(?:\. Got value: (?:.*?class_path='([^']+)')?.*)?$"
)
_MISSING = re.compile(r"(?:arguments are required: |Key\(s\) required.*?: ?|missing.*?: )(.+)$", re.IGNORECASE)
_PACKAGE = re.compile(r"Requirement '([^']+)' not met|No module named '([^']+)'|Neither `([^`]+)` nor")
_FRAME = (
    *("Does not validate", "Subtypes:", "Errors:", "Given value type:", "Subclass types expect one of:"),
    *("a class path (str)", "a dict with class_path entry", "a dict without class_path", "a dict with parameters"),
)
#: Start of the message for each type that a value does not fit. The type that was meant has a more exact reason.
_NO_SUBCLASS = "Not a valid subclass of "
_WORDS = {"NoneType": "null", "int": "a whole number", "float": "a number", "bool": "true or false", "str": "a string"}

#: An example of a value of a key that stands for an object.
_EXAMPLES = {
    "lr_scheduler": "{class_path: StepLR, init_args: {step_size: 10}}",
    "optimizer": "{class_path: AnalogOptimizer, init_args: {lr: 0.1}}",
}


@dataclass
class _Problem:
    """The innermost problem in a message of jsonargparse.

    Attributes:
        path: parts of the dotted key.
        classes: the classes that the key is inside of, the outermost first.
        reasons: why the value does not fit.
        given: the value.
    """

    path: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    given: str | None = None

    @property
    def place(self) -> str:
        """Dotted key."""
        path = self.path[:-1] if self.path[-1:] == ["init_args"] else self.path
        return ".".join(path)


def explain(message: str, keys: Iterable[str]) -> str:
    """Shorten the message of a failed parse.

    Args:
        message: the message of jsonargparse.
        keys: the keys of the parser, for hints.
    """
    problem = _innermost(message)
    reason = problem.reasons[0] if problem.reasons else " ".join(message.split())
    if match := _UNKNOWN_IN_GROUP.search(reason) or _UNKNOWN.search(reason):
        name = ".".join(filter(None, match.groups()))
        return _unknown_argument(name, problem) if problem.classes else _unknown_key(name, keys)
    if match := _NO_NAME.search(reason):
        module, _, name = (f"{match[1]}.{match[2]}" if match[1] else match[3]).rpartition(".")
        alike = [other for other in _names(module) if other[0].isupper() == name[0].isupper()]  # classes or modules
        return _at(problem.place, f"there is no {module}{'.' if module else ''}{name}{_hint(name, alike)}")
    if match := _NOT_A_CLASS.search("\n".join(problem.reasons)):
        known = class_names()
        if match[1] in known:
            return _at(
                problem.place,
                f"{match[1]} is none that fits here; write the class_path of another class{such_as(problem.place)}",
            )
        example = such_as(problem.place)
        hint = _hint(match[1], known) or (example and f"; write one{example}")
        return _at(problem.place, f"there is no class {match[1]}{hint}")
    if match := _WRONG_CLASS.search(reason) or _NOT_RETURNED.search(reason):
        kind = match[2].rpartition(".")[2]
        return _at(problem.place, f"{match[1]} is no {kind}; write the class_path of one{such_as(problem.place)}")
    if match := _ABSTRACT.search("\n".join(problem.reasons)):
        return _at(problem.place, f"{match[1]} is abstract; write the class_path of a class that is derived from it")
    if match := _MISSING.search(reason):
        names = ", ".join(".".join([*problem.path, name]) for name in match[1].split(", "))
        return f"{names}: missing; write it, or give a --config FILE.yaml that has it"
    if reason.startswith(_NO_SUBCLASS):
        kind = reason.removeprefix(_NO_SUBCLASS).partition(".")[0]
        reason = f"{problem.given or 'this'} is no {kind}; write class_path: and init_args: of one"
    if match := _NO_PATH.match(reason):
        given = match[1] or match[2] or "what is written there"
        return _at(problem.place, f"{given} is no class; write a class_path{such_as(problem.place)}")
    if reason.startswith("Unable to load config"):
        reason = f"{reason.removeprefix('Unable to load config').strip()} is no mapping of keys to values; write some"
    return _at(problem.place, _wrong_type(problem) or reason)


def such_as(key: str) -> str:
    """The end of a hint, with an example of the value of a key; empty where there is none."""
    return f", such as {_EXAMPLES[key]}" if key in _EXAMPLES else ""


def refused(error: Exception, config: Mapping[str, Any], sections: Mapping[str, type]) -> UserError:
    """The error of a class in a config as a :class:`UserError`, with the key, or with the class and its place.

    Args:
        error: an error that was raised while the classes of a config were built or used.
        config: the resolved config.
        sections: classes of the sections of the config.
    """
    error = _original(error)
    if isinstance(error, UserError):  # its message is complete
        return error
    raiser = _raiser(error, config, sections)
    text = next(iter(_innermost(str(error)).reasons), str(error))
    said = str(error) if isinstance(error, ImportError) else text if text != str(error) else ""
    if match := _PACKAGE.search(said):  # by the class, or by jsonargparse, which quotes the class
        (package,) = filter(None, match.groups())
        return UserError(shortened(_without_package(package, config)))
    if isinstance(error, BadValue):
        prefix = _prefix(error, config, raiser)
        return UserError(shortened(f"{prefix}{error}"), key=f"{prefix}{error.key}")
    if raiser is None:
        return UserError(shortened(text))
    name = "" if raiser in sections else f"{_class_at(raiser, config)}: "
    return UserError(shortened(f"{raiser}: {name}{text}"), key=raiser)


def _original(error: Exception) -> Exception:
    """The error that a class raised, without the one that jsonargparse raised from it.

    If a value may have several types, jsonargparse names the error of the first one as the cause. This one only says
    that the value is of another type.
    """
    while (
        not isinstance(error, BadValue | UserError)
        and isinstance(error.__cause__, Exception)
        and not str(error.__cause__).startswith(_NO_SUBCLASS)
    ):
        frames = list(traceback.walk_tb(error.__traceback__))
        if not frames or not frames[-1][0].f_globals.get("__name__", "").startswith("jsonargparse"):
            break
        error = error.__cause__
    return error


def _raiser(error: Exception, config: Mapping[str, Any], sections: Mapping[str, type]) -> str | None:
    """The place in a config of the class that raised an error.

    It is the innermost class of the traceback that the config names at exactly one place; None if there is no such one.
    """
    places = {place: _class(path) for place, path in _nodes(config) if place.endswith(".class_path")}
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        kind = type(frame.f_locals.get("self"))
        found = [place for place, made in (*places.items(), *sections.items()) if made is kind]
        if len(found) == 1:
            return found[0].removesuffix(".class_path")
    return None


def _class(path: Any) -> Any:
    try:
        return named(str(path))
    except (ImportError, AttributeError, ValueError):
        return None


def _class_at(place: str, config: Mapping[str, Any]) -> str:
    """The name of the class at a place of a config."""
    return next(str(path).rpartition(".")[2] for key, path in _nodes(config) if key == f"{place}.class_path")


def _prefix(error: BadValue, config: Mapping[str, Any], raiser: str | None) -> str:
    """The part of the dotted key before the key of an error; empty if the place of the key is not certain.

    If the key is at several places, the right one is inside the class that raised the error, or has the value that the
    message shows.
    """
    key = error.key.split(",")[0]
    places = {place: str(value) for place, value in _nodes(config) if place.rpartition(".")[2] == key}
    own = {place: value for place, value in places.items() if raiser and place.startswith(f"{raiser}.")}
    places = own or places
    told = [place for place, value in places.items() if value in str(error).removeprefix(f"{error.key}: ")]
    best = told if len(told) == 1 else list(places)
    return best[0].removesuffix(key) if len(best) == 1 else ""


def shortened(text: str) -> str:
    """A message in one line, with very long words cut, such as numbers of thousands of digits."""
    return re.sub(r"\S{100,}", lambda match: f"{match[0][:60]}...", " ".join(text.split()))


def _without_package(package: str, config: Mapping[str, Any]) -> str:
    """The message that a package is missing, with the key of the class whose path contains the name of the package."""
    name = re.split(r"[^a-z]", package.lower())[0]
    places = [place for place, value in _nodes(config) if place.endswith("class_path") and name in str(value).lower()]
    place = places[0].removesuffix(".class_path") if len(places) == 1 else ""
    return _at(place, f"the package {package} is not installed; pip install '{package}'")


def _innermost(message: str) -> _Problem:
    """Follow the nested message down to the first group of reasons. The lines after it are about the keys around it."""
    problem = _Problem()
    for line in map(str.strip, message.splitlines()):
        text = line.removeprefix("- ")
        if match := _KEY.match(text):
            if any(not reason.startswith(_NO_SUBCLASS) for reason in problem.reasons):
                break
            problem.path.append(match[1])
            text = match[2]
        if match := _MADE_LATER.match(text):
            text = match[1]
            if match[2] and _UNKNOWN.search(text):
                problem.classes.append(match[2])
                problem.path.append("init_args")
        if match := _CLASS.search(text):
            problem.classes.append(match[1])
            if problem.path[-1:] != ["init_args"]:  # otherwise it is another type of the same value
                problem.path.append("init_args")
        elif text.startswith("Given value:"):
            given = text.removeprefix("Given value:").strip()
            problem.given = given if len(given) <= 120 else f"{given[:100]}..."
            break
        elif text and not text.startswith(_FRAME):
            problem.reasons.append(text)
    others = [reason for reason in problem.reasons if not reason.startswith(_NO_SUBCLASS)]
    if any(reason != "Expected a <class 'NoneType'>" for reason in others):  # otherwise a class was meant
        problem.reasons = others
    said = [reason for reason in problem.reasons if not _EXPECTED.match(reason)]
    problem.reasons = said or problem.reasons
    return problem


def _wrong_type(problem: _Problem) -> str | None:
    matches = [match for reason in problem.reasons if (match := _EXPECTED.match(reason))]
    if not matches:
        return None
    if matches[0][2] is not None:  # a single type; later reasons are about a key around it
        problem.given, matches = matches[0][2], matches[:1]
    given = re.sub(r"^NestedArg\(key='[^']*', val='(.*)'\)$", r"\1", problem.given or "this")
    kinds = " or ".join(dict.fromkeys(plain_type(match[1]) for match in matches))
    return f"{given} does not fit; write {kinds}"


def _unknown_argument(name: str, problem: _Problem) -> str:
    """The message for an argument that its class does not have."""
    class_path = problem.classes[-1]
    parameters = _parameters(class_path)
    head, _, rest = name.partition(".")
    place, owner = ".".join([*problem.path, head]), class_path.rpartition(".")[2]
    if head in parameters and rest:
        default = parameters[head].default
        known = [f.name for f in dataclasses.fields(default)] if dataclasses.is_dataclass(default) else []
        return f"{place}.{rest}: there is no such key{_hint(rest, known)}"
    if len(problem.classes) > 1 and len(problem.path) > 1:  # the class around it may have that key
        other = f"{problem.path[-2]}_{head}"
        if other in _parameters(problem.classes[-2]):
            return f"{place}: there is no such key; write {'.'.join([*problem.path[:-2], other])}"
    if head in parameters:  # whatever builds the object passes this argument
        return f"{place}: {owner} gets its {head} from outside; leave it out"
    hint = _hint(head, parameters) or f"; it has {', '.join(parameters) or 'none'}"
    return f"{place}: {owner} has no such key{hint}"


def _unknown_key(name: str, keys: Iterable[str]) -> str:
    """The message for an unknown key outside of all classes. It shows the key up to the first unknown part."""
    keys = list(keys)
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        head = ".".join(parts[:end])
        if not any(key == head or key.startswith(f"{head}.") for key in keys):
            parent = ".".join([*parts[: end - 1], ""])
            return f"{head}: there is no such key{_hint(head, [key for key in keys if key.startswith(parent)])}"
    return f"{name}: there is no such key"


def _at(place: str, text: str) -> str:
    return f"{place}: {text}" if place else text


def _hint(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1) or [key for key in known if key.startswith(f"{name}_")]
    return f"; did you mean {close[0]}?" if close else ""


def _parameters(class_path: str) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(_class(class_path)).parameters)
    except (TypeError, ValueError):
        return {}


def _names(module: str) -> list[str]:
    try:
        return [name for name in dir(importlib.import_module(module)) if not name.startswith("_")]
    except (ImportError, ValueError):
        return []


def plain_type(text: str) -> str:
    """A type in plain words, from its representation in Python."""
    text = re.sub(r"<class '([^']+)'>", r"\1", text)
    text = re.sub(r"^collections\.abc\.Callable\[.*\W(\w+)\]$", r"the class_path of an \1", text)
    text = re.sub(r"^(?:typing|collections\.abc)\.(?:Sequence|List).*", "a list", text)
    return _WORDS.get(text, re.sub(r"typing\.Literal\[(.*)\]", r"one of \1", text))


def _nodes(config: Any, parent: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key of a config with its value. Items of a list have the key of the list."""
    if parent:
        yield parent, config
    if isinstance(config, Mapping):
        if "class_path" in config:  # an object is also a value, named by its class
            yield parent, config["class_path"]
        for key, value in config.items():
            yield from _nodes(value, f"{parent}.{key}" if parent else str(key))
    elif isinstance(config, list):
        for item in config:
            if isinstance(item, Mapping):
                for key, value in item.items():
                    yield from _nodes(value, f"{parent}.{key}")
