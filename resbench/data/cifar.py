"""CIFAR-10 and CIFAR-100, from the official files or from class folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torchvision import datasets

from resbench.data.augmentation import CIFAR_AUGMENTATION, Augmentation, AugmentedImageData
from resbench.data.base import Split
from resbench.data.downloads import no_empty_folders, reason
from resbench.data.folders import in_content_order, read_class_folders
from resbench.errors import BadValue, MissingData
from resbench.records.files import path_of


class CIFAR10Data(AugmentedImageData):
    """CIFAR-10 colour photographs 32x32: 50,000 training and 10,000 test images, read from a folder or downloaded.

    Images ``[n, 3, 32, 32]``, 10 classes. They are sorted by a checksum of their pixels, so the official files and
    class folders of the same images give the same batches.

    Args:
        root: folder that contains ``cifar-10-batches-py`` as published, or class folders
            ``cifar10/train/<class>/*.png`` and ``cifar10/test/<class>/*.png``, which take precedence; or one of these
            two folders itself.
        download: whether to download the published files if they are missing.
        augmentation: augmentation of the training images; by default a random crop from a frame of 4 black pixels,
            flip, AutoAugment's policies for CIFAR-10, and Cutout of 16x16 pixels.

    The other arguments are those of :class:`~resbench.data.augmentation.AugmentedImageData`.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """

    num_classes = 10
    input_shape = (3, 32, 32)
    split_rule = (
        "official training and test images, sorted by a checksum of the pixels; validation the end of the former"
    )
    source: ClassVar[type[datasets.CIFAR10]] = datasets.CIFAR10
    folder: ClassVar[str] = "cifar10"

    def __init__(
        self,
        root: str = "data",
        download: bool = True,
        augmentation: Augmentation = CIFAR_AUGMENTATION,
        **inherited: Any,
    ) -> None:
        super().__init__(augmentation=augmentation, **inherited)
        self.root, self.download = root, download

    def prepare_data(self) -> None:
        """Find the files; if they are missing, download them if ``download`` is true."""
        if self._class_folders() is not None or self._official() is not None:
            return
        root = path_of(self.root)
        try:
            if not self.download:
                raise FileNotFoundError("download is false")
            with no_empty_folders(root):
                self.source(root, download=True)
        except (RuntimeError, OSError) as error:
            raise self._incomplete(root / self.source.base_folder, error) from error

    def load(self) -> tuple[Split, Split]:
        """Training and test set from ``root``, after :meth:`prepare_data`."""
        self.prepare_data()
        folders = self._class_folders()
        if folders is not None:
            train, test, classes = read_class_folders(folders)
            if (len(classes), train.inputs.shape[1:]) != (self.num_classes, self.input_shape):
                found = f"has {len(classes)} classes of images {list(train.inputs.shape[1:])}"
                asked = f"{self.folder} has {self.num_classes} of {list(self.input_shape)}"
                raise BadValue("root", folders.absolute(), f"{found}, {asked}; use ImageFolderData for others")
            return train, test
        official = self._official()
        assert official is not None
        # torchvision looks for its own name below a root; the files may lie in a folder of any name.
        source = type(self.source.__name__, (self.source,), {"base_folder": official.name})
        try:
            parts = [source(official.parent, train=part) for part in (True, False)]
        except (RuntimeError, OSError) as error:  # cut short
            raise self._incomplete(official, error) from error
        train, test = (in_content_order(part.data, np.array(part.targets)) for part in parts)
        return train, test

    def _class_folders(self) -> Path | None:
        """The folder that contains the folders train and test: below the root, or the root itself."""
        root = path_of(self.root)
        if (root / self.folder / "train").is_dir():
            return root / self.folder
        both = all((root / name).is_dir() for name in ("train", "test"))
        if both and sum(path.is_dir() for path in (root / "train").iterdir()) == self.num_classes:
            return root
        return None

    def _official(self) -> Path | None:
        """The folder that contains the published files."""
        root = path_of(self.root).absolute()
        names = [name for name, _ in self.source.train_list + self.source.test_list]
        for folder in (root / self.source.base_folder, root):
            if all((folder / name).is_file() for name in names):
                return folder
        return None

    def _incomplete(self, folder: Path, error: Exception) -> MissingData:
        folders = " and ".join(f"{self.folder}/{split}/<class>/*.png" for split in ("train", "test"))
        hint = f"({reason(error)}); write the folder that holds it, or one with {folders}"
        return MissingData("root", f"no complete {self.source.__name__} in {folder.absolute()}", hint)


class CIFAR100Data(CIFAR10Data):
    """CIFAR-100 colour photographs 32x32: 50,000 training and 10,000 test images, read from a folder or downloaded.

    As :class:`CIFAR10Data`, with 100 classes, in ``cifar-100-python`` or ``cifar100``.
    """

    num_classes = 100
    source = datasets.CIFAR100
    folder = "cifar100"
