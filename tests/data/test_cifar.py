import hashlib
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision import datasets

from resbench.data import CIFAR10Data, CIFAR100Data
from resbench.data.augmentation import CIFAR_AUGMENTATION, NO_AUGMENTATION

Images = tuple[NDArray[np.uint8], NDArray[np.int64]]


@pytest.fixture(scope="module")
def official(cifar: dict[str, Images], tmp_path_factory: pytest.TempPathFactory) -> type[CIFAR10Data]:
    """CIFAR10Data of a few images in the published format, whose checksums torchvision then expects."""
    root = tmp_path_factory.mktemp("official")
    folder = root / "cifar-10-batches-py"
    folder.mkdir()

    def write(name: str, content: dict[str, Any]) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    def batch(name: str, split: str) -> list[str]:
        images, labels = cifar[split]
        return write(name, {"data": images.transpose(0, 3, 1, 2).reshape(len(images), -1), "labels": labels.tolist()})

    names = write("batches.meta", {"label_names": [str(label) for label in range(10)]})

    class FewImages(datasets.CIFAR10):  # type: ignore[misc]
        train_list: ClassVar = [batch("data_batch_1", "train")]
        test_list: ClassVar = [batch("test_batch", "test")]
        meta: ClassVar = {"filename": names[0], "key": "label_names", "md5": names[1]}

    class FewData(CIFAR10Data):
        source = FewImages

        def __init__(self, place: str = ".") -> None:
            super().__init__(str(root / place), download=False)

    return FewData


def test_official_files_and_class_folders_give_the_same_batches(
    official: type[CIFAR10Data], class_folders: Path, cifar: dict[str, Images]
) -> None:
    from_files, from_folders = official(), CIFAR10Data(str(class_folders))
    batches = []
    for data in (from_files, from_folders):
        data.setup("fit")
        batches.append(next(iter(data.train_dataloader())))
    assert from_files.describe()["sha256"] == from_folders.describe()["sha256"]
    assert torch.equal(batches[0][0], batches[1][0])
    assert torch.equal(batches[0][1], batches[1][1])
    images, labels = cifar["test"]
    test = from_files.split("test")
    (place,) = torch.nonzero(
        (test.inputs == torch.from_numpy(images[4].transpose(2, 0, 1))).flatten(1).all(1)
    ).flatten()
    assert int(test.targets[place]) == labels[4]


def test_the_root_may_be_the_folder_itself(official: type[CIFAR10Data], class_folders: Path) -> None:
    sums = []
    for data in (official(), official("cifar-10-batches-py"), CIFAR10Data(str(class_folders / "cifar10"))):
        data.prepare_data()
        data.setup("fit")
        sums.append(data.describe()["sha256"])
    assert sums[0] == sums[1] == sums[2]


def test_other_images_are_not_taken_for_it(class_folders: Path, tmp_path: Path) -> None:
    (tmp_path / "cifar100").symlink_to(class_folders / "cifar10")
    with pytest.raises(ValueError, match=r"has 10 classes of images \[3, 32, 32\], cifar100 has 100"):
        CIFAR100Data(str(tmp_path), download=False).setup("fit")
    with pytest.raises(FileNotFoundError, match="no complete CIFAR100"):
        CIFAR100Data(str(class_folders / "cifar10"), download=False).prepare_data()


def test_a_failed_download_leaves_no_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar")  # nothing listens on the discard port
    with pytest.raises(FileNotFoundError, match=r"no complete CIFAR10 in .*Connection refused"):
        CIFAR10Data(str(tmp_path / "data")).prepare_data()
    assert not list(tmp_path.iterdir())


def test_normalises_each_channel(class_folders: Path) -> None:
    data = CIFAR10Data(str(class_folders), batch_size=70, augmentation=NO_AUGMENTATION)
    data.setup("fit")
    images, _ = next(iter(data.train_dataloader()))
    np.testing.assert_allclose(images.mean((0, 2, 3)), np.zeros(3), atol=1e-5)
    np.testing.assert_allclose(images.std((0, 2, 3), unbiased=False), np.ones(3), atol=1e-5)


def test_cutout_normalises_to_about_zero(class_folders: Path) -> None:
    data = CIFAR10Data(str(class_folders), batch_size=70)
    assert data.augmentation == CIFAR_AUGMENTATION
    data.setup("fit")
    images, _ = next(iter(data.train_dataloader()))
    half_a_level = 0.5 / data._scale
    assert ((images.abs() <= half_a_level).all(1).flatten(1).sum(1) >= 8 * 8).all()  # at least a corner of 16x16


def test_evaluation_is_not_augmented_and_says_what_training_is(class_folders: Path) -> None:
    plain = CIFAR10Data(str(class_folders), augmentation=NO_AUGMENTATION)
    full = CIFAR10Data(str(class_folders))
    for data in (plain, full):
        data.setup("fit")
    assert torch.equal(next(iter(plain.test_dataloader()))[0], next(iter(full.test_dataloader()))[0])
    assert full.describe()["augmentation"] == {"padding": 4, "flip": True, "auto_augment": True, "cutout": 16}


@pytest.mark.parametrize(
    ("source", "folder"), [(CIFAR10Data, "cifar-10-batches-py"), (CIFAR100Data, "cifar-100-python")]
)
def test_missing_files_name_the_folder_and_the_layout(source: type[CIFAR10Data], folder: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        source(str(tmp_path), download=False).setup("fit")
    message = str(raised.value)
    assert f"root: no complete {source.__name__.removesuffix('Data')} in {tmp_path / folder}" in message
    assert f"{source.folder}/train/<class>/*.png" in message
