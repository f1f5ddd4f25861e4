"""Records from Weights & Biases, where each run of a project has its record as an artifact."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from resbench.leaderboard.compact import Compactor
from resbench.leaderboard.runs import Run, read_runs
from resbench.leaderboard.tables import Rejected
from resbench.records.names import ARTIFACT, RECORD
from resbench.records.text import one_line


class Api(Protocol):
    """The part of ``wandb.Api`` that is needed."""

    def runs(self, path: str) -> Iterable[Any]:
        """Runs of a project."""


def read_wandb(project: str, api: Api) -> tuple[list[Run], list[Rejected]]:
    """The runs of a project, and a list of those without a valid record, with the reason.

    For each run the newest artifact of type ``record`` counts. Only its ``record.json`` is downloaded.

    Args:
        project: ``ENTITY/PROJECT``.
        api: ``wandb.Api()``, which needs an account.

    Raises:
        ValueError: if the project cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="resbench-wandb-") as folder:
        found: list[tuple[str, Path]] = []
        rejected: list[Rejected] = []
        try:
            for index, run in enumerate(api.runs(project)):
                name = one_line("/".join(map(str, run.path)))
                try:
                    found.append((name, _fetch(run, Path(folder, str(index)))))
                except Exception as error:  # whatever one run holds, the others count
                    rejected.append(Rejected(file=name, reason=_line(error)))
        except Exception as error:  # the client raises its own errors and those of what it is built on
            raise ValueError(f"{project}: {_line(error)}") from error
        runs, invalid = read_runs(found, Compactor().compact)
    return runs, rejected + invalid


def _fetch(run: Any, folder: Path) -> Path:
    """Download the record of one run."""
    artifacts = [artifact for artifact in run.logged_artifacts() if artifact.type == ARTIFACT]
    if not artifacts:
        raise LookupError("no artifact of type record; runs of configs/logger/wandb.yaml have one")
    return Path(artifacts[-1].get_entry(RECORD).download(root=str(folder)))


def _line(error: Exception) -> str:
    return one_line(str(error)) or type(error).__name__
