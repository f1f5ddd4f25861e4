"""Small data sets that any machine can make, from random words alone: images of any size, and a text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from resbench.data.augmentation import AugmentedImageData
from resbench.data.base import Split
from resbench.data.order import random_words


class Patterns(AugmentedImageData):
    """Images of ten classes: a pattern of each class, and noise; uint8 ``[n, channels, side, side]``."""

    split_rule = "first two thirds train, the others test"
    num_classes = 10

    def __init__(self, channels: int = 1, side: int = 28, samples: int = 96, **arguments: object) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.input_shape, self.samples = (channels, side, side), samples

    def load(self) -> tuple[Split, Split]:
        pixels = int(np.prod(self.input_shape))
        classes = random_words(10 * pixels, "pattern").reshape(10, pixels) >> np.uint64(57)
        noise = random_words(self.samples * pixels, "noise").reshape(self.samples, pixels) >> np.uint64(57)
        targets = np.arange(self.samples) % 10
        images = torch.from_numpy((classes[targets] + noise).astype(np.uint8)).view(-1, *self.input_shape)
        whole, first = Split(images, torch.from_numpy(targets)), 2 * self.samples // 3
        return whole.part(0, first), whole.part(first, self.samples)


def write_text(path: Path) -> None:
    """A text of 4,000 characters out of 26."""
    path.write_text("".join(chr(ord("a") + int(word % np.uint64(26))) for word in random_words(4000, "text")))
