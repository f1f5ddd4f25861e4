"""Reads the plan of a tuning: trials of all points of a search space, then trainings of the best ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resbench.config.files import find_config, only_known, read_mapping
from resbench.config.keys import bare, dotted
from resbench.errors import UserError
from resbench.records.schema import Record
from resbench.sweep.plan import (
    Cell,
    Header,
    check_free,
    combinations,
    file_names,
    mapping,
    numbered,
    read_header,
    value_arguments,
)
from resbench.tuning.choice import validation, winners
from resbench.tuning.entry import TRIAL_SEED, Tuning, study_of
from resbench.tuning.points import COUNT
from resbench.tuning.space import Space, read_space

KEYS = ("out", "base", "seeds", "runs")
RUN_KEYS = ("spaces", "config", "set", "grid")


@dataclass(frozen=True, eq=False)
class Search:
    """The tuning of one algorithm at one precision: 15 trials, and trainings of the best point of each study.

    Attributes:
        name: name of the space and the values of the grid.
        space: the search space.
        header: settings that the whole plan shares.
        own: arguments of `resbench fit` that are the same for all points.
    """

    name: str
    space: Space
    header: Header
    own: tuple[str, ...]

    @property
    def trials(self) -> list[Cell]:
        """The runs of all points, the first one first."""
        untested = ["--trainer.limit_test_batches=0"]
        return [
            Cell(f"{self.name}-trial{point:02d}", TRIAL_SEED, self._arguments(f"trial{point:02d}", point, untested))
            for point in range(1, COUNT + 1)
        ]

    def finals(self, points: Mapping[int, int]) -> list[Cell]:
        """The runs of the best points, by the number of the study."""
        return [
            Cell(f"{self.name}-study{study}", seed, self._arguments(f"study{study}", point, []))
            for study, point in points.items()
            for seed in self.header.seeds
        ]

    def _arguments(self, label: str, point: int, more: Sequence[str]) -> tuple[str, ...]:
        place = Tuning(
            self.space.name, self.space.digest, list(self.space.axes), point, trial=label.startswith("trial")
        )
        values = value_arguments({**self.space.point(point), "experiment.tuning": dataclasses.asdict(place)})
        return self.header.arguments(f"{self.name}-{label}", [*self.own, *values, *more])

    def choose(self, records: Sequence[Record]) -> dict[int, int]:
        """The best point of each study, by the number of the study. One without a finite result has none.

        Args:
            records: of all trials, in order, complete or diverged.

        Raises:
            UserError: if no trial was validated.
        """
        best = winners(dict(enumerate(records, start=1)))
        if not best and any(record.status == "complete" and validation(record) is None for record in records):
            raise UserError(
                f"{self.name}: its trials were not validated after their last epoch; write data.init_args.val_size "
                "above 0 and trainer.check_val_every_n_epoch: 1"
            )
        return best

    def describe(self, point: int) -> str:
        """A point in words: "study 2, point 7: optimizer.lr 0.113, model.algorithm.tiles 4"."""
        values = ", ".join(f"{key} {value}" for key, value in self.space.point(point).items())
        return f"study {study_of(point)}, point {point}: {values}"


def read_tuning(path: Path, out: Path | None = None) -> tuple[Path, list[Search]]:
    """The folder of the results of a tuning file, and its searches.

    ``base``, ``seeds`` and ``out`` are those of a sweep file. Each entry of ``runs`` lists the files of search
    ``spaces``, and ``config``, ``set`` and ``grid`` as in a sweep; every space is searched at every combination of the
    grid.

    Args:
        path: the tuning file.
        out: folder of the results instead of the file's ``out``.

    Raises:
        UserError: for a key or value that does not fit.
    """
    content = read_mapping(path)
    only_known(content, KEYS, str(path))
    header = read_header(content, path, out)
    if TRIAL_SEED in header.seeds:
        raise UserError(f"{path}: seeds: {TRIAL_SEED} is the seed of the trials; write others")
    searches = [search for entry in header.entries for search in _searches(entry, path, header)]
    found = [(search.name, (search.space.path, search.own)) for search in searches]
    names = [name for name, _ in numbered(found, f"{path}: runs")]
    searches = [dataclasses.replace(search, name=name) for name, search in zip(names, searches, strict=True)]
    return header.folder, searches


def _searches(entry: Mapping[str, Any], path: Path, header: Header) -> Iterator[Search]:
    only_known(entry, RUN_KEYS, f"{path}: runs")
    names = entry.get("spaces")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: runs: spaces: {names!r} is no list of files; write [spaces/tiki_taka.yaml, ...]")
    config = file_names(entry.get("config"), path, "runs: config")
    fixed, grid = (mapping(entry.get(part), f"{path}: runs: {part}") for part in ("set", "grid"))
    for name in names:
        space = read_space(find_config(name, path, "runs: spaces"))
        for part, values in (("keys", space.axes), ("set", space.fixed)):
            check_free(values, f"{space.path}: {part}")
        for part, values in (("set", fixed), ("grid", grid)):
            for key in dotted(values):
                if bare(key) in map(bare, space.axes):
                    raise UserError(f"{path}: runs: {part}: {key}: the space {space.name} tunes it; take it out")
        own = [str(find_config(file, space.path, "config").absolute()) for file in space.config]
        combined = {
            "name": space.name,
            "config": [*config, *own],
            "set": {**space.fixed, **fixed},
            "grid": grid,
        }
        for label, arguments in combinations(combined, path):
            yield Search(label, space, header, tuple(arguments))
