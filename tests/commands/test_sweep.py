"""`resbench sweep` on the digits."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from resbench.cli import main
from resbench.leaderboard.compile import compile_leaderboard
from resbench.records.schema import read_record
from resbench.sweep.jobs import resolve
from resbench.sweep.plan import read_plan
from tests.sweep.runs import records, without_note, write_sweep, writers

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs"
SWEEP = """
base: track/digits_mlp.yaml
seeds: [0]
runs:
  - name: digital
    config: algorithm/digital.yaml
    set: {trainer.max_epochs: EPOCHS, trainer.limit_train_batches: 4}
  - name: diverging
    config: algorithm/digital.yaml
    set: {trainer.max_epochs: 1, optimizer.lr: 1e38}
  - name: refused
    config: algorithm/digital.yaml
    set: {trainer.max_epochs: 1, data.train_size: 5000}
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP.replace("EPOCHS", "1"))
    return path


def test_what_is_complete_is_not_run_again(sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["sweep", str(sweep), f"--out={out}"]
    assert main([*arguments, "--jobs=2"]) == 1
    captured = capsys.readouterr()
    lines = sorted(captured.out.splitlines())
    assert lines[0] == f"3 runs: 0 done, 3 left; results in {out}"
    assert lines[1].startswith("digital seed 0: test/loss ")
    assert lines[2].startswith("diverging seed 0: diverged: the training loss is nan")
    assert lines[3].startswith("refused seed 0: refused: data.init_args.train_size: 5000 is more than")
    assert without_note(captured.err) == "2 of 3 runs failed; --retry runs them again\n"
    (path,) = out.glob("digital/*/record.json")
    before = path.read_bytes()
    assert main([*arguments, "--plan"]) == 0
    *runs, counts = capsys.readouterr().out.splitlines()
    assert [line.split()[1:5:3] for line in runs] == [
        ["digital", "complete"], ["diverging", "diverged:"], ["refused", "refused:"],
    ]  # fmt: skip
    assert counts == "3 runs: 1 done, 2 failed, 0 left"
    assert main(arguments) == 1
    assert capsys.readouterr().out == f"{counts}; results in {out}\n", "what failed waits for --retry"
    assert main([*arguments, "--plan", "--retry"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("time left: about ")
    assert main([*arguments, "--retry", "--jobs=2"]) == 1
    again = sorted(capsys.readouterr().out.splitlines())
    assert [line.split(":")[0] for line in again[1:]] == ["diverging seed 0", "refused seed 0"]
    sweep.write_text(SWEEP.replace("EPOCHS", "1").partition("  - name: diverging")[0])
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"1 run: 1 done, 0 left; results in {out}\n"
    assert path.read_bytes() == before
    leaderboard = compile_leaderboard(out)
    assert leaderboard.rejected == []
    means = {table.track.train_size: [row.mean is None for row in table.rows] for table in leaderboard.tables}
    assert means == {32: [False], 1200: [True]}, "4 mini-batches of an epoch are another track"


def test_mistakes_are_found_before_anything_runs(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.write_text(SWEEP.replace("EPOCHS", "two"))
    assert main(["sweep", str(sweep), f"--out={tmp_path / 'out'}"]) == 2
    assert capsys.readouterr().err == (
        "error: digital: trainer.max_epochs: two does not fit; write a whole number or null\n"
    )
    capsys.readouterr()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--jobs=0"], "--jobs: 0 is too few; write 1 or more"),
        (["--gpus=1"], "--gpus: write --executor ray or slurm with it"),
        (["--executor=ray", "--slurm-time=60"], "--slurm-time: write --executor slurm with it"),
        (["--executor=slurm", "--gpus=0.5"], "--gpus: 0.5: write a whole number"),
        (["--executor=slurm", "--slurm-option=qos"], "--slurm-option: qos: write NAME=VALUE, for example account=lab"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    sweep: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(sweep), *options]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


@pytest.mark.parametrize(("executor", "package", "extra"), [("ray", "ray", "ray"), ("slurm", "submitit", "slurm")])
def test_a_missing_extra_is_named(
    sweep: Path,
    executor: str,
    package: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["sweep", str(sweep), f"--executor={executor}"]) == 2
    assert capsys.readouterr().err == (
        f'error: --executor {executor}: {package} is missing; write: pip install "resbench[{executor}]"\n'
    )


def test_the_time_of_a_plan_is_unknown_until_it_is_measured(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    scheduler = "lr_scheduler: {class_path: lightning.pytorch.cli.ReduceLROnPlateau, init_args: {monitor: val/loss}}"
    sweep.write_text(SWEEP.replace("EPOCHS", f"100000000, {scheduler}, lr_scheduler_interval: epoch"))
    arguments = ["sweep", str(sweep), f"--out={out}", "--plan"]
    assert main(arguments) == 0
    *runs, counts, time_left = capsys.readouterr().out.splitlines()
    assert time_left.startswith("time left: unknown")
    assert main([*arguments, "--measure", "--jobs=2"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[:-1] == [*runs, counts], "trials are no runs"
    assert re.fullmatch(r"time left: about \d+ d.* of training, 2 runs at a time", captured.out.splitlines()[-1])
    assert captured.err == "training 3 experiments for a few seconds\n"
    assert not list(out.glob("*/*/record.json"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_killed_run_is_taken_up_from_its_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep, out = write_sweep(tmp_path, 40), tmp_path / "out"
    killed: list[str] = []

    def kill_one_that_trains() -> None:
        while not (checkpoints := list(out.glob("*/*.attempt/last.ckpt"))):
            time.sleep(0.01)
        killed.append(checkpoints[0].parent.stem)
        for process in writers(out / ".logs" / f"residual-{killed[0]}.log"):
            os.kill(process, signal.SIGKILL)

    threading.Thread(target=kill_one_that_trains, daemon=True).start()
    assert main(["sweep", str(sweep), f"--out={out}"]) == 0
    assert without_note(capsys.readouterr().err) == ""
    log = (out / ".logs" / f"residual-{killed[0]}.log").read_text()
    before, after = log.split("killed by SIGKILL\n")
    assert "epoch 1/40" in before
    assert "epoch 1/40" not in after, "it went on where it was"
    assert len(records(out)) == 2


def test_two_sweeps_share_a_folder(tmp_path: Path) -> None:
    """Each run is trained by one of them, and its log is whole."""
    sweep, out = write_sweep(tmp_path, 40), tmp_path / "out"
    command = [sys.executable, "-m", "resbench", "sweep", str(sweep), f"--out={out}"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        process.communicate(timeout=300)
    assert 0 in [process.returncode for process in both], "whoever ends last has seen all of it complete"
    assert len(records(out)) == 2
    for log in out.glob(".logs/*.log"):
        lines = log.read_text().splitlines()
        assert [sum(line.startswith(start) for line in lines) for start in ("residual: seed", "epoch 1/")] == [1, 1]


def test_a_run_in_another_process_is_left_alone(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.write_text(SWEEP.replace("EPOCHS", "1").partition("  - name: diverging")[0])
    out = tmp_path / "out"
    (job,) = resolve(read_plan(sweep, out)[1], out)
    folder = job.folder
    folder.begin()
    try:
        assert main(["sweep", str(sweep), f"--out={out}"]) == 1
    finally:
        folder.release()
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1] == "digital seed 0: in progress in another process"
    assert without_note(captured.err) == "1 of 1 run is left; the same command goes on with them\n"
    assert not records(out)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_interrupt_ends_the_runs_with_records(sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep.write_text(SWEEP.replace("EPOCHS", "1000000").partition("  - name: diverging")[0])
    out = tmp_path / "out"

    def interrupt_when_it_trains() -> None:
        while not list(out.glob("digital/*.attempt/last.ckpt")):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_when_it_trains, daemon=True).start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        assert main(["sweep", str(sweep), f"--out={out}"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "digital seed 0: interrupted: stopped at step" in capsys.readouterr().out
    (path,) = out.glob("digital/*.attempt/record.json")
    assert read_record(path).status == "interrupted"
