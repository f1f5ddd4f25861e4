"""Lightning's Trainer, with types that do not depend on what was imported before, and with a faster step."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.profilers import PassThroughProfiler

#: The hooks that Lightning calls in every step, on every callback.
STEP_HOOKS = (
    *("on_train_batch_start", "on_before_zero_grad", "on_before_backward", "on_after_backward"),
    *("on_before_optimizer_step", "on_train_batch_end"),
)


class RunTrainer(Trainer):
    """Lightning's Trainer.

    A number that may be a count or a share is read as a whole number if it is one: ``limit_train_batches: 1`` is one
    mini-batch and ``1.0`` all of them. Lightning's own types do not guarantee this. For Python,
    ``Optional[Union[int, float]]`` and ``Optional[Union[float, int]]`` are the same, and it keeps the one that was
    written first in the process, for example by SciPy.

    Callbacks are not called for the hooks of a step that they do not have. A run has about eight callbacks, and most of
    them do nothing in a step; calling them took a tenth of the time of small steps.

    Args:
        limit_train_batches: mini-batches of a training epoch, or their share.
        limit_val_batches: the same of validation.
        limit_test_batches: the same of the test; 0 for no test.
        limit_predict_batches: the same of prediction.
        overfit_batches: number or share of mini-batches on which the training runs again and again.
        val_check_interval: mini-batches between two validations, or the share of an epoch.
        gradient_clip_val: largest norm or value of digital gradients.
        kwargs: other arguments of Lightning's Trainer.
    """

    def __init__(
        self,
        *,
        limit_train_batches: int | float | None = None,
        limit_val_batches: int | float | None = None,
        limit_test_batches: int | float | None = None,
        limit_predict_batches: int | float | None = None,
        overfit_batches: int | float = 0.0,
        val_check_interval: int | float | str | timedelta | dict[str, int] | None = None,
        gradient_clip_val: int | float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            limit_train_batches=limit_train_batches,
            limit_val_batches=limit_val_batches,
            limit_test_batches=limit_test_batches,
            limit_predict_batches=limit_predict_batches,
            overfit_batches=overfit_batches,
            val_check_interval=val_check_interval,
            gradient_clip_val=gradient_clip_val,
            **kwargs,
        )
        for callback in self.callbacks:  # type: ignore[attr-defined]
            skip_empty_hooks(callback)


def skip_empty_hooks(callback: Callback) -> None:
    """Set the hooks of a step to None where a callback inherits those of Lightning, which do nothing.

    Lightning calls only what can be called. Methods of classes stay, so ``super()`` finds them.
    """
    for name in STEP_HOOKS:
        if getattr(type(callback), name) is getattr(Callback, name) and name not in vars(callback):
            setattr(callback, name, None)


class Unprofiled(PassThroughProfiler):
    """Replaces Lightning's profiler that does nothing.

    Lightning opens about sixty contexts in each step, one for each callback and hook. Its own class creates a generator
    for each of them, which takes a tenth of the time of its loop.
    """

    _nothing = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[Any]:  # type: ignore[override]
        """A context that does nothing."""
        return self._nothing
