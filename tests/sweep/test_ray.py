"""A sweep on a Ray cluster of two nodes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resbench.cli import main
from resbench.errors import UserError
from resbench.records.schema import metric_differences
from resbench.sweep.ray import CONNECTIONS, RayExecutor
from tests.sweep.runs import assert_same_weights, records, without_note, write_sweep, writers

pytest.importorskip("ray")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, str]]:
    """Addresses for a driver and for a client; two nodes with one CPU each, and one GPU, or what Ray takes for one."""
    from ray.cluster_utils import Cluster

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    head = {"num_cpus": 1, "num_gpus": 1, "include_dashboard": False, "ray_client_server_port": port}
    with pytest.MonkeyPatch.context() as patch:
        # The head node forks a process for each client, which gRPC's handlers of forks can kill at birth.
        patch.setenv("GRPC_ENABLE_FORK_SUPPORT", "0")
        nodes = Cluster(initialize_head=True, head_node_args=head)
    nodes.add_node(num_cpus=1, num_gpus=1)
    host = str(nodes.address).partition(":")[0]
    yield str(nodes.address), f"ray://{host}:{port}"
    nodes.shutdown()


def test_a_killed_worker_changes_nothing(
    cluster: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep, local, remote = write_sweep(tmp_path, 40), tmp_path / "local", tmp_path / "ray"
    killed: list[str] = []

    def kill_one_that_trains() -> None:
        while not (checkpoints := list(remote.glob("*/*.attempt/last.ckpt"))):
            time.sleep(0.01)
        name = checkpoints[0].parent.stem
        for process in writers(remote / ".logs" / f"residual-{name}.log"):
            os.kill(process, signal.SIGKILL)
            killed.append(name)

    killer = threading.Thread(target=kill_one_that_trains, daemon=True)
    killer.start()
    options = [f"--out={remote}", "--executor=ray", f"--ray-address={cluster[0]}", "--gpus=0.5"]
    assert main(["sweep", str(sweep), *options]) == 0
    killer.join()
    (name,) = killed
    log = (remote / ".logs" / f"residual-{name}.log").read_text()
    assert log.count("residual: seed") == 2, "it began twice"
    assert log.count("epoch 1/40") == 1, "and went on where it was"
    assert without_note(capsys.readouterr().err) == ""
    assert main(["sweep", str(sweep), f"--out={local}", "--jobs=2"]) == 0
    there, here = records(remote), records(local)
    assert len(here) == 2
    assert [metric_differences(here[key], there[key]) for key in here] == [[], []]
    assert_same_weights(local, remote)
    files = [sorted(path.relative_to(out) for path in out.rglob("*")) for out in (local, remote)]
    assert files[0] == files[1]


def test_a_client_runs_a_sweep_on_the_cluster(cluster: tuple[str, str], tmp_path: Path) -> None:
    sweep, out = write_sweep(tmp_path, 1), tmp_path / "ray"
    command = [sys.executable, "-m", "resbench", "sweep", str(sweep), f"--out={out}", "--executor=ray"]
    run = subprocess.run(
        [*command, f"--ray-address={cluster[1]}"], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    assert len(records(out)) == 2


def test_a_cluster_that_breaks_off_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    def breaks_off(**options: object) -> None:
        raise ConnectionAbortedError("Initialization failure from server:\nTraceback:\nRuntimeError: no backend\n")

    monkeypatch.setattr(ray, "init", breaks_off)
    with pytest.raises(UserError, match="ray://there:1: Initialization failure from server: RuntimeError: no backend;"):
        RayExecutor("ray://there:1").execute([], lambda job: None, lambda job: None)
    assert capsys.readouterr().out.count("trying again") == CONNECTIONS - 1
