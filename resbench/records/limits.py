"""What a config trains from, on which parts of the data, and when it tests; only results that agree are compared."""

from collections.abc import Mapping
from typing import Any

from resbench.records.identity import counted_callbacks
from resbench.records.text import one_line


def limits(config: Mapping[str, Any]) -> list[str]:
    """Settings of a resolved config that make an epoch shorter, or a step larger, than data and batch size say.

    Given weights to start from are among them, and time that passes before the test.
    """
    trainer = _section(config, "trainer")
    found = []
    if part := _part(trainer.get("limit_train_batches")):
        found.append(f"epochs of {part}")
    if part := _part(trainer.get("overfit_batches") or None):
        found.append(f"overfits {part}")
    if part := _part(trainer.get("fast_dev_run")):
        found.append(f"stops after {part}")
    many = trainer.get("accumulate_grad_batches")
    if isinstance(many, int) and many > 1:
        found.append(f"steps of {many} mini-batches")
    if part := _part(_section(_section(config, "data"), "init_args").get("steps_per_epoch")):
        found.append(f"epochs of {part}")
    if digest := config.get("weights_sha256"):
        found.append(f"starts from weights {one_line(str(digest)[:12])}")
    for callback in counted_callbacks(trainer.get("callbacks")):
        if isinstance(callback, Mapping) and str(callback.get("class_path")).endswith(".TimeBeforeTest"):
            time = _section(callback, "init_args").get("time")
            found.append(f"tested {one_line(str(time)[:24])} after the training")
    return found


def untested(config: Mapping[str, Any]) -> str | None:
    """Why a resolved config does not test on the whole test set; None if it does."""
    trainer = _section(config, "trainer")
    for key in ("limit_test_batches", "fast_dev_run"):
        if part := _part(trainer.get(key)):
            return f"trainer.{key}: tested on {part} only" if trainer.get(key) else f"trainer.{key}: not tested"
    return None


def _part(value: Any) -> str:
    """The part of an epoch that a setting of Lightning leaves, in words; empty if it leaves all of it.

    A whole number counts mini-batches and a float is a share of them. 1.0, null and false stand for all of them.
    """
    if value is None or value is False or (isinstance(value, float) and value >= 1):
        return ""
    if isinstance(value, float):
        return f"{value:g} of the mini-batches"
    if isinstance(value, int):
        return "1 mini-batch" if value == 1 else f"{int(value)} mini-batches"
    return one_line(str(value)[:24])


def _section(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = config.get(key)
    return section if isinstance(section, Mapping) else {}
