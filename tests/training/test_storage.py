"""Folders that cannot hold a run: a full disk and one that is read-only."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resbench.cli import main
from resbench.records.schema import read_record
from tests.training.killing import compare
from tests.training.runs import Run

Mount = Callable[[str], None]
#: Bytes of a checkpoint of this run, and somewhat more.
CHECKPOINT = 200_000


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """A file system of its own at `tmp_path / disk`, mounted with options."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = False

    def mount(options: str) -> None:
        nonlocal mounted
        command = ["mount", "-t", "tmpfs", "-o", f"remount,{options}" if mounted else options, "tmpfs", str(disk)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            pytest.skip(f"nothing can be mounted here: {error}")
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        mounted = True

    yield mount
    if mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def leave(disk: Path, room: int) -> None:
    """Fill a disk until this many bytes are free."""
    (disk / "rest").write_bytes(bytes(shutil.disk_usage(disk).free - room))


def test_a_full_disk_and_then_room_again(
    run: Run, mount: Mount, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run("fit")
    mount("size=1m")
    leave(tmp_path / "disk", CHECKPOINT + CHECKPOINT // 2)  # for one, and not for the next beside it
    outcome = run("fit", root="disk/runs")
    assert outcome.status == 1
    assert outcome.err.splitlines()[0].startswith("failed: OSError: [Errno 28] No space left on device; traceback: ")
    assert (outcome.record.status, outcome.record.error) == ("failed", "OSError: [Errno 28] No space left on device")
    assert not list(outcome.folder.glob(".*"))
    mount("size=8m")
    assert main(["resume", str(outcome.folder)]) == 0
    assert "continues from" in capsys.readouterr().out
    compare(whole.folder, outcome.folder.with_name(whole.folder.name))


def test_no_room_for_the_record_either(run: Run, mount: Mount, tmp_path: Path) -> None:
    mount("size=1m")
    complete = run("fit", "--trainer.max_epochs=1", root="disk/runs")
    assert complete.status == 0
    record = complete.folder / "record.json"
    before = record.read_bytes()
    leave(tmp_path / "disk", CHECKPOINT // 2)
    outcome = run("fit", "--trainer.max_epochs=1", root="disk/runs")
    assert outcome.status in (1, 2)
    assert "No space left on device" in outcome.err
    assert "Traceback" not in outcome.err
    assert record.read_bytes() == before
    assert read_record(record).status == "complete"


def test_a_read_only_folder(run: Run, mount: Mount) -> None:
    mount("size=8m")
    folder = run("fit", root="disk/runs").folder
    before = {path: path.read_bytes() for path in folder.iterdir()}
    mount("ro")
    outcome = run("fit", root="disk/runs")
    mount("rw")
    assert outcome.status == 2
    assert outcome.err.startswith("error: experiment.root: ")
    assert outcome.err.endswith(" cannot be written (Read-only file system); name another folder\n")
    assert outcome.err.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
