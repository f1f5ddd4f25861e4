"""Two processes that share each mini-batch, on the CPU with gloo."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from resbench.records.schema import read_record
from tests.training.killing import same
from tests.training.runs import CONFIG, REPOSITORY, SHORT, Outcome, Run

TWO = ("--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp")
#: Converters and noise around every product, whose random numbers the processes share.
NOISY = {
    **{"inp_res": 0.008, "out_res": 0.008, "out_noise": 0.06, "noise_management": "abs_max"},
    "bound_management": "iterative",
}


def start_two(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    """`resbench fit` in two processes; the first one."""
    command = [sys.executable, "-m", "resbench", "fit", "--config", str(CONFIG), *SHORT, *TWO]
    command += [f"--experiment.root={root}", *arguments]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def as_two(root: Path, *arguments: str) -> Outcome:
    """`resbench fit` in two processes, to its end."""
    process = start_two(root, *arguments)
    out, err = process.communicate(timeout=300)
    return Outcome(process.returncode, out, err, root)


def on_arrays(folder: Path) -> tuple[str, str]:
    """Flags for a network without digital parameters, with noisy products."""
    config = folder / "arrays.yaml"
    init_args = {"mapping": {"digital_bias": False}, "forward_io": NOISY, "backward_io": NOISY}
    config.write_text(yaml.safe_dump({"model": {"init_args": init_args}}))
    return "--config", str(config)


def state(outcome: Outcome) -> dict[str, object]:
    checkpoint: dict[str, object] = torch.load(outcome.folder / "last.ckpt", weights_only=True)["state_dict"]
    return checkpoint


def test_all_on_arrays_two_processes_train_the_bits_of_one(run: Run, tmp_path: Path) -> None:
    """With accumulated gradients and noisy products."""
    arguments = (*on_arrays(tmp_path), "--trainer.accumulate_grad_batches=2")
    one = run("fit", *arguments)
    two = as_two(tmp_path / "two", *arguments)
    assert two.status == 0, two.err
    same({**state(one), "train_sums": 0}, {**state(two), "train_sums": 0}, "state")
    assert two.out.count("record: ") == 1
    assert "It is recommended" not in two.err
    assert one.record.final["test/loss"] == two.record.final["test/loss"]
    for first, second in zip(one.record.epochs, two.record.epochs, strict=True):
        assert first.values["val/loss"] == second.values["val/loss"]
        assert first.values == pytest.approx(second.values, rel=1e-6)  # the means of training are summed by parts


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_two_processes_end_together_and_go_on(run: Run, tmp_path: Path, number: signal.Signals, status: int) -> None:
    arguments = (*on_arrays(tmp_path), "--trainer.max_epochs=30")
    first = start_two(tmp_path / "two", *arguments)
    while not list(tmp_path.glob("two/*/*.attempt/last.ckpt")):
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.02)
    first.send_signal(number)
    err = first.communicate(timeout=60)[1]  # the other process holds the pipes, too: this waits for both
    assert first.returncode == status, err
    assert "Traceback" not in err, err
    two = as_two(tmp_path / "two", *arguments, "--ckpt_path=last")
    assert two.status == 0, two.err
    assert "continues from" in two.out
    one = run("fit", *arguments)
    same({**state(one), "train_sums": 0}, {**state(two), "train_sums": 0}, "state")


def test_a_run_that_diverges_in_two_processes_leaves_a_record(run: Run, tmp_path: Path) -> None:
    digital = str(CONFIG.parent / "algorithm" / "digital.yaml")
    outcome = as_two(tmp_path / "two", "--config", digital, "--optimizer.lr=1e38")
    assert outcome.status == 1, outcome.err
    assert read_record(outcome.folder / "record.json").status == "diverged"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--trainer.strategy=fsdp"], "trainer.strategy: fsdp does not train analog layers: it shards the weights"),
        (["--trainer.strategy=deepspeed_stage_2"], "trainer.strategy: deepspeed_stage_2 does not train analog layers"),
        (
            ["--trainer.strategy=ddp_find_unused_parameters_true"],
            "trainer.strategy: ddp_find_unused_parameters_true does not train analog layers",
        ),
        (["--trainer.strategy=ddp_spawn"], "trainer.strategy: ddp_spawn does not train analog layers"),
        (["--trainer.num_nodes=2"], "trainer.num_nodes: 2: processes share one machine; write 1"),
        (["--trainer.devices=2", "--trainer.accelerator=cpu"], "trainer.devices: 2 devices need trainer.strategy: ddp"),
        (
            [*TWO, "--data.batch_size=5"],
            "data.init_args.batch_size: 2 processes cannot share a mini-batch of 5 samples",
        ),
        (
            [*TWO, "--model.network=ResNet20"],
            "trainer.strategy: batch normalisation would use the part of each process",
        ),
    ],
    ids=lambda value: value[-1].lstrip("-") if isinstance(value, list) else "",
)
def test_what_would_not_train_as_one_process_is_refused(run: Run, flags: list[str], message: str) -> None:
    outcome = run("fit", *flags)
    assert outcome.err.startswith(f"error: {message}"), outcome.err
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert not outcome.root.exists()
