"""What cannot be trained, or would not be what the config says, is refused before anything is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.training.runs import CONFIG, Run

CALLBACKS = "lightning.pytorch.callbacks"


def callback(name: str, **init_args: object) -> str:
    return f"trainer: {{callbacks: [{{class_path: {CALLBACKS}.{name}, init_args: {init_args}}}]}}"


def scheduler(name: str, **init_args: object) -> str:
    return f"lr_scheduler: {{class_path: torch.optim.lr_scheduler.{name}, init_args: {init_args}}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            callback("EarlyStopping", monitor="val_acc"),
            "trainer.callbacks.init_args.monitor: EarlyStopping waits for val_acc, which is never logged; "
            "write one of train/loss, train/acc, val/loss, val/acc",
        ),
        (
            callback("EarlyStopping", monitor="val/loss") + "\ndata: {init_args: {val_size: 0}}",
            "trainer.callbacks.init_args.monitor: EarlyStopping waits for val/loss, which is never logged; "
            "write one of train/loss, train/acc; there is no validation, see data.init_args.val_size",
        ),
        (
            callback("ModelCheckpoint", monitor="test/acc"),
            "trainer.callbacks.init_args.monitor: ModelCheckpoint waits for test/acc, which is never logged",
        ),
        (
            "lr_scheduler: {class_path: lightning.pytorch.cli.ReduceLROnPlateau, init_args: {monitor: val_loss}}",
            "lr_scheduler.init_args.monitor: ReduceLROnPlateau waits for val_loss, which is never logged",
        ),
        (
            "lr_scheduler: {class_path: torch.optim.lr_scheduler.ReduceLROnPlateau, init_args: {patience: 1}}",
            "lr_scheduler: ReduceLROnPlateau of torch does not say what it follows; write lightning.pytorch.cli.Red",
        ),
        (
            callback("BatchSizeFinder", max_trials=3),
            "trainer.callbacks: BatchSizeFinder would change what the config says",
        ),
        (callback("LearningRateFinder"), "trainer.callbacks: LearningRateFinder would change what the config says"),
        (
            "lr_scheduler_interval: step\nlr_scheduler: {class_path: lightning.pytorch.cli.ReduceLROnPlateau, "
            "init_args: {monitor: val/loss}}",
            "lr_scheduler_interval: ReduceLROnPlateau follows a metric of the epoch; write epoch",
        ),
        ("lr_scheduler_interval: step", "lr_scheduler_interval: step, but there is no lr_scheduler; write one"),
        ("trainer: {limit_train_batches: 0}", "trainer.limit_train_batches: 0 trains nothing; write a number"),
        ("trainer: {limit_train_batches: 0.0}", "trainer.limit_train_batches: 0 trains nothing; write a number"),
        ("trainer: {max_steps: 0}", "trainer.max_steps: 0 trains nothing; write a number of steps, 1 or more, or -1"),
        ("trainer: {max_steps: -2}", "trainer.max_steps: -2 trains nothing; write a number of steps"),
        ("trainer: {max_epochs: 0, max_steps: 5}", "trainer.max_epochs: 0 trains nothing; write a number of epochs"),
        ("trainer: {max_epochs: null}", "trainer.max_epochs: null sets no budget; write a number of epochs, 1 or more"),
        ("trainer: {val_check_interval: 0}", "trainer.val_check_interval: 0 is no interval; write a number of mini-b"),
        ("trainer: {val_check_interval: 0.0}", "trainer.val_check_interval: 0.0 is no interval; write a number of min"),
        (
            "trainer: {val_check_interval: 9}",
            "trainer.val_check_interval: 9 is more than the 8 mini-batches of an epoch; write at most 8, or check_val",
        ),
        (
            "trainer: {val_check_interval: 9}\ndata: {init_args: {val_size: 0}}",
            "trainer.val_check_interval: 9 is more than the 8 mini-batches of an epoch",
        ),
        ("trainer: {check_val_every_n_epoch: 0}", "trainer.check_val_every_n_epoch: 0 is no interval; write 1 or more"),
        ("trainer: {accumulate_grad_batches: 0}", "trainer.accumulate_grad_batches: 0 is no number of mini-batches"),
        ("trainer: {log_every_n_steps: -1}", "trainer.log_every_n_steps: -1 is no interval; write 1 or more, or 0"),
        (
            f"trainer: {{max_steps: 7}}\n{scheduler('StepLR', step_size=1)}",
            "lr_scheduler: StepLR takes a step after each epoch, and none is within the 7 steps of this training (an e",
        ),
        (scheduler("StepLR", step_size=0), "lr_scheduler: StepLR cannot take a step (integer modulo by zero); change"),
        (scheduler("CosineAnnealingLR", T_max=0), "lr_scheduler: CosineAnnealingLR cannot take a step"),
        (
            f"lr_scheduler_interval: step\n{scheduler('OneCycleLR', max_lr=1, total_steps=23)}\n"
            "trainer: {max_epochs: 3}",
            "lr_scheduler: OneCycleLR takes at most 23 steps, and this training 24, one after each step; write total_s",
        ),
        (
            "lr_scheduler: {class_path: lightning.pytorch.cli.ReduceLROnPlateau, init_args: {monitor: val/loss}}\n"
            "trainer: {check_val_every_n_epoch: 2}",
            "trainer.check_val_every_n_epoch: 2 gives no val/loss before the first step of lr_scheduler ReduceLROnPla",
        ),
        (
            "lr_scheduler: {class_path: lightning.pytorch.cli.ReduceLROnPlateau, init_args: {monitor: val/loss}}\n"
            "trainer: {check_val_every_n_epoch: null, val_check_interval: 9}",
            "trainer.val_check_interval: 9 gives no val/loss before the first step of lr_scheduler ReduceLROnPlateau",
        ),
        ("trainer: {fast_dev_run: true}", "trainer.fast_dev_run: leaves out loggers and checkpoints"),
        ("trainer: {overfit_batches: 3}", "trainer.overfit_batches: validates on the training data"),
        ("trainer: {precision: bf16-true}", "trainer.precision: bf16-true would lose the steps of the devices; write"),
        ("trainer: {precision: 16-mixed}", "trainer.precision: 16-mixed is for GPUs; on the CPU"),
        (
            "trainer: {precision: 16-mixed, gradient_clip_val: 1.0}",
            "trainer.gradient_clip_val: not with precision 16-mixed",
        ),
        (
            "trainer: {limit_train_batches: 0.006}",
            "trainer.limit_train_batches: 0.006 of 150 mini-batches is less",
        ),
        (
            "trainer: {limit_val_batches: 0.5}",
            "trainer.limit_val_batches: 0.5 of 1 mini-batches is less than one",
        ),
        ("trainer: {limit_test_batches: 0.5}", "trainer.limit_test_batches: 0.5 of 1 mini-batches is less than one"),
        ("trainer: {barebones: true}", "trainer.barebones: leaves out the metrics"),
        (
            "trainer: {callbacks: [{class_path: resbench.callbacks.TimeBeforeTest, init_args: {time: 1d}}]}",
            "trainer.callbacks: TimeBeforeTest has no effect, because no device of this model drifts",
        ),
        (
            "trainer: {callbacks: [{class_path: resbench.callbacks.TimeBeforeTest, init_args: {time: '1h,1d'}}]}",
            "trainer.callbacks.init_args.time: '1h,1d' is several durations; write one, such as 1d",
        ),
        (
            "trainer: {callbacks: [{class_path: resbench.callbacks.PassTime, init_args: {seconds_per_step: 1}}]}",
            "trainer.callbacks: PassTime has no effect, because no device of this model drifts",
        ),
    ],
)
def test_what_only_training_would_find_is_refused(run: Run, tmp_path: Path, text: str, message: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"compose: [digits_2bit_residual.yaml]\n{text}\n")
    limits = [] if "limit_train" in text else ["--trainer.limit_train_batches=8"]
    outcome = run("fit", *limits, config=own, short=False)
    assert outcome.err.startswith(f"error: {message}"), outcome.err
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert not outcome.root.exists()


@pytest.mark.parametrize(
    "flags",
    [
        ["--trainer.max_steps=8", "--lr_scheduler=StepLR", "--lr_scheduler.step_size=1"],
        [
            *("--lr_scheduler_interval=step", "--lr_scheduler=OneCycleLR", "--lr_scheduler.max_lr=1"),
            "--lr_scheduler.total_steps=16",
        ],
        ["--trainer.check_val_every_n_epoch=null", "--trainer.val_check_interval=9"],
        ["--trainer.val_check_interval=8", "--trainer.log_every_n_steps=0"],
        ["--trainer.val_check_interval=9", "--trainer.limit_val_batches=0"],
    ],
)
def test_intervals_that_just_fit_train(run: Run, flags: list[str]) -> None:
    assert run("fit", *flags).record.status == "complete"


def test_the_check_of_a_scheduler_leaves_its_learning_rate_alone(run: Run) -> None:
    """The rate of the first epoch is that of the optimiser; the step after it multiplies it."""
    more = ["--lr_scheduler=StepLR", "--lr_scheduler.step_size=1", "--lr_scheduler.gamma=0.5", "--optimizer.lr=0.1"]
    metrics = (run("fit", *more, "--trainer.log_every_n_steps=1").folder / "metrics.csv").read_text().splitlines()
    column = metrics[0].split(",").index("lr")
    assert [float(line.split(",")[column]) for line in metrics[1:] if line.split(",")[column]] == [0.1, 0.05]


NETWORK = "model.init_args.network"


@pytest.mark.parametrize(
    ("config", "flags", "message"),
    [
        (
            "digits_2bit_residual",
            ["--model.network.in_features=784"],
            f"{NETWORK}.init_args.in_features: 784 of MLP does not fit inputs [1, 8, 8]; write 64",
        ),
        (
            "digits_2bit_residual",
            ["--model.network.classes=5"],
            f"{NETWORK}.init_args.classes: MLP gives [5] for a sample of DigitsData; write a network that gives [10]",
        ),
        (
            "digits_2bit_residual",
            ["--model.network=LeNet5"],
            f"{NETWORK}: LeNet5 takes images [n, 1, 28, 28], not [2, 1, 8, 8]; write MLP for other shapes",
        ),
        (
            "digits_2bit_residual",
            ["--model.network=own_pool.Pool"],
            f"{NETWORK}: Pool does not take the inputs [1, 8, 8] of DigitsData: ",
        ),
        (
            "least_squares_2bit_residual",
            ["--model.network.classes=2"],
            f"{NETWORK}.init_args.classes: MLP gives [2] for a sample of LeastSquaresData; write a network",
        ),
        (
            "shakespeare_cpu_2bit_residual",
            ["--data.path=poem.txt", "--data.context=16", "--model.network.vocabulary=4"],
            f"{NETWORK}.init_args.vocabulary: 4 is too few for character number ",
        ),
        (
            "shakespeare_cpu_2bit_residual",
            ["--data.path=poem.txt", "--data.context=16", "--model.network.vocabulary=27"],
            f"{NETWORK}.init_args.vocabulary: CharGPT gives [16, 27] for a sample of CharacterData; write a "
            "network that gives [16, 28]",
        ),
        (
            "shakespeare_cpu_2bit_residual",
            ["--data.path=poem.txt", "--data.context=32", "--model.network.context=16"],
            f"{NETWORK}.init_args.context: 16 is less than the 32 characters of the input; write more",
        ),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, flags: list[str], message: str
) -> None:
    (tmp_path / "poem.txt").write_text("~" + 99 * "a quick brown fox jumps over the lazy dog ")
    (tmp_path / "own_pool.py").write_text(
        "from torch import nn\nclass Pool(nn.Sequential):\n    def __init__(self) -> None:\n"
        "        super().__init__(nn.MaxPool2d(9), nn.Flatten(), nn.Linear(64, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    root = [f"--data.root={tmp_path}"] if "path" in flags[0] else []
    outcome = run("fit", *root, *flags, config=Path("configs", f"{config}.yaml"))
    assert outcome.err.startswith(f"error: {message}"), outcome.err
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert not outcome.root.exists()


def test_without_a_compiler_nothing_begins(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "resbench", "fit", "--config", str(CONFIG), f"--experiment.root={tmp_path}/runs"]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: NUMBA_DISABLE_JIT: kernels do not run uncompiled; unset it\n"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("flag", ["EarlyStopping", "ModelCheckpoint"])
@pytest.mark.parametrize("monitor", ["train/loss", "val/acc"])
def test_what_is_logged_may_be_followed(run: Run, flag: str, monitor: str) -> None:
    outcome = run("fit", f"--trainer.callbacks+={flag}", f"--trainer.callbacks.monitor={monitor}")
    assert outcome.status == 0, outcome.err


def test_what_only_watches_works_without_a_terminal(run: Run) -> None:
    for name in ("TQDMProgressBar", "RichProgressBar"):
        assert run("fit", f"--trainer.callbacks+={name}", root=name).status == 0
    outcome = run("fit", "--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks+=TQDMProgressBar")
    checkpoint = f"--ckpt_path={outcome.folder / 'last.ckpt'}"
    for command in ("test", "validate", "predict"):
        again = run(command, checkpoint, config=outcome.folder / "config.yaml")
        assert again.status == 0, again.err


def test_a_part_of_the_training_set_is_another_track(run: Run) -> None:
    sizes = {
        limit: run("fit", f"--trainer.limit_train_batches={limit}", root=f"part{limit}").record.track.train_size
        for limit in ("5", "0.5", "1.0", "9999")
    }
    assert sizes == {"5": 40, "0.5": 600, "1.0": 1200, "9999": 1200}


LIGHTNING = "lightning.pytorch.callbacks"
FAULTS = "tests.training.faults"


@pytest.fixture
def callbacks(tmp_path: Path) -> str:
    """A config file to write callbacks to."""
    return str(tmp_path / "callbacks.yaml")


def with_callback(path: str, name: str, **init_args: object) -> list[str]:
    Path(path).write_text(yaml.safe_dump({"trainer": {"callbacks": [{"class_path": name, "init_args": init_args}]}}))
    return ["--config", path]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("StochasticWeightAveraging", {"swa_lrs": 0.05}),
        ("EMAWeightAveraging", {"decay": 0.9}),
        ("WeightAveraging", {}),
        ("ModelPruning", {"pruning_fn": "l1_unstructured"}),
    ],
)
def test_callbacks_that_write_weights_are_refused(
    run: Run, callbacks: str, name: str, arguments: dict[str, object]
) -> None:
    outcome = run("fit", *with_callback(callbacks, f"{LIGHTNING}.{name}", **arguments))
    assert outcome.status == 2
    assert outcome.err == (
        f"error: trainer.callbacks: {name} writes to weights of analog layers, which only pulses change; leave it out\n"
    )
    assert not outcome.root.exists()


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_train_epoch_end", "on_validation_start", "on_train_end"])
@pytest.mark.parametrize("algorithm", ["analog_sgd", "residual"])
def test_others_that_do_are_found_by_what_they_do(run: Run, callbacks: str, hook: str, algorithm: str) -> None:
    """Wherever they write, and whether the weight is that of one tile or composed of several."""
    writer = with_callback(callbacks, f"{FAULTS}.Clamp", hook=hook)
    outcome = run("fit", f"--config=configs/algorithm/{algorithm}.yaml", *writer)
    assert outcome.status == 2
    assert outcome.record.status == "failed"
    assert outcome.err.startswith("failed: fc1.weight: something other than its algorithm wrote to this analog weight")
    assert outcome.err.count("\n") == 1


def test_a_write_that_torch_does_not_see_is_found_in_the_tiles(run: Run, callbacks: str) -> None:
    writer = with_callback(callbacks, f"{FAULTS}.Clamp", hook="on_train_epoch_end", through_numpy=True)
    outcome = run("fit", *writer)
    assert (outcome.status, outcome.record.status) == (2, "failed")
    assert outcome.err == "failed: fc1.weight: what the layer computes with is not what its tiles hold\n"


def test_the_clock_decides_no_complete_result(run: Run, callbacks: str) -> None:
    refused = run("fit", *with_callback(callbacks, f"{LIGHTNING}.Timer", duration="00:00:00:01", interval="step"))
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "Timer lets the clock decide the result; write trainer.max_time" in refused.err
    refused = run("fit", "--trainer.val_check_interval=00:00:00:01")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "trainer.val_check_interval: 00:00:00:01 lets the clock decide" in refused.err
    assert not refused.root.exists()


def test_after_max_time_a_run_is_interrupted_and_can_be_resumed(run: Run) -> None:
    """Each attempt has the time anew, so that it comes to an end."""
    short = "--trainer.limit_train_batches=3"
    limit = (short, "--trainer.max_time=00:00:00:00", "--checkpoint.every_n_epochs=0")
    outcome = run("fit", *limit)
    assert (outcome.status, outcome.record.status) == (130, "interrupted")
    assert outcome.err.startswith("interrupted: trainer.max_time has passed, stopped at step 1\n")
    steps = [outcome.record.steps]
    while outcome.status == 130:
        outcome = run("fit", *limit)
        steps.append(outcome.record.steps)
    assert steps == sorted(set(steps))
    assert outcome.record.final == run("fit", short, root="whole").record.final


def test_clipping_that_leaves_analog_layers_out_is_said(run: Run) -> None:
    with pytest.warns(UserWarning, match="gradient_clip_val clips the gradients of digital parameters only"):
        run("fit", "--trainer.gradient_clip_val=1")
