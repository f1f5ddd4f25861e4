"""YAML files of a run: numbers as people write them, and files composed of fragments."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from resbench.errors import UserError

#: Key of a list of files whose keys come before those of the file that names them.
COMPOSE = "compose"
PACKAGE = Path(__file__).resolve().parent.parent
FLOAT = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?|[-+]?\.?(inf|Inf|INF)|\.(nan|NaN|NAN)")


#: How deep a file may be nested, and how many values it may have when its aliases are written out.
DEPTH = 50
VALUES = 100_000


class Unfit(yaml.MarkedYAMLError):
    """YAML that no config is."""


class Loader(yaml.SafeLoader):
    """YAML in which 1e-3, inf and .inf are numbers and dates are strings, unlike in YAML 1.1.

    A key that is there twice is an error, and so is what no config needs and no program takes well: nesting without
    end, aliases that multiply, and whole numbers beyond 64 bits.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A node with all below it, if that is not too much."""
        self._depth += 1
        if self._depth > DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise Unfit(problem=f"more than {DEPTH} levels deep", problem_mark=mark)
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias and node is not None and id(node) not in self._sizes:
            raise Unfit(problem="it contains itself", problem_mark=node.start_mark)
        if node is not None and not is_alias:
            self._sizes[id(node)] = self._count(node)
        return node

    def _count(self, node: yaml.Node) -> int:
        """Number of the values of a node, written out."""
        inner: list[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else []
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
            self._check_keys([key for key, _ in node.value])
        size = 1 + sum(self._sizes[id(part)] for part in inner)
        if size > VALUES:
            raise Unfit(problem=f"more than {VALUES:,} values", problem_mark=node.start_mark)
        return size

    @staticmethod
    def _check_keys(keys: Sequence[yaml.Node]) -> None:
        seen: set[str] = set()
        for key in keys:
            if not isinstance(key, yaml.ScalarNode):
                raise Unfit(problem="a key is no single word", problem_mark=key.start_mark)
            if key.value in seen:
                raise Unfit(problem=f"the key {key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node, as its tag says."""
        try:
            value = super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError):
            kind = node.tag.rpartition(":")[2]
            raise Unfit(problem=f"what is written there is no {kind}", problem_mark=node.start_mark) from None
        if isinstance(value, int) and abs(value) >= 2**63:
            raise Unfit(problem="a whole number beyond 64 bits", problem_mark=node.start_mark)
        return value


