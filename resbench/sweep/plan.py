"""Reads the plan of a sweep: a YAML file becomes a list of command lines of `resbench fit`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from resbench.config.files import find_config, only_known, read_mapping
from resbench.config.keys import SEEDS, bare, check_dotted, dotted
from resbench.config.yaml import dump_yaml
from resbench.errors import UserError
from resbench.records.files import path_of

KEYS = ("out", "base", "seeds", "runs")
RUN_KEYS = ("name", "config", "set", "grid")
#: Keys that a plan gives each run itself or has a place for, without ``init_args``, and what to write instead.
TAKEN = {
    **dict.fromkeys(map(bare, ("seed_everything", *SEEDS)), "the sweep gives it; write seeds"),
    "experiment.name": "the sweep gives it; write name",
    "experiment.root": "the sweep gives it; write out",
    "experiment.tuning": "resbench tune gives it; leave it out",
    "ckpt_path": "the sweep gives it; leave it out, a run goes on from its own checkpoint",
    "config": "it lists files and is no value; write it beside set, as a key of its own",
}
T = TypeVar("T")
#: A seed of a run is below this.
SEED_LIMIT = 2**32


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        name: name of its experiment, made of the name of its entry and the values of its grid.
        seed: its seed.
        arguments: arguments of `resbench fit`, without the seed.
    """

    name: str
    seed: int
    arguments: tuple[str, ...]

    @property
    def argv(self) -> tuple[str, ...]:
        """All arguments of `resbench fit`."""
        return (*self.arguments, f"--seed_everything={self.seed}")


@dataclass(frozen=True)
class Header:
    """Settings that all runs of a plan share, and the entries of the file.

    Attributes:
        folder: folder of the results.
        seeds: seeds of every experiment.
        base: first arguments of `resbench fit` for all runs.
        entries: the entries of ``runs``, as they are in the file.
    """

    folder: Path
    seeds: Sequence[int]
    base: Sequence[str]
    entries: Sequence[Mapping[str, Any]]

    def arguments(self, name: str, own: Sequence[str]) -> tuple[str, ...]:
        """Arguments of `resbench fit` for one experiment, without the seed."""
        return *self.base, *own, *value_arguments({"experiment.root": str(self.folder), "experiment.name": name})


def read_plan(path: Path, out: Path | None = None) -> tuple[Path, list[Cell]]:
    """The folder of the results of a sweep file, and its runs.

    ``base`` lists the config files of all runs, and ``seeds`` their seeds. Each entry of ``runs`` has a ``name``. It
    may have its own ``config`` files, ``set`` (values by dotted key) and ``grid`` (lists of values by dotted key).
    Every combination of the values of a grid is a run. The key ``config`` of a grid lists files, for example one for
    each of several algorithms. Files are found in the same way as those of ``compose``.

    Args:
        path: the sweep file.
        out: folder of the results instead of the file's ``out``, which is ``runs/NAME_OF_FILE`` by default.

    Raises:
        UserError: for a key or value that does not fit.
    """
    content = read_mapping(path)
    only_known(content, KEYS, str(path))
    header = read_header(content, path, out)
    found = [pair for entry in header.entries for pair in combinations(entry, path)]
    cells = [
        Cell(name, seed, header.arguments(name, arguments))
        for name, arguments in numbered(found, f"{path}: runs")
        for seed in header.seeds
    ]
    return header.folder, cells


def read_header(content: Mapping[str, Any], path: Path, out: Path | None) -> Header:
    """The settings that all runs share, from the content of a plan.

    Raises:
        UserError: for a value that does not fit.
    """
    entries = content.get("runs")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries) or not entries:
        raise UserError(f"{path}: runs: write a list of entries, as docs/sweeps.md shows it")
    seeds = content.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise UserError(f"{path}: seeds: {seeds} is no list of seeds; write for example [0, 1, 2]")
    if odd := [seed for seed in seeds if not 0 <= seed < SEED_LIMIT]:
        raise UserError(f"{path}: seeds: {odd[0]} is no seed; write a whole number from 0 to {SEED_LIMIT - 1}")
    if twice := [seed for place, seed in enumerate(seeds) if seed in seeds[:place]]:
        raise UserError(f"{path}: seeds: {twice[0]} is there twice; take one out")
    written = content.get("out", f"runs/{path.stem}")
    if not isinstance(written, str):
        raise UserError(f"{path}: out: {written!r} is no folder; write for example runs/{path.stem}")
    return Header(out or path_of(written), seeds, file_arguments(content.get("base"), path, "base"), entries)


