"""AutoAugment for CIFAR-10 on whole mini-batches, on their device, with the pixels of torchvision on single images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

#: What torchvision knows of the method: the pairs of operations, and the magnitudes of each operation.
TORCHVISION = v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)
#: Draws of one image at most: its pair, and for each operation whether it is applied and its sign.
DRAWS = 5
#: Operations that move pixels.
MOVES = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")

#: Name and magnitude of an operation on one image; 0 where it has no magnitude.
Operation = tuple[str, float]


def auto_augment(images: Tensor, seed: int) -> Tensor:
    """Each image with one of the 25 pairs of operations, at random.

    Args:
        images: uint8 ``[b, channels, h, w]`` with 1 or 3 channels.
        seed: the random numbers are those that torch's CPU generator gives with this seed, image by image.
    """
    height, width = images.shape[-2:]
    drawn = list(_draw(len(images), seed, height, width))
    images = images.clone()
    for turn in (0, 1):
        chosen: defaultdict[str, dict[int, Operation]] = defaultdict(dict)
        for image, operations in enumerate(drawn):
            operation = operations[turn]
            if operation is not None:
                chosen["Move" if operation[0] in MOVES else operation[0]][image] = operation
        for name, by_image in chosen.items():
            places = torch.tensor(list(by_image), device=images.device)
            images[places] = APPLY[name](images[places], list(by_image.values()))
    return images


def _draw(count: int, seed: int, height: int, width: int) -> Iterator[list[Operation | None]]:
    """The two operations of each image in the order in which they are applied; None for one that is left out."""
    policies, magnitudes = TORCHVISION._policies, _magnitudes(height, width)
    # Torch's CPU generator and NumPy's RandomState are the same Mersenne Twister. Torch takes the lower 24 bits of a
    # word for a float32, and the remainder for a whole number.
    words = iter(np.random.RandomState(seed % 2**32).randint(2**32, size=DRAWS * count, dtype=np.uint32).tolist())

    def happens(probability: float) -> bool:
        return bool((next(words) % 2**24) * 2.0**-24 <= np.float32(probability))

    for _ in range(count):
        operations: list[Operation | None] = []
        for name, probability, index in policies[next(words) % len(policies)]:
            if not happens(probability):
                operations.append(None)
                continue
            values, signed = magnitudes[name]
            magnitude = 0.0 if values is None else values[index]
            operations.append((name, -magnitude if signed and values is not None and happens(0.5) else magnitude))
        yield operations


@cache
def _magnitudes(height: int, width: int) -> dict[str, tuple[list[float] | None, bool]]:
    """By operation, its ten magnitudes or None, and whether their sign is drawn."""
    found: dict[str, tuple[list[float] | None, bool]] = {}
    for name, (make, signed) in TORCHVISION._AUGMENTATION_SPACE.items():
        values = make(10, height, width)
        found[name] = (None if values is None else [float(value) for value in values], signed)
    return found


# -- operations on some images of a mini-batch, each with its own magnitude --------------------------------------------


def _move(images: Tensor, operations: list[Operation]) -> Tensor:
    """Shear, translate or rotate; pixels from outside are black."""
    count, channels, height, width = images.shape
    sources = torch.stack([_source(*operation, height, width) for operation in operations]).to(images.device)
    padded = torch.nn.functional.pad(images.flatten(2), (1, 0))
    return padded.gather(2, sources[:, None].expand(count, channels, -1)).view_as(images)


@cache
def _source(name: str, magnitude: float, height: int, width: int) -> Tensor:
    """Where each pixel comes from, 1 for the first pixel and 0 for outside; torchvision moves an image of numbers."""
    numbers = torch.arange(1.0, height * width + 1).view(1, height, width)
    nearest = InterpolationMode.NEAREST
    if name == "Rotate":
        moved: Tensor = functional.rotate(numbers, magnitude, nearest)
        return moved.long().flatten()
    shear, translate, center = [0.0, 0.0], [0, 0], None
    axis = 0 if name.endswith("X") else 1
    if name.startswith("Shear"):
        shear[axis], center = float(np.degrees(np.arctan(magnitude))), [0.0, 0.0]
    else:
        translate[axis] = int(magnitude)
    moved = functional.affine(numbers, 0.0, translate, 1.0, shear, nearest, center=center)
    return moved.long().flatten()


def _brightness(images: Tensor, operations: list[Operation]) -> Tensor:
    return _mixed(images, torch.zeros((), device=images.device), operations)


def _color(images: Tensor, operations: list[Operation]) -> Tensor:
    return images if images.shape[1] == 1 else _mixed(images, _grey(images), operations)


def _contrast(images: Tensor, operations: list[Operation]) -> Tensor:
    grey = _grey(images)
    mean = grey.sum((1, 2, 3), keepdim=True) / grey[0].numel()  # the sum is exact
    return _mixed(images, mean.float(), operations)


def _sharpness(images: Tensor, operations: list[Operation]) -> Tensor:
    """Away from the mean of 3 x 3 pixels, of which the middle one counts five times; the border stays."""
    if min(images.shape[-2:]) <= 2:
        return images
    pixels = images.double()
    inner = pixels[:, :, 1:-1, 1:-1]
    total = torch.nn.functional.avg_pool2d(pixels, 3, stride=1, divisor_override=1) + 4 * inner
    inner += _share(operations, images)[1] * ((total / 13).round() - inner)
    return _pixels(pixels)


def _mixed(images: Tensor, others: Tensor, operations: list[Operation]) -> Tensor:
    """``ratio * image + (1 - ratio) * other``, with a ratio of 1 + magnitude."""
    ratio, rest = _share(operations, images)
    return _pixels((images * ratio).double() + rest * others.double())


def _grey(images: Tensor) -> Tensor:
    """Whole numbers as float64 ``[b, 1, h, w]``."""
    if images.shape[1] == 1:
        return images.double()
    grey = images[:, 0] * torch.tensor(0.2989, device=images.device)
    for channel, share in ((1, 0.587), (2, 0.114)):
        grey = (grey.double() + images[:, channel] * torch.tensor(share, device=images.device).double()).float()
    return grey.floor().double()[:, None]


def _share(operations: list[Operation], images: Tensor) -> tuple[Tensor, Tensor]:
    """Ratio as float32 and one minus the ratio, rounded to float32, as float64; both ``[b, 1, 1, 1]``."""
    ratio = torch.tensor([1.0 + magnitude for _, magnitude in operations], dtype=torch.float64).view(-1, 1, 1, 1)
    return ratio.float().to(images.device), (1.0 - ratio).float().double().to(images.device)


def _pixels(values: Tensor) -> Tensor:
    """Pixels of float64 values, rounded to float32 first.

    Then they are those of torchvision, which multiplies and adds in float32 with one rounding.
    """
    return values.float().clamp(0, 255).to(torch.uint8)


def _posterize(images: Tensor, operations: list[Operation]) -> Tensor:
    masks = [256 - 2 ** (8 - int(bits)) for _, bits in operations]
    return images & torch.tensor(masks, dtype=torch.uint8, device=images.device).view(-1, 1, 1, 1)


def _solarize(images: Tensor, operations: list[Operation]) -> Tensor:
    thresholds = torch.tensor([255 * magnitude for _, magnitude in operations], device=images.device)
    return torch.where(images >= thresholds.view(-1, 1, 1, 1), ~images, images)


APPLY: dict[str, Callable[[Tensor, list[Operation]], Tensor]] = {
    "Move": _move,
    "Brightness": _brightness,
    "Color": _color,
    "Contrast": _contrast,
    "Sharpness": _sharpness,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "AutoContrast": lambda images, _: functional.autocontrast(images),
    "Equalize": lambda images, _: functional.equalize(images),
    "Invert": lambda images, _: ~images,
}