Loader.yaml_implicit_resolvers = {
    letter: [pair for pair in pairs if pair[0].rpartition(":")[2] not in ("float", "timestamp")]
    for letter, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_FLOAT = ("tag:yaml.org,2002:float", re.compile(f"^(?:{FLOAT.pattern})$"), list("-+0123456789.iI"))
Loader.add_implicit_resolver(*_FLOAT)


class Dumper(yaml.SafeDumper):
    """Puts strings in quotes that :class:`Loader` would read as numbers."""


Dumper.add_implicit_resolver(*_FLOAT)


def load_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        yaml.YAMLError: where it is none.
    """
    return yaml.load(text, Loader)


def dump_yaml(value: Any) -> str:
    """Plain data as YAML, which gives them again.

    Raises:
        yaml.YAMLError: where they are not plain.
    """
    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True)
    return text


def merged_arguments(argv: Sequence[str]) -> list[str]:
    """A command line whose ``--config`` files are merged into one YAML text at its beginning.

    Files count from left to right, and flags override files. ``inf`` is a number and ``null`` is none as in files.

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
    flags = [argument for argument in flags if not _null_in_class(config, argument)]
    return ["--config", dump_yaml(config), *flags] if config else flags


def _is_complete(flags: Sequence[str]) -> bool:
    """Whether the last flag has its value, so that what comes next is none."""
    return not flags or "=" in flags[-1] or not flags[-1].startswith("-")


def _null_in_class(config: Mapping[str, Any], argument: str) -> bool:
    """Take ``--KEY=null`` into the config if it is for an argument of a class there: the parser would read ``None``."""
    flag, _, value = argument.partition("=")
    *path, last = flag.removeprefix("--").replace(".init_args", "").split(".")
    node: Any = config
    for name in path:
        node = node.get(name) if isinstance(node, Mapping) else None
        if isinstance(node, dict) and "class_path" in node:
            node = node.setdefault("init_args", {})
    found = value == "null" and len(path) > 0 and isinstance(node, dict)
    if found:
        node[last] = None
    return found


def read_config(path: Path | str, composers: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The keys of a config file, merged with those of the fragments that it composes.

    ``compose: [task/digits.yaml, device/softbounds.yaml]`` names files relative to the one that holds it, or to
    ``configs`` of the working directory or of the package; the file's own keys come last.

    Raises:
        UserError: for a file that does not exist, is not a YAML mapping, or composes itself.
    """
    path = Path(path)
    if path.resolve() in composers:
        raise UserError(f"{path}: {COMPOSE}: the file composes itself; take it out of the list")
    own = read_mapping(path)
    _check_keys(own, path)
    fragments = own.pop(COMPOSE, None) or []
    if isinstance(fragments, str) or not all(isinstance(name, str) for name in fragments):
        raise UserError(f"{path}: {COMPOSE}: {fragments!r} is not a list of files; write [task/digits.yaml, ...]")
    config: dict[str, Any] = {}
    for name in fragments:
        config = merge(config, read_config(find_config(name, path), (*composers, path.resolve())))
    return merge(config, own)


def _check_keys(value: Any, path: Path, parent: str = "") -> None:
    """Refuse a key, at any depth, that is no string."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise UserError(f"{path}: {parent}{key}: a key is a string here; write it in quotes")
            _check_keys(item, path, f"{parent}{key}.")
    elif isinstance(value, list):
        for item in value:
            _check_keys(item, path, parent)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both configs, ``over`` on top of ``base``.

    Mappings merge key by key, all else is replaced. Another ``class_path`` drops the ``init_args`` of the class before
    it, also those that the new class knows by the same name. ``key+`` appends to the list ``key``.
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
    """By the last part of the name: short names and full paths may be mixed."""
    names = [str(config.get("class_path", "")).rpartition(".")[2] for config in (before, value)]
    return not names[1] or names[0] in ("", names[1])


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: naming the file and what is wrong.
    """
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UserError(f"{path}: {reason}; {_hint(path.as_posix(), _folders())}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise UserError(f"{path}{place}: {'' if isinstance(error, Unfit) else 'not YAML: '}{problem}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UserError(f"{path}: not a mapping of keys to values; write lines such as 'seed_everything: 0'")
    return content


def named_config(name: str) -> Path:
    """The file that ``--config`` names: where it says, or else from ``configs``, as ``compose`` finds it."""
    found = Path(name)
    if not found.exists():
        found = next((folder / name for folder in _folders() if (folder / name).is_file()), found)
    return found


def find_config(name: str, composer: Path) -> Path:
    """The file that ``compose`` or a sweep names, from the folder of the composer or from ``configs``.

    Raises:
        UserError: if there is none.
    """
    folders = [composer.parent, *_folders()]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{composer}: {COMPOSE}: there is no {name}; {_hint(name, folders)}")


def _folders() -> list[Path]:
    """Where configs are: those of the working directory and those that come with the package."""
    return [Path("configs"), PACKAGE / "configs", PACKAGE.parent / "configs"]


def _hint(name: str, folders: Sequence[Path]) -> str:
    found = [(folder, path) for folder in folders for depth in ("*.yaml", "*/*.yaml") for path in folder.glob(depth)]
    files = [path.relative_to(folder).as_posix() for folder, path in found]
    close = difflib.get_close_matches(name, files, n=1)
    return f"did you mean {close[0]}?" if close else "'resbench list configs' shows the files that there are"
