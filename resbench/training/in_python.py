"""`resbench fit` as a function, for scripts and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resbench.records.names import RECORD
from resbench.records.schema import Record, record_or_refuse
from resbench.training.cli import RunCLI
from resbench.training.fit import run


def fit(config: str | Path | Sequence[str | Path], *flags: str) -> Record:
    """Train as ``resbench fit`` does and return the record of the run.

    The run sets threads and arithmetic of this process, so call it before torch computes anything. If the same run was
    interrupted before, it is continued.

    Args:
        config: a config file, or several; later ones override earlier ones. Those of resbench are found by name.
        flags: further arguments as on the command line, such as ``"--trainer.max_epochs=2"``.

    Returns:
        The record; its ``status`` says whether the run is complete, ``final`` has the test metrics.

    Raises:
        UserError: for a config that cannot be run, or if the record could not be written.
    """
    configs = [config] if isinstance(config, (str, Path)) else config
    cli = RunCLI([*(f"--config={path}" for path in configs), *flags], "resbench fit")
    status = run(cli)
    folder = cli.folder.attempt if status else cli.folder.complete
    return record_or_refuse(folder / RECORD)
