"""Images in class folders, which are decoded once."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from PIL.Image import DecompressionBombError, Resampling
from torchvision.datasets.folder import ImageFolder, pil_loader

from resbench.data.augmentation import AugmentedImageData
from resbench.data.base import Split
from resbench.data.order import content_permutation
from resbench.errors import BadValue, MissingData
from resbench.records.files import joint_sha256, path_of, replacing
from resbench.records.text import one_line

Sample = tuple[str, int]
#: Height and width.
Size = tuple[int, int]


class ImageFolderData(AugmentedImageData):
    """Images in class folders: ``root/train/<class>/*.png`` and ``root/test/<class>/*.png``.

    Images may have any format that Pillow reads. They are read in colour and must have the same size, or are resized to
    one: ``[n, 3, h, w]``. Classes are numbered in alphabetical order. Images are sorted by a checksum of their pixels,
    which mixes the classes and does not depend on file names. Decoded images are kept in ``root/train.cache.pt`` and
    ``root/test.cache.pt`` as long as the files do not change; a damaged cache is made anew. Links to files and folders
    are followed.

    Args:
        root: folder that contains the folders train and test.
        resize: height and width to which all images are resized, by Pillow's bilinear filter, when they are decoded.
            None takes images as they are.

    The other arguments are those of :class:`~resbench.data.augmentation.AugmentedImageData`.

    Raises:
        MissingData: by setup, if the folders are missing or empty.
        BadValue: for a size below 1; by setup, for a file that is no image, images of different sizes, or classes that
            differ between train and test.
    """

    split_rule = "folders train and test, sorted by a checksum of the pixels; validation the end of the former"

    def __init__(self, root: str = "data", resize: tuple[int, int] | None = None, **inherited: Any) -> None:
        super().__init__(**inherited)
        if resize is not None and not (len(resize) == 2 and min(resize) >= 1):
            raise BadValue("resize", list(resize), "is no height and width; write for example [32, 32]")
        self.root, self.resize = root, resize

    def prepare_data(self) -> None:
        """Find the folders, before any image is read."""
        root = path_of(self.root)
        for name in ("train", "test"):
            if not (root / name).is_dir():
                raise _no_images(root / name, "no such folder")

    def own_sha256(self) -> str:
        """The checksum of all files in the class folders; the names of the files do not matter."""
        self.prepare_data()
        root = path_of(self.root)
        files = (path for name in ("train", "test") for path in _files_in_folders(root / name))
        return joint_sha256((path.relative_to(root).parent.as_posix(), path) for path in files)

    def load(self) -> tuple[Split, Split]:
        """Read training and test images from ``root``, and set ``num_classes`` and ``input_shape`` from them."""
        train, test, classes = read_class_folders(path_of(self.root), self.resize)
        self.num_classes = len(classes)
        self.input_shape = tuple(train.inputs.shape[1:])
        return train, test


def _files_in_folders(root: Path) -> Iterator[Path]:
    """All files in the folders of a folder, as torchvision finds them: links to folders are followed."""
    for folder, _, names in os.walk(root, followlinks=True):
        if Path(folder) != root:
            yield from (path for name in names if (path := Path(folder, name)).is_file())


def read_class_folders(root: Path, size: Size | None = None) -> tuple[Split, Split, list[str]]:
    """Images and labels of ``root/train`` and ``root/test``, ordered by their pixels, and the names of the classes.

    Raises:
        MissingData: if there are no such folders with images.
        BadValue: for a file that is no image, images of different sizes, or classes that differ between the folders.
    """
    splits: dict[str, tuple[Split, list[str]]] = {}
    for name in ("train", "test"):
        try:
            found = ImageFolder(root / name)
        except FileNotFoundError as error:
            raise _no_images(root / name, str(error)) from None
        splits[name] = _cached(root / f"{name}.cache.pt", found.samples, size), found.classes
    (train, classes), (test, others) = splits["train"], splits["test"]
    if classes != others:
        odd = sorted(set(classes) ^ set(others))
        raise BadValue("root", root.absolute(), f"has class {odd[0]!r} in one of train and test only; add or remove it")
    if train.inputs.shape[1:] != test.inputs.shape[1:]:
        hint = "differ in size between train and test; write resize: [h, w]"
        raise BadValue("root", f"images of {root.absolute()}", hint)
    return train, test, classes


def _no_images(folder: Path, why: str) -> MissingData:
    hint = f"({why}); write the folder that holds train/<class>/*.png and test/<class>/*.png"
    return MissingData("root", f"no images in {folder.absolute()}", hint)


def _cached(file: Path, samples: Sequence[Sample], size: Size | None) -> Split:
    """Decode the samples, or read them from the file of an earlier call if no image has changed since."""
    fingerprint = _fingerprint(file.parent, samples, size)
    try:
        saved = torch.load(file, weights_only=True)
        if saved["fingerprint"] == fingerprint:
            split = Split(saved["images"], saved["labels"])
            if saved["checksum"] == _checksum(split):
                return split
    except (OSError, RuntimeError, UnpicklingError, EOFError, KeyError, TypeError, AttributeError, ValueError):
        pass  # it does not exist yet, or is damaged: decode the images
    split = _decode(samples, size)
    state = {
        "fingerprint": fingerprint,
        "checksum": _checksum(split),
        "images": split.inputs,
        "labels": split.targets,
    }
    try:
        with replacing(file) as written:  # several runs may start at the same time
            torch.save(state, written)
    except OSError:
        pass  # without the cache, the next start takes longer
    return split


def _checksum(split: Split) -> int:
    """CRC-32 of pixels and labels: it notices what happened to a file since, and takes a tenth of a second."""
    return zlib.crc32(split.targets.numpy().data, zlib.crc32(split.inputs.numpy().data))


def _fingerprint(root: Path, samples: Sequence[Sample], size: Size | None) -> str:
    digest = hashlib.sha256(b"" if size is None else f"{size[0]}x{size[1]}\n".encode())
    for path, label in samples:
        status = os.stat(path)
        digest.update(f"{Path(path).relative_to(root)}\t{label}\t{status.st_size}\t{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _decode(samples: Sequence[Sample], size: Size | None) -> Split:
    images: list[np.ndarray] = []
    for path, _ in samples:
        try:
            image = pil_loader(path)
        except (OSError, SyntaxError, ValueError, DecompressionBombError) as error:
            hint = f"cannot be read as an image ({one_line(str(error))}); replace or remove it"
            raise BadValue("root", path, hint) from None
        images.append(np.asarray(image if size is None else image.resize(size[::-1], Resampling.BILINEAR)))
        if images[-1].shape != images[0].shape:
            sizes = [f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (images[0], images[-1])]
            raise BadValue("root", samples[0][0], f"is {sizes[0]}, but {path} is {sizes[1]}; write resize: [h, w]")
    pixels = np.stack(images)
    labels = np.array([label for _, label in samples])
    return in_content_order(pixels, labels)


def in_content_order(pixels: np.ndarray, labels: np.ndarray) -> Split:
    """Pixels uint8 ``[n, h, w, channels]`` and labels ``[n]`` as a split ordered by the checksums of the images."""
    order = content_permutation(pixels)
    inputs = torch.from_numpy(np.ascontiguousarray(pixels[order].transpose(0, 3, 1, 2)))
    return Split(inputs, torch.from_numpy(labels[order].astype(np.int64)))
