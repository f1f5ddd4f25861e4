"""An executor whose runs are jobs of SLURM arrays."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from resbench.errors import UserError
from resbench.sweep.executor import sigterm_interrupts
from resbench.sweep.job import LOGS, Job, work

if TYPE_CHECKING:
    import submitit

#: Seconds between two checks of the jobs.
POLL = 1.0
#: Jobs in one array, which is SLURM's default MaxArraySize.
ARRAY = 1000
#: How often a run may reach its time limit and continue in a new job.
REQUEUES = 100


class SlurmExecutor:
    """Each run is one job of an array, submitted by submitit. A run that reaches its time limit is queued again.

    Submitted functions, outputs and scripts are in ``OUT/.logs/slurm``. The nodes share a file system and an
    environment with the machine that submits.

    Args:
        workers: runs at a time; None for as many as the cluster allows.
        cpus: CPUs of a run; None for the largest ``threads`` of the configs.
        gpus: GPUs of a run.
        minutes: time limit of a job.
        partition: partition to submit to.
        options: further options of sbatch, by their long names.
        cluster: ``local`` runs the jobs on this machine, for tests.

    Raises:
        UserError: if submitit is not installed.
    """

    def __init__(
        self,
        workers: int | None = None,
        cpus: int | None = None,
        gpus: int = 0,
        minutes: int = 240,
        partition: str | None = None,
        options: Mapping[str, str] | None = None,
        cluster: Literal["slurm", "local"] = "slurm",
    ) -> None:
        try:
            import submitit  # noqa: F401
        except ModuleNotFoundError as error:
            raise UserError(
                f'--executor slurm: {error.name} is missing; write: pip install "resbench[slurm]"'
            ) from None
        self.workers, self.cpus, self.gpus, self.minutes = workers, cpus, gpus, minutes
        self.partition, self.options, self.cluster = partition, dict(options or {}), cluster

    def execute(self, jobs: Sequence[Job], started: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        """See ``Executor``.

        At Ctrl-C or SIGTERM, jobs that have not started are cancelled. Running ones get SIGINT and write their records
        and checkpoints, and the sweep waits for them. The second time, the rest is left to SLURM.
        """
        with sigterm_interrupts():
            for first in range(0, len(jobs), ARRAY):
                self._execute_array(jobs[first : first + ARRAY], started, ended)

    def _execute_array(self, jobs: Sequence[Job], started: Callable[[Job], None], ended: Callable[[Job], None]) -> None:
        unseen = {job: job.stamp() for job in jobs}
        pending = self._submit(jobs)

        def collect() -> None:
            time.sleep(POLL)
            for job in [job for job, stamp in unseen.items() if job.stamp() != stamp]:
                del unseen[job]
                started(job)
            for job, submitted in list(pending.items()):
                if submitted.done():
                    del pending[job]
                    unseen.pop(job, None)
                    _note_failure(submitted, job)
                    ended(job)

        try:
            while pending:
                collect()
        except KeyboardInterrupt:
            for job, submitted in pending.items():
                if job in unseen or self.cluster == "local":
                    submitted.cancel(check=False)
                else:
                    subprocess.run(["scancel", "--signal=INT", submitted.job_id], check=False)
            while pending:
                collect()
            raise

    def _submit(self, jobs: Sequence[Job]) -> dict[Job, submitit.Job[int]]:
        import submitit

        folder = jobs[0].root / LOGS / "slurm"
        try:
            executor = submitit.AutoExecutor(folder, cluster=self.cluster, slurm_max_num_timeout=REQUEUES)
            executor.update_parameters(
                name="resbench",
                timeout_min=self.minutes,
                cpus_per_task=self.cpus or max(job.threads for job in jobs),
                gpus_per_node=self.gpus,
                slurm_partition=self.partition,
                slurm_array_parallelism=self.workers or len(jobs),
                slurm_additional_parameters=self.options,
            )
            return dict(zip(jobs, executor.map_array(Task(), jobs), strict=True))
        except (RuntimeError, subprocess.CalledProcessError) as error:  # there is no SLURM, or it refuses the options
            reason = " ".join(str(error).split())
            raise UserError(f"--executor slurm: {reason}") from None


class Task:
    """The function of each job: one run. At the time limit it stops with a checkpoint and is queued again.

    submitit announces the limit with a signal 90 s before. Its own handler would end the process in the middle of a
    step.
    """

    def __call__(self, job: Job) -> int:
        """Run the job and return its exit status."""
        from submitit import JobEnvironment

        number = JobEnvironment._usr_sig()
        queue_again: Any = signal.getsignal(number)
        announced = False

        def stop(number: int, frame: FrameType | None) -> None:
            nonlocal announced
            announced = True
            signal.raise_signal(signal.SIGINT)

        signal.signal(number, stop)
        status = work(job)
        if announced and not job.state().done:
            queue_again(number, None)
        return status

    def checkpoint(self, job: Job) -> submitit.helpers.DelayedSubmission:
        """Submit the same task again. The run finds its checkpoint itself."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job)


def _note_failure(submitted: submitit.Job[int], job: Job) -> None:
    """If SLURM ended a job, note it in the log of the job."""
    if submitted.exception() is not None:
        job.note(f"SLURM job {submitted.job_id}: {submitted.state}; see {submitted.paths.stderr}")
