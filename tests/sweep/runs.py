"""A small sweep on the digits, and what is left of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from resbench.records.schema import Record, read_record
from tests.training.killing import same

SWEEP = """
base: track/digits_mlp.yaml
seeds: [0, 1]
runs:
  - name: residual
    config: [device/softbounds.yaml, algorithm/residual_digits.yaml]
    set:
      trainer.accelerator: cpu
      trainer.max_epochs: EPOCHS
      trainer.limit_train_batches: 4
      trainer.limit_val_batches: 1
      model.device.states: 10
"""


def write_sweep(folder: Path, epochs: int) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(SWEEP.replace("EPOCHS", str(epochs)))
    return path


def without_note(err: str) -> str:
    """What a sweep has written to stderr, without its note on uncommitted changes, which this checkout may have."""
    first, _, rest = err.partition("\n")
    return rest if first.startswith("note: ") and "uncommitted changes" in first else err


def records(out: Path) -> dict[str, Record]:
    """The records of complete runs by the names of their folders."""
    return {path.parent.name: read_record(path) for path in out.glob("*/*/record.json") if not path.parent.suffix}


def records_of_attempts(out: Path) -> dict[Path, Record]:
    """The records of runs that are not complete by their folders."""
    return {path.parent: read_record(path) for path in out.glob("*/*.attempt/record.json")}


def assert_same_weights(out: Path, other: Path) -> None:
    """All complete runs ended with the same network and tiles, bit for bit."""
    for path in out.glob("*/*/last.ckpt"):
        here, there = (
            torch.load(file, weights_only=True)["state_dict"] for file in (path, other / path.relative_to(out))
        )
        same(here, there, str(path))


def writers(log: Path) -> Iterator[int]:
    """Processes whose standard output is this file."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            target = os.readlink(process / "fd" / "1")
        except OSError:
            continue
        if target == str(log.resolve()):
            yield int(process.name)
