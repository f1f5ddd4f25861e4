"""Short trainings on the digits through the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from resbench.records.schema import Record, read_record

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CONFIG = REPOSITORY / "configs" / "digits_2bit_residual.yaml"
SHORT = ("--trainer.max_epochs=2", "--trainer.limit_train_batches=8")


class Outcome(NamedTuple):
    """What a command line did."""

    status: int
    out: str
    err: str
    root: Path

    @property
    def folder(self) -> Path:
        """Folder of the one run."""
        (record,) = self.root.glob("*/*/record.json")
        return record.parent

    @property
    def record(self) -> Record:
        return read_record(self.folder / "record.json")


Run = Callable[..., Outcome]
