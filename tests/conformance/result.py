"""The outcome of replaying one vector."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """Whether the vector ``id`` was reproduced; ``detail`` says why not."""

    id: str
    passed: bool
    detail: str
