"""Kill one small run again and again, resume it each time, and compare its end with that of an uninterrupted run.

``python -m tests.training.killing FOLDER`` forks the runs from a process that has imported everything, and kills them
by SIGKILL at random times, at random openings, renamings and removals of files, and in the middle of a write of random
length. With ``--processes`` each start is a fresh `resbench` process, killed at random times.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from resbench.cli import main
from resbench.records.schema import metric_differences, read_record

CONFIG = Path(__file__).resolve().parent.parent.parent / "configs" / "digits_2bit_residual.yaml"
RUN = ("--trainer.max_epochs=3", "--trainer.limit_train_batches=8", "--checkpoint.every_n_steps=3")
#: What happens to files on the way; a run meets the same events in the same order each time.
EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")


class Moment:
    """An audit hook that counts the events of files in a folder, and acts at one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = str(folder), 0
        self.at: int | None = None
        self.act: Callable[[], None] = die

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS or not str(arguments[0]).startswith(self.folder):
            return
        if event == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("xwa")):
            return
        self.count += 1
        if self.count == self.at:
            self.act()


def die() -> None:
    """As `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_a_write(size: int) -> Callable[[], None]:
    """Have the kernel kill this process when a file grows beyond a size, in bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def command(root: Path) -> list[str]:
    """What starts the run, or resumes it if it has begun."""
    for config in root.glob("*/*.attempt/config.yaml"):
        return ["resume", str(config.parent)]
    return ["fit", "--config", str(CONFIG), *RUN, "--ckpt_path=last", f"--experiment.root={root}"]


def in_process(argv: Sequence[str], log: Path) -> int:
    """Run a command line here, with its output in a file."""
    sys.stdout.flush()
    kept = os.dup(1)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
    try:
        return main(argv)
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)


def in_fork(argv: Sequence[str], log: Path, seconds: float | None, moment: Moment) -> bool:
    """Run a command line in a fork of this process; whether it was killed."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it; later Lightning puts back what it found
        os._exit(in_process(argv, log))
    moment.at = None
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    return killed(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), log)


def as_process(argv: Sequence[str], log: Path, seconds: float | None) -> bool:
    """Run a command line as a user does; whether it was killed."""
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-m", "resbench", *argv], stdout=file, stderr=file)
        if seconds is not None:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        return killed(process.wait(), log)


def killed(status: int, log: Path) -> bool:
    """Whether a signal ended a process; it must have ended well otherwise."""
    assert status <= 0, log.read_text()
    return status < 0


def compare(whole: Path, other: Path) -> None:
    """Both runs ended with the same bits, and left the same files."""
    names = [sorted(path.name for path in folder.iterdir()) for folder in (whole, other)]
    assert names[0] == names[1]
    for name in names[0]:
        if name in ("metrics.csv", "tiles.jsonl"):
            assert (whole / name).read_bytes() == (other / name).read_bytes(), name
    first, second = read_record(whole / "record.json"), read_record(other / "record.json")
    assert metric_differences(first, second) == []
    assert (first.layers, first.steps, second.status) == (second.layers, second.steps, "complete")
    a, b = (torch.load(folder / "last.ckpt", weights_only=True) for folder in (whole, other))
    same(a["state_dict"], b["state_dict"], "state_dict")
    same(a["optimizer_states"], b["optimizer_states"], "optimizer_states")


def same(a: Any, b: Any, place: str) -> None:
    """Both values hold the same bits."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), place
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), place
        for key in a:
            same(a[key], b[key], f"{place}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), place
        for index, (left, right) in enumerate(zip(a, b, strict=True)):
            same(left, right, f"{place}.{index}")
    else:
        assert a == b, place


def experiment(folder: Path, kills: int, seed: int, processes: bool) -> tuple[int, float]:
    """Kill runs until so many kills have hit one.

    Returns:
        Runs that reached their end, all of them equal to the uninterrupted one; and the time that one takes.
    """
    whole, root, log = folder / "whole", folder / "runs", folder / "output.txt"
    moment = Moment(folder)
    for first in (True, False):  # the first one imports and compiles
        shutil.rmtree(whole, ignore_errors=True)
        if not first and not processes:
            sys.addaudithook(moment)
        start = time.monotonic()
        if processes:
            as_process(command(whole), log, None)
        else:
            in_process(command(whole), log)
        duration = time.monotonic() - start
    events, moment.count = moment.count, 0
    (reference,) = whole.glob("*/*")

    def end() -> None:
        (run,) = root.glob("*/*")
        compare(reference, run)
        shutil.rmtree(root)

    chance = random.Random(seed)
    hits = ends = 0
    while hits < kills:
        seconds, moment.at = None, None
        kind = "time" if processes else chance.choice(["time", "event", "write"])
        if kind == "time":
            seconds = chance.uniform(0, duration)
        else:
            moment.at = moment.count + chance.randrange(1, events + 1)
            moment.act = die if kind == "event" else die_in_a_write(chance.randrange(20_000))
        argv = command(root)
        hit = as_process(argv, log, seconds) if processes else in_fork(argv, log, seconds, moment)
        hits += hit
        if not hit:
            ends += 1
            end()
    moment.at = None
    assert not (as_process(command(root), log, None) if processes else in_fork(command(root), log, None, moment))
    end()
    return ends + 1, duration


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", action="store_true")
    args = parser.parse_args()
    ends, duration = experiment(args.folder, args.kills, args.seed, args.processes)
    print(f"{args.kills} kills, {ends} ends equal to the uninterrupted run, which takes {duration:.1f} s")
