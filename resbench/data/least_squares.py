"""Least squares with targets that have more bits than a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from resbench.data.base import InMemoryData, Split
from resbench.data.order import random_words
from resbench.errors import refuse_below_one

LEVELS = 2**16


class LeastSquaresData(InMemoryData):
    """Least squares ``y = W* x`` with a 16-bit ``W*``: how precisely can devices with few states represent a weight?

    ``W*`` ``[out, in]`` is uniform on 2^16 levels of [-1, 1]. With ``in_features`` 1 every input is 1, and the loss
    is ``(w - b)^2``, the toy problem of the source. Otherwise inputs are uniform on the same levels.

    Args:
        in_features: number of values of an input.
        out_features: number of values of a target.
        problem: number of the problem, from which ``W*`` and the inputs are drawn; any whole number.
        samples: number of training samples, and also of test samples.
        batch_size: training samples in a mini-batch, in all processes together.

    The other arguments are those of :class:`~resbench.data.base.InMemoryData`.

    Raises:
        BadValue: for an impossible size.

    Source: arXiv:2510.02516, section 5 and appendix K.3.
    """

    split_rule = "training samples drawn before test samples; validation the end of the former"

    def __init__(
        self,
        in_features: int = 1,
        out_features: int = 1,
        problem: int = 0,
        samples: int = 1000,
        batch_size: int = 1,
        **inherited: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, **inherited)
        refuse_below_one(in_features=in_features, out_features=out_features, samples=samples)
        self.in_features, self.out_features, self.problem, self.samples = in_features, out_features, problem, samples
        self.input_shape = (in_features,)
        self.num_classes = out_features

    def load(self) -> tuple[Split, Split]:
        """Training and test samples of the problem."""
        weight = self._levels(self.out_features, self.in_features, "weight")
        inputs = self._levels(2 * self.samples, self.in_features, "inputs")
        if self.in_features == 1:
            inputs = torch.full_like(inputs, LEVELS - 1)
        # Computed exactly in whole numbers, so the targets do not depend on the order in which a machine sums.
        targets = (inputs @ weight.T).double() / (LEVELS - 1) ** 2
        whole = Split((inputs.double() / (LEVELS - 1)).float(), targets.float())
        return whole.part(0, self.samples), whole.part(self.samples, 2 * self.samples)

    def convert(self, inputs: Tensor) -> Tensor:
        """Return the inputs unchanged."""
        return inputs

    def describe(self) -> dict[str, object]:
        """The description of :class:`~resbench.data.base.InMemoryData` with the number of the problem."""
        return {**super().describe(), "problem": self.problem}

    def _levels(self, rows: int, columns: int, name: str) -> Tensor:
        """Uniform on the levels -65535, -65533, ..., 65535, which stand for [-1, 1]: int64 ``[rows, columns]``."""
        words = random_words(rows * columns, "least squares", self.problem, name) % np.uint64(LEVELS)
        return torch.from_numpy(words.astype(np.int64)).view(rows, columns) * 2 - (LEVELS - 1)
