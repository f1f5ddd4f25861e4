"""Images to train on: the first ones of MNIST if they are at hand, else random ones that are as sparse."""

from __future__ import annotations

import torch
from torch import Tensor

from resbench.data import MNISTData

COUNT = 1024
#: Share of pixels of MNIST that are not black.
INK = 0.19


def load_images(root: str) -> tuple[Tensor, Tensor, str]:
    """Images float32 ``[n, 1, 28, 28]`` in [0, 1], targets int64 ``[n]``, and where they are from.

    Args:
        root: folder that may hold ``MNIST/raw``.
    """
    data = MNISTData(root, download=False)
    try:
        data.setup("fit")
    except FileNotFoundError:
        draw = torch.Generator().manual_seed(0)
        images = torch.rand(COUNT, 1, 28, 28, generator=draw)
        ink = torch.rand(images.shape, generator=draw) < INK
        return images * ink, torch.randint(10, (COUNT,), generator=draw), "random images"
    split = data.split("train").part(0, COUNT)
    return data.convert(split.inputs), split.targets, "MNIST"
