"""A sweep on a SLURM cluster of two nodes."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resbench.cli import main
from resbench.records.schema import metric_differences
from resbench.sweep import slurm
from tests.sweep.runs import assert_same_weights, records, write_sweep, writers
from tests.sweep.slurm_cluster import Cluster, slurm_cluster, why_not

pytest.importorskip("submitit")
pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
#: So many that none of the two runs ends while the other one is disturbed.
EPOCHS = 150


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as started:
        monkeypatch.setenv("SLURM_CONF", str(started.config))
        yield started


def test_a_limit_a_killed_job_and_a_lost_node_change_nothing(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "QUERY", 1.0)
    sweep, local, remote = write_sweep(tmp_path, EPOCHS), tmp_path / "local", tmp_path / "slurm"
    disturbed: dict[int, str] = {}

    def next_process() -> tuple[int, dict[str, str]]:
        """A process that trains, can be continued and was not disturbed; and its environment."""
        while True:
            for checkpoint in remote.glob("*/*.attempt/last.ckpt"):
                log = remote / ".logs" / f"residual-{checkpoint.parent.stem}.log"
                trains = log.read_text().rpartition("\n")[0].rpartition("\n")[2].startswith("epoch ")
                for process in set(writers(log) if trains else ()) - set(disturbed):
                    disturbed[process] = log.name
                    environment = Path("/proc", str(process), "environ").read_text().split("\0")
                    return process, dict(line.split("=", 1) for line in environment if line)
            time.sleep(0.01)

    def wait_for_end(process: int) -> None:
        """A process takes a while to stop and to say so; the next disturbance must not hit it too."""
        log = remote / ".logs" / disturbed[process]
        there = set(writers(log))
        while there & set(writers(log)):
            time.sleep(0.01)

    def disturb() -> None:
        limited, at_its_limit = next_process()
        task = f"{at_its_limit['SLURM_ARRAY_JOB_ID']}_{at_its_limit['SLURM_ARRAY_TASK_ID']}"
        subprocess.run(["scancel", "--signal=USR2", task], check=True)
        wait_for_end(limited)
        killed, _ = next_process()
        os.kill(killed, signal.SIGKILL)
        _, on_a_lost_node = next_process()
        cluster.lose(on_a_lost_node["SLURMD_NODENAME"])

    disturber = threading.Thread(target=disturb, daemon=True)
    disturber.start()
    assert main(["sweep", str(sweep), f"--out={remote}", "--executor=slurm"]) == 0
    disturber.join()
    logs = {path.name: path.read_text() for path in (remote / ".logs").glob("*.log")}
    limited, killed, _ = disturbed.values()
    assert logs[limited].count("interrupted: stopped at step") == 1
    assert "FAILED; see" in logs[killed]
    assert sum(log.count("residual: seed") for log in logs.values()) == 5, "two runs and three that went on"
    assert [log.count(f"epoch 1/{EPOCHS}") for log in logs.values()] == [1, 1]
    assert main(["sweep", str(sweep), f"--out={local}", "--jobs=2"]) == 0
    there, here = records(remote), records(local)
    assert [metric_differences(here[key], there[key]) for key in here] == [[], []]
    assert_same_weights(local, remote)
