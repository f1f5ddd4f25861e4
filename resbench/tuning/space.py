"""Search spaces: a YAML file names the keys that are tuned and their ranges."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resbench.config.files import find_config, only_known, read_mapping
from resbench.config.keys import bare, check_dotted, dotted
from resbench.errors import UserError
from resbench.records.identity import hash_of, plain
from resbench.tuning.points import COUNT, HALTON

#: Folder of the search spaces below ``configs``.
FOLDER = "spaces"
KEYS = ("config", "set", "keys")
#: Name of a space, which is that of its file and part of the names of runs. Systems of files allow 255 characters.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
#: Digits of the hash of a space in the config of a run.
DIGITS = 12
#: Significant digits of the points of a range, and the most of its ends.
POINT_DIGITS = 3

Kind = Literal["log", "linear", "choice"]


@dataclass(frozen=True)
class Axis:
    """The values of one key.

    Attributes:
        kind: ``log`` and ``linear`` are ranges, ``choice`` is a list.
        values: the ends of the range, or the list.
    """

    kind: Kind
    values: tuple[Any, ...]

    def at(self, u: float) -> Any:
        """The value at ``u`` in [0, 1).

        Values of a range have three significant digits, so that the last bit of a power decides nothing.
        """
        if self.kind == "choice":
            return self.values[int(u * len(self.values))]
        low, high = self.values
        value = low * (high / low) ** u if self.kind == "log" else low + (high - low) * u
        return _rounded(value)


@dataclass(frozen=True)
class Space:
    """A search space: what is tuned of one algorithm, the same for every track and precision.

    Attributes:
        name: name of the file, without its ending.
        path: the file.
        config: config files of the algorithm.
        fixed: values by dotted key that are set and not tuned.
        axes: what is tuned, by dotted key; the order decides which column of the points a key takes.
    """

    name: str
    path: Path
    config: tuple[str, ...]
    fixed: Mapping[str, Any]
    axes: Mapping[str, Axis]

    @property
    def digest(self) -> str:
        """Identity of keys and ranges: two spaces with the same digest have the same points."""
        return hash_of([[key, axis.kind, plain(axis.values)] for key, axis in self.axes.items()])[:DIGITS]

    def point(self, number: int) -> dict[str, Any]:
        """The values of one point by dotted key.

        Args:
            number: 1 to 15.
        """
        return {key: axis.at(u) for (key, axis), u in zip(self.axes.items(), HALTON[number - 1], strict=False)}

    @property
    def points(self) -> list[dict[str, Any]]:
        """All points, the first one first."""
        return [self.point(number) for number in range(1, COUNT + 1)]


def find_space(name: str, reader: Path = Path("configs")) -> Space:
    """The space of this name, from ``configs/spaces`` of the working directory or of the package.

    Args:
        name: name of the file, without its ending.
        reader: file that names the space; its folder is looked at first.

    Raises:
        UserError: where there is none, or it is not valid.
    """
    return read_space(find_config(f"{FOLDER}/{name}.yaml", reader))


def read_space(path: Path) -> Space:
    """The search space in a YAML file.

    ``config`` lists the config files of the algorithm, ``set`` has values by dotted key that are not tuned, and
    ``keys`` those that are: ``{log: [0.01, 1.0]}``, ``{linear: [0.0, 0.9]}`` or ``{choice: [1, 2, 5]}``.

    Raises:
        UserError: for a key or value that does not fit.
    """
    content = read_mapping(path)
    if not NAME.fullmatch(path.stem):
        other = re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem).strip("_-")[:100] or "own"
        raise UserError(f"{path}: {path.stem!r} is no name of a space; rename the file, for example to {other}.yaml")
    only_known(content, KEYS, str(path))
    config = content.get("config")
    names = [config] if isinstance(config, str) else config
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: config: {config!r} is no config file; write for example algorithm/tiki_taka.yaml")
    fixed, keys = content.get("set"), content.get("keys")
    fixed = {} if fixed is None else fixed
    if not isinstance(fixed, dict):
        raise UserError(f"{path}: set: {fixed!r} is no mapping; write lines such as 'model.algorithm.tiles: 4'")
    if not isinstance(keys, dict) or not keys:
        raise UserError(f"{path}: keys: {keys!r} is no mapping; write lines such as 'optimizer.lr: {{log: [0.01, 1]}}'")
    if len(keys) > len(HALTON[0]):
        raise UserError(f"{path}: keys: {len(keys)} are too many; write at most {len(HALTON[0])}")
    check_dotted(fixed, f"{path}: set")
    check_dotted(keys, f"{path}: keys")
    plain_keys = [bare(key) for key in keys]
    for key, plain_key in zip(keys, plain_keys, strict=True):
        if plain_keys.count(plain_key) > 1:
            raise UserError(f"{path}: keys: {key}: it is there twice, with and without init_args; take one out")
    for key in dotted(fixed):
        if bare(key) in plain_keys:
            raise UserError(f"{path}: set: {key}: it is one of the keys that are tuned; take it out")
    axes = {key: _axis(value, f"{path}: keys: {key}") for key, value in keys.items()}
    return Space(path.stem, path, tuple(names), fixed, axes)


def _axis(value: Any, place: str) -> Axis:
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= {"log", "linear", "choice"}:
        raise UserError(f"{place}: {value!r} is no range; write {{log: [LOW, HIGH]}}, {{linear: ...}}, {{choice: ...}}")
    (kind, values), *_ = value.items()
    if not isinstance(values, list) or len(values) < 2:
        raise UserError(f"{place}: {kind}: {values!r} has no two values; write for example [0.01, 1.0]")
    if kind != "choice":
        numbers = all(type(end) in (int, float) and math.isfinite(end) for end in values)
        if not numbers or len(values) != 2 or not values[0] < values[1]:
            raise UserError(f"{place}: {kind}: {values!r} is no range; write its lower and its upper end")
        if kind == "log" and values[0] <= 0:
            raise UserError(f"{place}: log: {values!r} does not lie above 0; write a lower end above 0, or linear")
        if not math.isfinite(values[1] / values[0] if kind == "log" else values[1] - values[0]):
            raise UserError(f"{place}: {kind}: {values!r} is too wide to compute with; write ends that are closer")
        rounded = [_rounded(end) for end in values]
        if rounded != values:
            ends = ", ".join(f"{end:g}" for end in rounded)
            raise UserError(f"{place}: {kind}: {values!r}: the points have {POINT_DIGITS} digits; write [{ends}]")
        if (count := _between(*rounded)) < COUNT:
            raise UserError(
                f"{place}: {kind}: {values!r} holds {count} values of {POINT_DIGITS} digits, fewer than the {COUNT} "
                "points; write ends that are further apart, or a choice"
            )
    return Axis(kind, tuple(values))


def _rounded(value: float) -> float:
    return float(f"{value:.{POINT_DIGITS}g}")


def _between(low: float, high: float) -> float:
    """How many numbers of three digits lie from ``low`` to ``high``, with both; infinitely many lie around 0."""
    if low <= 0 <= high:
        return math.inf
    return abs(_place_of(abs(high)) - _place_of(abs(low))) + 1


def _place_of(value: float) -> int:
    """The place of a number above 0 among all numbers of three digits, in their order."""
    digits, exponent = f"{value:.{POINT_DIGITS - 1}e}".split("e")
    return int(9 * 10 ** (POINT_DIGITS - 1)) * int(exponent) + int(digits.replace(".", ""))
