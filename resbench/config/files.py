"""Finds config files, composes them of fragments, and merges them with the flags of a command line."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from resbench.config.yaml import dump_yaml, load_yaml, said
from resbench.errors import UserError
from resbench.records.files import path_of, real_path

#: Key of a list of files. The keys of the file itself override those of the files in the list.
COMPOSE = "compose"
#: What means null in YAML.
NULLS = ("null", "Null", "NULL", "~")
PACKAGE = Path(__file__).resolve().parent.parent


def merged_arguments(argv: Sequence[str]) -> list[str]:
    """The command line with its ``--config`` files merged into one YAML text at the beginning.

    Later files override earlier ones, and flags override files. ``inf`` and ``null`` mean the same as in files.

    Raises:
        UserError: for a file that cannot be used.
    """
    config: dict[str, Any] = {}
    flags: list[str] = []
    arguments = iter(argv)
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if flag in ("-c", "--config"):
            path = value if equals else next(arguments, None)
            if not path:
                raise UserError(f"{flag}: the file is missing; write {flag} FILE.yaml")
            config = merge(config, read_config(named_config(path)))
        elif Path(argument).suffix in (".yaml", ".yml") and not flag.startswith("-") and _is_complete(flags):
            raise UserError(f"{argument}: write --config {argument}")
        else:
            flags.append(re.sub(r"^(|--[^=]+=)([-+]?)inf$", r"\1\2.inf", argument))
    left: list[str] = []
    for argument in _joined_nulls(flags):
        if argument.partition("=")[2] in NULLS:
            left = _moved(config, argument, left)
        if _set_in_files(config, argument, left):
            left = _without(left, argument)
        else:
            left.append(argument)
    return ["--config", dump_yaml(config), *left] if config else left


def _joined_nulls(flags: Sequence[str]) -> Iterator[str]:
    """The flags, with ``--KEY null`` in one word."""
    before: str | None = None
    for argument in flags:
        if argument in NULLS and before is not None and before.startswith("--") and "=" not in before:
            before = f"{before}={argument}"
            continue
        if before is not None:
            yield before
        before = argument
    if before is not None:
        yield before


def _without(flags: Sequence[str], later: str) -> list[str]:
    """Flags before a later one, without those of the same key or of a key below it, which it overrides."""
    key, left, dropped = _key_of(later), [], False
    for argument in flags:
        if not argument.startswith("--"):  # the value of the flag before it
            if not dropped:
                left.append(argument)
            continue
        dropped = f"{_key_of(argument)}.".startswith(f"{key}.")
        if not dropped:
            left.append(argument)
    return left


def _moved(config: dict[str, Any], null: str, flags: Sequence[str]) -> list[str]:
    """Flags without those that say what a key around that of a later null is; they are merged into the config."""
    left = []
    for argument in flags:
        key, value = _key_of(argument), argument.partition("=")[2]
        node: Any = config
        *path, last = key.split(".")
        for name in path:
            node = node.get(name) if isinstance(node, dict) else None
            if isinstance(node, dict) and ("class_path" in node or "init_args" in node):
                node = node.setdefault("init_args", {})
        inside = _key_of(null).startswith(f"{key}.") and value and "+=" not in argument
        if inside and isinstance(node, dict):
            found = _value(value)
            node |= merge(node, {last: {"class_path": found} if isinstance(found, str) else found})
        else:
            left.append(argument)
    return left


def _key_of(argument: str) -> str:
    """The dotted key of a flag ``--KEY=VALUE``, without ``init_args``, which may be left out of it."""
    return argument.partition("=")[0].removeprefix("--").removesuffix("+").replace(".init_args", "")


def _is_complete(flags: Sequence[str]) -> bool:
    """Whether the last flag already has its value, so that the next argument is not its value."""
    return not flags or "=" in flags[-1] or not flags[-1].startswith("-")


def _set_in_files(config: dict[str, Any], argument: str, before: Sequence[str]) -> bool:
    """Set ``--KEY=VALUE`` in the config of the files if the parser could not; returns whether this was done.

    The parser takes null for the string ``None`` if KEY is an argument of a class, and has no keys for the entries of a
    list: ``model.device.1.states`` is the argument ``states`` of the second device.

    Raises:
        UserError: for a key beyond a list without a number in it, which the parser would ignore, or with a wrong one.
    """
    flag, equals, value = argument.partition("=")
    if not flag.startswith("--"):
        return False
    node: Any = config
    path, in_list = flag.removeprefix("--").replace(".init_args", "").split("."), False
    for depth, name in enumerate(path):
        if isinstance(node, dict) and ("class_path" in node or "init_args" in node):
            node = node.setdefault("init_args", {})
        if isinstance(node, list):
            in_list, parent = True, ".".join(path[:depth])
            if any(earlier.partition("=")[0].removesuffix("+") == f"--{parent}" for earlier in before):
                return False  # it belongs to an entry that an earlier flag adds
            _check_index(parent, name, path[depth + 1 :], len(node))
        if depth < len(path) - 1:
            node = node[int(name)] if isinstance(node, list) else node.get(name) if isinstance(node, dict) else None
    if not in_list and (value not in NULLS or len(path) == 1 or not isinstance(node, dict)):
        return False
    if not equals:
        raise UserError(f"{flag}: the value is missing; write {flag}=VALUE")
    if isinstance(node, list):
        node[int(path[-1])] = _value(value)
    elif isinstance(node, dict):
        node[path[-1]] = _value(value)
    else:
        raise UserError(f"{flag.removeprefix('--')}: there is no {path[-2]} in the files; write it there")
    return True


def _value(text: str) -> Any:
    """The value of a flag, as in a file; what is not YAML is a string."""
    try:
        return load_yaml(text)
    except yaml.YAMLError:
        return text


def _check_index(parent: str, name: str, rest: Sequence[str], length: int) -> None:
    key = ".".join((parent, name, *rest))
    if not length:
        raise UserError(f"{key}: {parent} is an empty list in the files; write its entries there")
    if not name.isdecimal():
        raise UserError(f"{key}: {parent} is a list; write the number of an entry, such as {parent}.0.{name}")
    if int(name) >= length:
        raise UserError(f"{key}: {parent} has no entry {name}; the last one is {parent}.{length - 1}")


def read_config(path: Path | str, composers: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The keys of a config file, merged with those of the fragments that it composes.

    ``compose: [task/digits.yaml, device/softbounds.yaml]`` names files relative to the folder of the config, or to
    ``configs`` of the working directory or of the package. The file's own keys override those of the fragments.

    Raises:
        UserError: for a file that does not exist, is not a YAML mapping, is the plan of a sweep, or composes itself.
    """
    path = Path(path)
    real = real_path(path)
    if real in composers:
        raise UserError(f"{path}: {COMPOSE}: the file composes itself; take it out of the list")
    own = read_mapping(path)
    if isinstance(own.get("runs"), list):
        command = "tune" if any("spaces" in entry for entry in own["runs"] if isinstance(entry, dict)) else "sweep"
        raise UserError(f"{path}: this is a plan of several runs; write resbench {command} {path}")
    fragments = own.pop(COMPOSE, None)
    if fragments is None:  # all its lines are comments
        fragments = []
    if not isinstance(fragments, list) or not all(isinstance(name, str) for name in fragments):
        raise UserError(f"{path}: {COMPOSE}: {fragments!r} is not a list of files; write [task/digits.yaml, ...]")
    config: dict[str, Any] = {}
    for name in fragments:
        config = merge(config, read_config(find_config(name, path), (*composers, real)))
    return merge(config, own)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both configs merged; ``over`` overrides ``base``.

    Mappings are merged key by key, and all other values are replaced. A different ``class_path`` drops all
    ``init_args`` of the class before it, even if the new class has arguments of the same names. ``key+`` appends to the
    list ``key``.
    """
    result = dict(base)
    for key, value in over.items():
        name = key.removesuffix("+")
        before = result.get(name if name in result else key)
        if key.endswith("+") and isinstance(before, list):
            result[name if name in result else key] = [*before, *(value if isinstance(value, list) else [value])]
        elif isinstance(value, Mapping) and isinstance(before, Mapping) and _same_class(before, value):
            result[key] = merge(before, value)
        else:
            result[key] = value
    return result


def _same_class(before: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    """Whether both name the same class, by the last part of the name, since a short name may stand for a full path."""
    names = [str(config.get("class_path", "")).rpartition(".")[2] for config in (before, value)]
    return not names[1] or names[0] in ("", names[1])


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: with the file and the problem.
    """
    try:
        content = load_yaml(path.read_text(encoding="utf-8"), words=True)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UserError(f"{path}: {reason}; {_hint(path.as_posix(), folders())}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{place}: {said(error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a mapping of keys to values; write lines of the form 'key: value'")
    return content


