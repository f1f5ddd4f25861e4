"""A SLURM cluster of two nodes on this machine, with daemons and files of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

NODES = ("first", "second")

#: A job that lost its node waits as long as a credential is valid, which is two minutes by default.
CONFIG = """
ClusterName=resbench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdTimeout=5
SchedulerParameters=sched_interval=2
NodeName=first NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1
NodeName=second NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1
PartitionName=all Nodes=ALL Default=YES
"""


def why_not() -> str | None:
    """Why no cluster can be started here, or None."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "unshare") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} missing (Debian: packages slurmctld, slurmd, slurm-client and munge)"
    if os.geteuid() != 0:
        return "slurmd needs root"
    namespace = subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False)
    return "unshare --pid is not allowed here" if namespace.returncode else None


class Cluster:
    """What a test needs of the cluster, besides SLURM's own commands.

    Attributes:
        config: the file for the variable SLURM_CONF.
    """

    def __init__(self, config: Path, nodes: dict[str, "subprocess.Popen[bytes]"]) -> None:
        self.config, self._nodes = config, nodes

    def lose(self, node: str) -> None:
        """Kill every process of a node at once, as if its power had failed."""
        self._nodes[node].kill()


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Cluster]:
    """Start the cluster, and end it with this block. Logs of its daemons are in the folder."""
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    (folder / "state").mkdir()
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=socket.gethostname().partition(".")[0], folder=folder, ports=_free_ports(3)))
    munge = [f"--{kind}-file={folder}/munge.{kind}" for kind in ("key", "pid", "log", "seed")]
    with ExitStack() as stack:

        def start(name: str, *command: str) -> "subprocess.Popen[bytes]":
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(_end, process)
            return process

        start("munged", "munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge)
        _wait_for(lambda: (folder / "munge.socket").exists(), folder / "munged.log")
        start("slurmctld", "slurmctld", "-D", "-f", str(config))
        # In a PID namespace, killing the first process kills all. It is bash because that one reaps orphans.
        own = ("unshare", "--pid", "--fork", "--kill-child", "bash", "-c", 'slurmd -D -N "$0" -f "$1"; exit')
        nodes = {node: start(node, *own, node, str(config)) for node in NODES}
        _wait_for(lambda: _idle(config) == len(NODES), folder / "slurmctld.log")
        yield Cluster(config, nodes)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in sockets]


def _wait_for(ready: Callable[[], bool], log: Path) -> None:
    for _ in range(600):
        if ready():
            return
        time.sleep(0.1)
    raise TimeoutError(f"{log}: {log.read_text(errors='replace')[-2000:]}")


def _idle(config: Path) -> int:
    """How many nodes are ready for jobs."""
    command = ["sinfo", "--noheader", "--Node", "--states=idle"]
    answer = subprocess.run(command, capture_output=True, env={**os.environ, "SLURM_CONF": str(config)}, check=False)
    return len(answer.stdout.splitlines())


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
