"""One run of a sweep: its identity, its state, and its work in a process of its own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resbench.errors import UserError
from resbench.records.files import write_text_atomically
from resbench.records.names import RECORD
from resbench.records.schema import Record, record_or_none
from resbench.sweep.plan import Cell
from resbench.training.folder import DIGITS, RunFolder

#: Folder of the logs, in the same folder as the runs.
LOGS = ".logs"
#: How often a sweep starts a run whose process is killed each time.
ATTEMPTS = 3

Status = Literal["complete", "failed", "diverged", "refused", "running", "interrupted", "open"]


@dataclass(frozen=True)
class State:
    """The state of a run.

    Attributes:
        status: that of its record, or one of these: ``refused`` if `resbench fit` did not run the config, ``running``
            if any process works on it, ``interrupted`` if it has begun, and ``open`` if it has not.
        record: its record, if there is one.
        error: why it failed, diverged or was refused.
    """

    status: Status
    record: Record | None = None
    error: str | None = None

    @property
    def done(self) -> bool:
        """Whether it is complete."""
        return self.status == "complete"

    @property
    def failed(self) -> bool:
        """Whether it ended without a result. Such a run is repeated on request only."""
        return self.status in ("failed", "diverged", "refused")


@dataclass(frozen=True)
class Job:
    """A run with its identity. It has plain values only, so any process on the same file system can run it.

    Attributes:
        cell: the run.
        root: folder of the results of the sweep.
        config_hash: hash of the resolved config.
        threads: CPU threads of the run.
        directory: working directory, for relative paths.
        sources: checksum of the weights, data and plug-ins that the sweep found.
        trial: whether it trains for some seconds only, to measure its time, so that its config is not the planned one.
    """

    cell: Cell
    root: Path
    config_hash: str
    threads: int
    directory: Path
    sources: str
    trial: bool = False

    @property
    def folder(self) -> RunFolder:
        """The folder of the run."""
        return RunFolder(self.root, self.cell.name, self.config_hash)

    @property
    def log(self) -> Path:
        """File for the output of the run."""
        return self.root / LOGS / f"{self.cell.name}-{self.folder.complete.name}.log"

    @property
    def refusal(self) -> Path:
        """File for the reason why `resbench fit` did not run this config. Such a run has no folder."""
        return self.log.with_suffix(".refused")

    def state(self) -> State:
        """The state of the run, from its files."""
        folder = self.folder
        record = record_or_none(folder.complete / RECORD)
        if record is not None and record.status == "complete":
            return State("complete", record)
        record = record_or_none(folder.attempt / RECORD)
        if folder.in_progress():
            return State("running", record)
        if record is not None and record.status in ("failed", "diverged"):
            return State(record.status, record, record.error)
        if self.refusal.is_file():
            return State("refused", None, self.refusal.read_text(encoding="utf-8").strip())
        return State("interrupted" if folder.attempt.exists() else "open", record)

    def note(self, line: str) -> None:
        """Add a line to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def stamp(self) -> int:
        """When the log was last written to, or 0 if there is none. It changes when the job starts."""
        try:
            return self.log.stat().st_mtime_ns
        except OSError:
            return 0

    def last_line(self) -> str:
        """The last line that the run printed."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "it left no word"


def work(job: Job) -> int:
    """Run a job in this process and return the exit status of `resbench fit`. The process should end afterwards.

    A run that was interrupted or killed continues from its checkpoint. One that failed begins again. One that is
    complete or runs in another process is left alone. Output goes to the log.
    """
    os.chdir(job.directory)
    if str(job.directory) not in sys.path:
        sys.path.append(str(job.directory))  # for modules of a class_path, as in `resbench fit`
    before = job.state()
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as file:  # appends, because another sweep may work on the same run
        if before.failed:
            file.truncate(0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if before.status in ("complete", "running"):
        return 0
    job.refusal.unlink(missing_ok=True)
    from resbench.training.cli import RunCLI
    from resbench.training.fit import run
    from resbench.training.sources import digest

    try:
        cli = RunCLI([*job.cell.argv, *([] if before.failed else ["--ckpt_path=last"])], "resbench fit")
        _check_unchanged(job, digest(cli.resolved), cli.config_hash)
        return run(cli)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        if not job.folder.in_progress():
            write_text_atomically(job.refusal, f"{error}\n")
        return 2
    except KeyboardInterrupt:  # before the run had begun
        return 130


def _check_unchanged(job: Job, sources: str, config_hash: str) -> None:
    """Refuse another run than the planned one, whose name and folder it would take.

    Raises:
        UserError: if a file that the run reads has changed since the plan was read.
    """
    if sources != job.sources:
        what = "its weights, data or plug-in have"
    elif config_hash != job.config_hash and not job.trial:
        what = (
            f"its config has the hash {config_hash[:DIGITS]} now and not {job.config_hash[:DIGITS]}, so its files have"
        )
    else:
        return
    raise UserError(f"{what} changed since the sweep began; start the sweep again, with --retry if you put them back")
