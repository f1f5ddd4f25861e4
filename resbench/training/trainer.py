"""Lightning's Trainer, with types that mean the same whatever was imported before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lightning.pytorch import Trainer


class RunTrainer(Trainer):
    """Lightning's Trainer.

    Numbers that may be whole or a share are tried as whole numbers first: ``limit_train_batches: 1`` is one mini-batch,
    ``1.0`` all of them. Lightning's own types do not promise that. Python holds ``Optional[Union[int, float]]`` and
    ``Optional[Union[float, int]]`` for one, and keeps whichever was written first in the process, for example by SciPy.

    Args:
        limit_train_batches: mini-batches of a training epoch, or their share.
        limit_val_batches: the same of validation.
        limit_test_batches: the same of the test; 0 for no test.
        limit_predict_batches: the same of prediction.
        overfit_batches: train on so many mini-batches, or such a share, again and again.
        val_check_interval: mini-batches between two validations, or the share of an epoch.
        gradient_clip_val: bound of the digital gradients.
        kwargs: as for Lightning's Trainer.
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
