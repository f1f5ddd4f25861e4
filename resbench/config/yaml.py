"""YAML of configs: numbers as people write them, no key twice, and no features that configs do not need."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import yaml

FLOAT = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?|[-+]?\.?(inf|Inf|INF)|\.(nan|NaN|NAN)")
#: Most levels of nesting, and most values of a file with all its aliases written out.
DEPTH = 50
VALUES = 100_000
#: Tags of keys that are strings, and of the merge key ``<<``.
KEYS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
#: What else a key may be, by the last part of its tag.
KINDS = {"int": "a number", "float": "a number", "bool": "true or false", "null": "null"}
#: Types of the values of a config.
PLAIN = (type(None), bool, int, float, str, list, dict)


class Unfit(yaml.MarkedYAMLError):
    """The text is YAML, but it cannot be a config."""


class Loader(yaml.SafeLoader):
    """Reads YAML in which 1e-3, inf and .inf are numbers and dates are strings, unlike in YAML 1.1.

    A key that occurs twice is an error. So are very deep nesting, aliases that multiply, and whole numbers beyond 64
    bits: no config needs them, and they bring programs down. So are sets, dates and bytes, which only tags write.

    Args:
        stream: the text.
        words: whether a key that is no string is an error, as in files that people write.
    """

    def __init__(self, stream: str, words: bool = False) -> None:
        super().__init__(stream)
        self._words = words
        self._depth = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A node with all nodes below it, within the limits of depth and size."""
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
        """Number of the values of a node with all its aliases written out."""
        inner: list[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else []
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
            self._check_keys([key for key, _ in node.value])
        size = 1 + sum(self._sizes[id(part)] for part in inner)
        if size > VALUES:
            raise Unfit(problem=f"more than {VALUES:,} values", problem_mark=node.start_mark)
        return size

    def _check_keys(self, keys: Sequence[yaml.Node]) -> None:
        seen: set[str] = set()
        for key in keys:
            if not isinstance(key, yaml.ScalarNode):
                raise Unfit(problem="a key is no single word", problem_mark=key.start_mark)
            if self._words and key.tag not in KEYS:
                kind = KINDS.get(key.tag.rpartition(":")[2], "another kind of value")
                problem = f"the key {key.value} is {kind} in YAML, no string; write '{key.value}' in quotes"
                raise Unfit(problem=problem, problem_mark=key.start_mark)
            if key.value in seen:
                raise Unfit(problem=f"the key {key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node, by its tag."""
        try:
            value = super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError):
            kind = node.tag.rpartition(":")[2]
            raise Unfit(problem=f"what is written there is no {kind}", problem_mark=node.start_mark) from None
        if isinstance(value, int) and abs(value) >= 2**63:
            raise Unfit(problem="a whole number beyond 64 bits", problem_mark=node.start_mark)
        if not isinstance(value, PLAIN):
            kind = node.tag.rpartition(":")[2]
            raise Unfit(
                problem=f"no config holds a {kind}; write a list, a string or a number", problem_mark=node.start_mark
            )
        return value


Loader.yaml_implicit_resolvers = {
    letter: [pair for pair in pairs if pair[0].rpartition(":")[2] not in ("float", "timestamp")]
    for letter, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_FLOAT = ("tag:yaml.org,2002:float", re.compile(f"^(?:{FLOAT.pattern})$"), list("-+0123456789.iI"))
Loader.add_implicit_resolver(*_FLOAT)


class Dumper(yaml.SafeDumper):
    """Writes YAML, with quotes around strings that :class:`Loader` would read as numbers."""


Dumper.add_implicit_resolver(*_FLOAT)


class _OneLine(Dumper):
    """Writes every string in quotes, in which line breaks have a code, and every value as often as it occurs."""

    def ignore_aliases(self, data: Any) -> bool:
        """Whether a value is written again where it occurs again."""
        return True


_OneLine.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def load_yaml(text: str, words: bool = False) -> Any:
    """The value of a YAML text.

    Args:
        text: the text.
        words: whether a key that is no string is an error, as in files that people write.

    Raises:
        yaml.YAMLError: if the text is not YAML, or cannot be a config.
    """
    loader = Loader(text, words)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def said(error: yaml.YAMLError) -> str:
    """What is wrong with a text, in one line, without the place."""
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"{'' if isinstance(error, Unfit) else 'not YAML: '}{problem}"


def dump_yaml(value: Any, one_line: bool = False) -> str:
    """Plain data as YAML. :func:`load_yaml` gives the same data again.

    Args:
        value: the data.
        one_line: whether they are written in one line without a line break, as the value of a flag. It looks like JSON.

    Raises:
        yaml.YAMLError: if the data are not plain.
    """
    text: str = yaml.dump(
        value,
        Dumper=_OneLine if one_line else Dumper,
        sort_keys=False,
        default_flow_style=one_line,
        allow_unicode=True,
        width=math.inf if one_line else None,
    )
    return text.removesuffix("\n").removesuffix("\n...") if one_line else text
