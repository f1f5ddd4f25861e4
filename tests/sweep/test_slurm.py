"""A sweep as jobs of submitit."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from resbench.cli import main
from resbench.records.schema import metric_differences
from resbench.sweep.job import Job
from resbench.sweep.jobs import resolve
from resbench.sweep.plan import read_plan
from resbench.sweep.slurm import SlurmExecutor
from tests.sweep.runs import assert_same_weights, records, write_sweep, writers

pytest.importorskip("submitit")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def test_a_run_at_its_time_limit_goes_on_in_a_new_job(tmp_path: Path) -> None:
    sweep, local, remote = write_sweep(tmp_path, 40), tmp_path / "local", tmp_path / "slurm"
    sweep.write_text(sweep.read_text().replace("[0, 1]", "[0]"))
    (job,) = resolve(read_plan(sweep, remote)[1], remote)
    events: list[tuple[str, Job]] = []

    def announce_the_limit() -> None:
        while not (job.folder.attempt / "last.ckpt").exists():
            time.sleep(0.01)
        for process in writers(job.log):
            os.kill(process, signal.SIGUSR2)

    threading.Thread(target=announce_the_limit, daemon=True).start()
    executor = SlurmExecutor(cluster="local")
    executor.execute([job], lambda job: events.append(("started", job)), lambda job: events.append(("ended", job)))
    assert events == [("started", job), ("ended", job)]
    log = job.log.read_text()
    assert log.count("interrupted: stopped at step") == 1
    assert log.count("epoch 1/40") == 1
    assert main(["sweep", str(sweep), f"--out={local}"]) == 0
    (here,), (there,) = records(local).values(), records(remote).values()
    assert metric_differences(here, there) == []
    assert_same_weights(local, remote)
