"""The record of an evaluation that differs from the one at the end of the run: other converters, or after some time.

It lies beside the checkpoint. Leaderboards do not read it.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, JsonValue

from resbench.records.files import write_text_atomically
from resbench.records.identity import hash_of, plain
from resbench.records.schema import Count, Entry, GitState, Hardware, Number, Text

PlainValue = Annotated[JsonValue, BeforeValidator(plain)]


class Change(Entry):
    """One key of the config that had another value in the training: null also stands for a key that was not there."""

    key: Text
    trained: PlainValue
    evaluated: PlainValue


class Point(Entry):
    """Metrics after the devices have drifted for ``seconds``, which the command line called ``after``."""

    after: Text
    seconds: float = Field(ge=0, allow_inf_nan=False)
    metrics: dict[Text, Number]


class Evaluation(Entry):
    """Metrics of a trained network under conditions that its training did not have.

    ``config_hash`` is that of the training, ``checkpoint`` the name of the file and ``steps`` the optimiser steps
    before it. ``changes`` lists what the evaluation had different. ``points`` has one entry for each time, the first
    without any time passed.
    """

    schema_version: Literal[1] = 1
    kind: Literal["evaluation"] = "evaluation"
    command: Literal["validate", "test"]
    config_hash: str
    checkpoint: Text
    steps: Count
    changes: list[Change]
    points: list[Point] = Field(min_length=1)
    versions: dict[Text, Text]
    git: GitState | None
    hardware: Hardware
    started: AwareDatetime
    finished: AwareDatetime

    @property
    def identity(self) -> str:
        """SHA-256 of what was evaluated how, without results: the same evaluation has the same one."""
        asked: dict[str, Any] = self.model_dump(
            mode="json", include={"command", "config_hash", "checkpoint", "steps", "changes"}
        )
        return hash_of({**asked, "seconds": [point.seconds for point in self.points]})


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write the record of an evaluation as JSON, atomically.

    Raises:
        OSError: if ``path`` cannot be written.
    """
    write_text_atomically(path, evaluation.model_dump_json(indent=1) + "\n")