def only_known(content: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    """Refuse unknown keys.

    Raises:
        UserError: with the closest known key.
    """
    for key in content:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"write one of {', '.join(known)}"
            raise UserError(f"{place}: {key}: there is no such key; {hint}")


def named_config(name: str) -> Path:
    """The file that ``--config`` names: the path itself if it exists, else a file in one of :func:`folders`."""
    found = path_of(name)
    if not os.path.exists(found):  # false, unlike that of Path, for what no file can be named
        found = next((folder / name for folder in folders() if os.path.isfile(folder / name)), found)
    return found


def named_plan(name: Path, kind: str) -> Path:
    """The plan that a command names: the path itself if it exists, else a file in a folder ``kind`` of the configs.

    Args:
        name: as ``resbench sweep`` and ``resbench tune`` are given it, for example ``digits_demo.yaml``.
        kind: ``sweeps`` or ``tuning``.

    Raises:
        UserError: if there is none.
    """
    places = [place for folder in folders() for place in (folder / kind, folder)]
    found = next((path for path in (name, *(place / name for place in places)) if os.path.lexists(path)), None)
    if found is None:
        hint = _hint(name.name, [folder / kind for folder in folders()])
        raise UserError(f"{name}: there is no such file; {hint}")
    return found


def find_config(name: str, composer: Path, key: str = COMPOSE) -> Path:
    """The file that ``compose`` or a plan names, in the folder of the composer or in one of :func:`folders`.

    Args:
        name: the file.
        composer: the file that names it.
        key: where it is named there, for the message.

    Raises:
        UserError: if there is none.
    """
    places, name = [composer.parent, *folders()], os.path.expanduser(name)
    for folder in places:
        if os.path.isfile(folder / name) or os.path.islink(folder / name):  # what is wrong with a link is said later
            return folder / name
    raise UserError(f"{composer}: {key}: there is no {name or 'file without a name'}; {_hint(name, places)}")


def folders() -> list[Path]:
    """Folders of configs: that of the working directory, then those that come with the package."""
    return [Path("configs"), PACKAGE / "configs", PACKAGE.parent / "configs"]


def _hint(name: str, places: Sequence[Path]) -> str:
    found = [(folder, path) for folder in places for depth in ("*.yaml", "*/*.yaml") for path in folder.glob(depth)]
    files = [path.relative_to(folder).as_posix() for folder, path in found]
    close = difflib.get_close_matches(name, files, n=1)
    return f"did you mean {close[0]}?" if close else "'resbench list configs' shows the files that there are"
