"""Runs as processes: none outlives its sweep, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.sweep.runs import records_of_attempts, without_note, write_sweep, writers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.mark.parametrize(
    ("number", "group", "status"),
    [(signal.SIGTERM, False, 130), (signal.SIGTERM, True, 130), (signal.SIGKILL, False, -signal.SIGKILL)],
    ids=["SIGTERM", "SIGTERM to the runs, too", "SIGKILL"],
)
def test_runs_end_with_their_sweep_and_can_go_on(
    number: signal.Signals, group: bool, status: int, tmp_path: Path
) -> None:
    sweep, out = write_sweep(tmp_path, 1_000_000), tmp_path / "out"
    command = [sys.executable, "-m", "resbench", "sweep", str(sweep), f"--out={out}", "--jobs=2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while len(list(out.glob("*/*.attempt/last.ckpt"))) < 2:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        logs = list(out.glob(".logs/*.log"))
        runs = [pid for log in logs for pid in writers(log)]
        assert len(runs) == 2
        for pid in (process.pid, *(runs if group else [])):
            os.kill(pid, number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == status
        assert without_note(err) == ("resbench sweep: interrupted\n" if status == 130 else "")
        end = time.monotonic() + 60
        while any(pid in runs for log in logs for pid in writers(log)):
            assert time.monotonic() < end, "a run outlives its sweep"
            assert number == signal.SIGKILL, "the sweep waits for its runs"
            time.sleep(0.05)
    finally:
        process.kill()
    for folder, record in records_of_attempts(out).items():
        assert record.status == "interrupted"
        assert record.error is not None
        assert record.error.startswith("stopped at step")
        assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == record.steps
    assert len(records_of_attempts(out)) == 2
