"""What a training is refused for before anything is written, and what only shows while it runs."""

from pathlib import Path

import pytest
import yaml

from tests.training.runs import Run

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
