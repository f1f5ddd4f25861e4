"""The outcome of replaying one vector."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class CannotInterpret(Exception):
    """A vector contains something that the replay does not know."""


@dataclass(frozen=True)
class Result:
    """Whether the vector ``id`` was reproduced; ``detail`` says why not."""

    id: str
    passed: bool
    detail: str


def result_of(vector: dict[str, Any], replay: Callable[[dict[str, Any]], list[str]]) -> Result:
    """The result of one vector. A vector that cannot be interpreted counts as failed.

    Args:
        vector: the vector.
        replay: computes it and returns what differs from the values that it expects.
    """
    try:
        complaints = replay(vector)
    except Exception as error:  # whatever a vector causes is its own failure, and the others go on
        complaints = [f"cannot be interpreted: {error!r}"]
    return Result(str(vector.get("id", "?")), not complaints, "; ".join(complaints))
