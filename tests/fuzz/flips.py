"""Flips one bit in a file of a run and uses the run: the flip must be found, or change nothing.

No command may end in a traceback or take longer than 20 s. A training that ends must have the same metrics as the run
with the original files.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resbench.cli import main
from resbench.records.schema import RecordError, metric_differences, read_record
from tests.training.killing import in_process
from tests.training.runs import CONFIG, SHORT

SECONDS = 20
#: Number of checkpoints after which the first run is interrupted. Then it has two of them, and a complete epoch.
SAVED = 4
#: Files, their weights in the random choice, and the actions that are tried afterwards.
TARGETS = {
    "last.ckpt": (6, ("test", "test", "test", "test", "resume")),
    "previous.ckpt": (1, ("resume",)),
    "record.json": (4, ("resume", "validate", "show", "leaderboard", "verify", "submit")),
    "config.yaml": (4, ("resume", "test")),
}


@dataclass
class Trial:
    """One flipped bit.

    Args:
        file: name of the file.
        bit: number of the bit.
        action: the action that is tried.
    """

    file: str
    bit: int
    action: str


class Fuzzer:
    """An interrupted run, of which copies with flipped bits are used.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "output.txt"
        root = folder / "start"
        fit = ["fit", "--config", str(CONFIG), *SHORT, "--checkpoint.every_n_steps=3"]
        interrupt_after(SAVED)
        # Not in a fork, so that all later forks have the imported and compiled code.
        assert in_process([*fit, f"--experiment.root={root}"], self.log) == 130, self.log.read_text()
        (self.attempt,) = root.glob("*/*.attempt")
        copied = self.copy()
        assert in_process(["resume", str(copied)], self.log) == 0, self.log.read_text()
        self.whole = read_record(complete(copied) / "record.json")

    def copy(self) -> Path:
        """A fresh copy of the attempt."""
        root = self.folder / "runs"
        shutil.rmtree(root, ignore_errors=True)
        return Path(shutil.copytree(self.attempt, root / self.attempt.parent.name / self.attempt.name))

    def execute(self, argv: Sequence[str]) -> int | None:
        """The exit status of a command in a fork of this process, with its output in the log; None for a hang."""
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            with self.log.open("wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            status = 70
            try:
                status = main(argv)
            except SystemExit as error:
                status = error.code if isinstance(error.code, int) else 1
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        last = time.monotonic() + SECONDS
        while time.monotonic() < last:
            ended, code = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(code)
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return None

    def choose(self, chance: random.Random) -> Trial:
        """A random file, bit and action."""
        names = list(TARGETS)
        name = chance.choices(names, [TARGETS[name][0] for name in names])[0]
        bits = 8 * (self.attempt / name).stat().st_size
        return Trial(name, chance.randrange(bits), chance.choice(TARGETS[name][1]))

    def wrong(self, trial: Trial) -> str | None:
        """The fault, if there is one."""
        copied = self.copy()
        file = copied / trial.file
        content = bytearray(file.read_bytes())
        content[trial.bit // 8] ^= 1 << trial.bit % 8
        file.write_bytes(content)
        status = self.execute(self.command(trial.action, copied))
        said = self.log.read_text(errors="replace")
        if status is None:
            return f"still running after {SECONDS} s"
        if "Traceback (most recent call last)" in said or status not in (0, 1, 2):
            return f"exit status {status}: {said}"
        if status == 2 and said.count("error: ") != 1:
            return f"no single line: {said}"
        if trial.file.endswith(".ckpt") and (status, trial.action) not in ((0, "resume"), (2, "test")):
            return f"the flip was not found: exit status {status}"
        if trial.action == "resume" and status == 0:
            try:
                differences = metric_differences(read_record(complete(copied) / "record.json"), self.whole)
            except RecordError as error:
                return f"no record after resume: {error}"
            return differences[0] if differences else None
        return None

    def command(self, action: str, copied: Path) -> list[str]:
        """The command line of an action."""
        record, board = str(copied / "record.json"), self.folder / "board"
        return {
            "resume": ["resume", str(copied)],
            "test": ["test", f"--config={copied / 'config.yaml'}", f"--ckpt_path={copied / 'last.ckpt'}"],
            "validate": ["record", "validate", record],
            "show": ["record", "show", record],
            "leaderboard": ["leaderboard", str(copied.parent)],
            "verify": ["verify", "--dry-run", record],
            "submit": ["submit", record, "--check", "--board", str(board)],
        }[action]


def interrupt_after(checkpoints: int) -> None:
    """Let this process send SIGINT to itself after so many saved checkpoints."""
    left = checkpoints

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == "os.rename" and str(arguments[1]).endswith("last.ckpt"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGINT)

    sys.addaudithook(hook)


def complete(attempt: Path) -> Path:
    """The folder of an attempt when it is complete."""
    return attempt.with_name(attempt.name.removesuffix(".attempt"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m tests.fuzz flips``."""
    parser.add_argument("--count", type=int, default=3000, help="flipped bits")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Flip bits, one at a time; print the faults and the number of tries."""
    chance = random.Random(args.seed)
    tried: Counter[str] = Counter()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(Path(folder))
        for _ in range(args.count):
            trial = fuzzer.choose(chance)
            tried[f"{trial.file} {trial.action}"] += 1
            if reason := fuzzer.wrong(trial):
                failures += 1
                print(f"{trial}: {reason}", flush=True)
    for name, count in sorted(tried.items()):
        print(f"{name}: {count}")
    print(f"{args.count} flipped bits with seed {args.seed}, {failures} went wrong")
    return int(failures > 0)
