"""What cannot be trained, or would not be what the config says, is refused before anything is written."""

from pathlib import Path

import pytest

from tests.training.runs import Run

CALLBACKS = "lightning.pytorch.callbacks"


def callback(name: str, **init_args: object) -> str:
    return f"trainer: {{callbacks: [{{class_path: {CALLBACKS}.{name}, init_args: {init_args}}}]}}"


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
        ("trainer: {limit_train_batches: 0}", "trainer.limit_train_batches: 0 trains nothing; write a number of"),
        ("trainer: {limit_train_batches: 0.0}", "trainer.limit_train_batches: 0.0 trains nothing; write a number of"),
        ("trainer: {limit_test_batches: 0}", "trainer.limit_test_batches: 0 tests nothing; write a number of"),
        ("trainer: {fast_dev_run: true}", "trainer.fast_dev_run: leaves out loggers and checkpoints"),
        ("trainer: {overfit_batches: 3}", "trainer.overfit_batches: validates on the training data"),
        ("trainer: {barebones: true}", "trainer.barebones: leaves out the metrics"),
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
