"""What the config of a run says of its place in a tuning, and the values of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from resbench.errors import BadValue
from resbench.records.identity import plain
from resbench.tuning.points import COUNT, TRIALS
from resbench.tuning.space import NAME, Space

#: Seed of every trial; no board has so many seeds that it would be one of them.
TRIAL_SEED = 10_000


@dataclass(frozen=True)
class Tuning:
    """The place of a run in a tuning, ``experiment.tuning`` of its config.

    Args:
        space: name of the search space, a file in ``configs/spaces``.
        digest: hash of its keys and ranges.
        keys: dotted keys that it tunes.
        point: number of the point, 1 to 15.
        trial: whether the run is a trial, which trains with a seed of its own and is not tested. Otherwise it trains
            the best point of a study anew.

    Raises:
        BadValue: for a point that does not exist.
    """

    space: str
    digest: str
    keys: list[str]
    point: int
    trial: bool

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.space):
            raise BadValue(
                "experiment.tuning.space", self.space, "is no name; write up to 100 letters, digits, '_' and '-'"
            )
        if not 1 <= self.point <= COUNT:
            raise BadValue("experiment.tuning.point", self.point, f"is no point; write 1 to {COUNT}")

    @property
    def study(self) -> int:
        """Number of the study that the point belongs to, from 1."""
        return study_of(self.point)


def study_of(point: int) -> int:
    """Number of the study, from 1, that a point belongs to."""
    return (point - 1) // TRIALS + 1


def tuning_of(config: Mapping[str, Any]) -> Tuning | None:
    """The place in a tuning that a resolved config names, null for a run without one.

    Raises:
        ValueError: where what it says is not of this form.
    """
    experiment = config.get("experiment")
    entry = experiment.get("tuning") if isinstance(experiment, Mapping) else None
    if entry is None:
        return None
    kinds = {"space": str, "digest": str, "keys": list, "point": int, "trial": bool}
    if not isinstance(entry, Mapping) or entry.keys() != kinds.keys():
        names = ", ".join(field.name for field in fields(Tuning))
        raise BadValue("experiment.tuning", entry, f"is no place in a tuning; it has {names}")
    for name, kind in kinds.items():
        if type(entry[name]) is not kind:
            raise BadValue(f"experiment.tuning.{name}", entry[name], f"is no {kind.__name__}")
    if not all(isinstance(key, str) for key in entry["keys"]):
        raise BadValue("experiment.tuning.keys", entry["keys"], "is no list of dotted keys")
    return Tuning(**entry)


def place(config: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Where a resolved config holds a dotted key, whose ``init_args`` may be left out.

    Raises:
        KeyError: where it has no such key.
    """
    node: Any = config
    found: list[str] = []
    for part in (part for part in key.split(".") if part != "init_args"):
        inside = node.get("init_args") if isinstance(node, Mapping) and part not in node else None
        if isinstance(inside, Mapping):
            node = inside
            found.append("init_args")
        if not isinstance(node, Mapping) or part not in node:
            raise KeyError(key)
        node = node[part]
        found.append(part)
    if not found:  # init_args alone, or nothing between the dots
        raise KeyError(key)
    return tuple(found)


def value_at(config: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key in a resolved config.

    Raises:
        KeyError: where it has no such key.
    """
    node: Any = config
    for part in place(config, key):
        node = node[part]
    return node


def wrong_point(config: Mapping[str, Any], tuning: Tuning, space: Space) -> str | None:
    """Why the values of a resolved config are not those of its point, in one line; null where they are.

    Args:
        config: the config.
        tuning: what it says of itself.
        space: the search space of that name, as it is here.
    """
    if tuning.digest != space.digest:
        return f"the space {tuning.space} has the digest {space.digest} here and {tuning.digest} in the record"
    for key, wanted in space.point(tuning.point).items():
        try:
            value = value_at(config, key)
        except KeyError:
            return f"the config has no {key}, which the space {tuning.space} tunes"
        if value != plain(wanted):
            return f"point {tuning.point} of the space {tuning.space} has {key} {wanted}, the config {value}"
    return None
