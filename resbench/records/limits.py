"""What a config trains and tests on, where that is not all of the data: it decides which results can be compared."""

from collections.abc import Mapping
from typing import Any

from resbench.records.text import one_line


def limits(config: Mapping[str, Any]) -> list[str]:
    """What makes an epoch of a resolved config shorter or its steps larger than the data and the batch size say."""
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
    return found


def untested(config: Mapping[str, Any]) -> str | None:
    """Why the test of a resolved config was not on all of the test set; null where it was."""
    trainer = _section(config, "trainer")
    for key in ("limit_test_batches", "fast_dev_run"):
        if part := _part(trainer.get(key)):
            return f"trainer.{key}: tested on {part} only" if trainer.get(key) else f"trainer.{key}: not tested"
    return None


def _part(value: Any) -> str:
    """What a setting leaves of an epoch; nothing where it leaves all.

    As Lightning means it a whole number counts mini-batches, and a share of 1.0, null and false are all of them.
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
