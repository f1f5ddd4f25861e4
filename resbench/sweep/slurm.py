"""An executor whose runs are jobs of SLURM arrays."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from resbench.errors import UserError
from resbench.sweep.executor import sigterm_interrupts
from resbench.sweep.job import ATTEMPTS, LOGS, Job, work

if TYPE_CHECKING:
    import submitit

#: Seconds between two checks of the files of the jobs.
POLL = 1.0
#: Seconds between two questions to SLURM about the jobs.
QUERY = 10.0
#: States of jobs that have ended, in the words of squeue.
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"}
ENDED |= {"NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"}
#: Jobs in one array, which is SLURM's default MaxArraySize.
ARRAY = 1000
#: How often a run may reach its time limit and continue in a new job.
REQUEUES = 100

#: States of runs that a job leaves if it has been stopped or killed.
UNFINISHED = ("open", "interrupted")


class SlurmExecutor:
    """Each run is one job of an array, submitted by submitit.

    A run that reaches its time limit or loses its node is queued again by SLURM. If a job ends in another way before
    its run is over, the run is submitted again, unless the job was cancelled. squeue says whether a job has ended, so
    the cluster needs no accounting.

    Submitted functions, outputs and scripts are in ``OUT/.logs/slurm``. The nodes share a file system and an
    environment with the machine that submits.

    Args:
        workers: runs at a time; None for as many as the cluster allows.
        cpus: CPUs of a run; None for the largest ``threads`` of the configs.
        gpus: GPUs of a run.
        minutes: time limit of a job.
        partition: partition to submit to.
        options: further options of sbatch, by their long names.

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
    ) -> None:
        try:
            import submitit  # noqa: F401
        except ModuleNotFoundError as error:
            raise UserError(
                f'--executor slurm: {error.name} is missing; write: pip install "resbench[slurm]"'
            ) from None
        self.workers, self.cpus, self.gpus, self.minutes = workers, cpus, gpus, minutes
        self.partition, self.options = partition, dict(options or {})

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
        begun = Counter(jobs)
        queue = Queue()

        def collect(take_up: bool) -> None:
            time.sleep(POLL)
            for job in [job for job, stamp in unseen.items() if job.stamp() != stamp]:
                del unseen[job]
                started(job)
            for job in list(_over(pending, queue, take_up)):
                submitted = pending.pop(job)
                unseen.pop(job, None)
                ended(job)
                if take_up and job.state().status in UNFINISHED:
                    state = queue.states.get(submitted.job_id, "no longer known")
                    job.note(f"SLURM job {submitted.job_id}: {state}; see {submitted.paths.stderr}")
                    if state != "CANCELLED" and begun[job] < ATTEMPTS:
                        begun[job] += 1
                        unseen[job] = job.stamp()
                        pending.update(self._submit([job]))

        try:
            while pending:
                collect(take_up=True)
        except KeyboardInterrupt:
            for job, submitted in pending.items():
                if job in unseen:
                    submitted.cancel(check=False)
                else:
                    subprocess.run(["scancel", "--signal=INT", submitted.job_id], check=False)
            while pending:
                collect(take_up=False)
            raise

    def _submit(self, jobs: Sequence[Job]) -> dict[Job, submitit.Job[int]]:
        import submitit

        folder = jobs[0].root / LOGS / "slurm"
        try:
            executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=REQUEUES)
            executor.update_parameters(
                name="resbench",
                timeout_min=self.minutes,
                cpus_per_task=self.cpus or max(job.threads for job in jobs),
                gpus_per_node=self.gpus,
                slurm_partition=self.partition,
                slurm_array_parallelism=self.workers or len(jobs),
                slurm_additional_parameters={"requeue": True, **self.options},
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


class Queue:
    """The jobs of this sweep as SLURM sees them.

    Attributes:
        states: states by the identifiers of jobs, from the last answer. SLURM forgets a job some minutes after its
            end.
    """

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self._asked = time.monotonic()

    def ended(self, jobs: Iterable[str]) -> set[str]:
        """Those of these jobs that have ended. Between two questions to SLURM, none has."""
        jobs = set(jobs)
        if time.monotonic() - self._asked < QUERY:
            return set()
        self._asked = time.monotonic()
        arrays = ",".join(sorted({job.partition("_")[0] for job in jobs}))
        command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T", f"--jobs={arrays}"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode != 0 and "Invalid job id" not in answer.stderr:  # SLURM does not answer
            return set()
        self.states = dict(line.split() for line in answer.stdout.splitlines())
        return {job for job in jobs if self.states.get(job) is None or self.states[job] in ENDED}


def _over(pending: Mapping[Job, submitit.Job[int]], queue: Queue, take_up: bool) -> Iterator[Job]:
    """Jobs that have ended. The result of a job says so earlier than SLURM, but SLURM may start a stopped one again."""
    ended = queue.ended(submitted.job_id for submitted in pending.values())
    folders = {submitted.paths.folder for submitted in pending.values()}
    results = {folder / name for folder in folders for name in os.listdir(folder)}  # a listing is not out of date
    for job, submitted in pending.items():
        has_result = submitted.paths.result_pickle in results
        if submitted.job_id in ended or (has_result and not (take_up and job.state().status in UNFINISHED)):
            yield job