def numbered(found: Sequence[tuple[str, T]], place: str) -> list[tuple[str, T]]:
    """Names and contents, in which the second and further contents of one name have a number: ``a``, ``a-2``, ``a-3``.

    Names are made of the last parts of keys and files, so those of two different runs may be the same.

    Raises:
        UserError: for two that are the same in all.
    """
    contents: dict[str, list[T]] = {}
    taken = {name for name, _ in found}
    named = []
    for name, content in found:
        same = contents.setdefault(name, [])
        if content in same:
            raise UserError(f"{place}: {name} is there twice with the same values; take one out")
        same.append(content)
        number = len(same)
        while number > 1 and f"{name}-{number}" in taken:
            number += 1
        own = f"{name}-{number}" if number > 1 else name
        taken.add(own)
        named.append((own, content))
    return named


def combinations(entry: Mapping[str, Any], path: Path) -> Iterator[tuple[str, list[str]]]:
    """Name and arguments of every combination of the values in the grid of an entry."""
    name = entry.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        found = "missing" if name is None else repr(name)
        raise UserError(f"{path}: runs: name: {found}; write letters, digits, '.', '_' and '-'")
    place = f"{path}: runs: {name}"
    only_known(entry, RUN_KEYS, place)
    fixed, grid = (mapping(entry.get(key), f"{place}: {key}") for key in ("set", "grid"))
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"{place}: grid: {key}: {values!r} is no list of values; write for example [4, 10, 16]")
    check_free(fixed, f"{place}: set")
    for key, value in ((key, value) for key, values in grid.items() for value in values if key != "config"):
        check_free({key: value}, f"{place}: grid")
    arguments = file_arguments(entry.get("config"), path, f"runs: {name}: config")
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        labels = [_label(key, value) for key, value in chosen.items()]
        files = file_arguments(chosen.pop("config", None), path, f"runs: {name}: grid: config")
        yield "-".join([name, *labels]), [*arguments, *files, *value_arguments(fixed), *value_arguments(chosen)]


def check_free(values: Mapping[str, Any], place: str) -> None:
    """Refuse keys that the plan gives each run itself, and what is no key of a config.

    Args:
        values: values by dotted key, nested or not.
        place: where they stand, for the message.

    Raises:
        UserError: with the key.
    """
    check_dotted(values, place)
    for key in dotted(values):
        if bare(key) in TAKEN:
            raise UserError(f"{place}: {key}: {TAKEN[bare(key)]}")


def file_names(value: Any, path: Path, place: str) -> list[str]:
    """The config files that a key names: one, or a list.

    Raises:
        UserError: for anything else.
    """
    names = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: {place}: {value!r} is no list of config files; write [device/softbounds.yaml, ...]")
    return names


def file_arguments(value: Any, path: Path, place: str) -> list[str]:
    """`--config FILE` for each of the files that a key names."""
    names = file_names(value, path, place)
    return [part for name in names for part in ("--config", str(find_config(name, path, place)))]


def value_arguments(values: Mapping[str, Any]) -> list[str]:
    """`--KEY=VALUE` for each value by dotted key."""
    return [f"--{key}={_flag(value)}" for key, value in values.items()]


def _flag(value: Any) -> str:
    return value if isinstance(value, str) else dump_yaml(value, one_line=True)


def _label(key: str, value: Any) -> str:
    """The part of a run's name for a value of a grid, such as ``states4`` or the name of a config file."""
    text = Path(value).stem if key == "config" and isinstance(value, str) else f"{key.rpartition('.')[2]}{value}"
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_")


def mapping(value: Any, place: str) -> dict[str, Any]:
    """Values by dotted key; none if they are left out.

    Raises:
        UserError: for anything but a mapping.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{place}: {value!r} is no mapping; write lines such as 'model.device.states: 4'")
    return value
