from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from resbench.data.augmentation import CIFAR_AUGMENTATION, Augmentation
from resbench.data.order import random_words

GREY = torch.full((3, 1, 1), 99, dtype=torch.uint8)


def noise(count: int = 200, size: int = 8) -> Tensor:
    """Images of random pixels, none of them black or 99."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(100, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def test_nothing_is_the_default() -> None:
    assert torch.equal(Augmentation().apply(noise(), GREY, 0), noise())


def test_crop_is_a_window_of_the_padded_image_at_every_place_alike() -> None:
    images, counts = noise(1800), torch.zeros(3, 3)
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    for image, cropped in zip(padded, Augmentation(padding=1).apply(images, GREY, 0), strict=True):
        places = [(y, x) for y in range(3) for x in range(3) if torch.equal(image[:, y : y + 8, x : x + 8], cropped)]
        assert len(places) == 1
        counts[places[0]] += 1
    assert (counts - 200).abs().max() < 4.5 * 200**0.5


def test_flip_mirrors_half_of_the_images() -> None:
    images = noise(1000)
    flipped = Augmentation(flip=True).apply(images, GREY, 0)
    same, mirrored = ((flipped == other).all(3).all(2).all(1) for other in (images, images.flip(3)))
    assert bool((same ^ mirrored).all())
    assert abs(int(mirrored.sum()) - 500) < 4.5 * 250**0.5


@pytest.mark.parametrize("side", [3, 4])
def test_cutout_hides_a_square_around_every_place_alike(side: int) -> None:
    images, size = noise(3200), 8
    changed = Augmentation(cutout=side).apply(images, GREY, 0)
    hidden = (changed == 99).all(1)
    assert torch.equal((changed == images).all(1), ~hidden)
    rows, columns = hidden.any(2), hidden.any(1)
    assert torch.equal(hidden, rows[:, :, None] & columns[:, None, :])  # one rectangle
    for lines in (rows, columns):
        whole = torch.tensor([[0 <= i - (c - side // 2) < side for i in range(size)] for c in range(size)])
        found = (lines[:, None] == whole).all(2).sum(0)
        assert int(found.sum()) == len(images)
        assert (found - 400).abs().max() < 4.5 * 400**0.5


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 32, 32), (1, 28, 28), (3, 9, 14)])
def test_auto_augment_is_that_of_torchvision_on_single_images(channels: int, height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(0)
    # Different in brightness, so that every operation finds pixels that it changes.
    images = torch.randint(0, 256, (600, channels, height, width), generator=generator)
    images = (images * torch.rand(600, 1, 1, 1, generator=generator) + 20).clamp(max=255).to(torch.uint8)
    policy = v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)
    with torch.random.fork_rng():
        torch.manual_seed(int(random_words(1, "auto_augment", 0, 1, 2)[0]))
        expected = torch.stack([policy(image) for image in images])
    assert torch.equal(Augmentation(auto_augment=True).apply(images, GREY, 0, 1, 2), expected)
    assert not torch.equal(expected, images)


def test_depends_on_the_path_alone() -> None:
    images = noise(20, size=32)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = CIFAR_AUGMENTATION.apply(images, GREY, 0, 0, 0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(CIFAR_AUGMENTATION.apply(images, GREY, 0, 0, 0), first)
    for other in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        assert not torch.equal(CIFAR_AUGMENTATION.apply(images, GREY, *other), first)


def test_images_of_a_batch_differ_from_each_other() -> None:
    one = noise(1, size=32).expand(64, -1, -1, -1)
    assert len(np.unique(CIFAR_AUGMENTATION.apply(one, GREY, 0).flatten(1).numpy(), axis=0)) == 64


@pytest.mark.parametrize("options", [{"padding": -1}, {"cutout": -1}])
def test_refuses_negative_sizes(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="-1 is negative; write 0 for none"):
        Augmentation(**options)
