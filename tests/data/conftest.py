"""A few real CIFAR-10 images for the tests of modules that read colour images."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

Images = tuple[NDArray[np.uint8], NDArray[np.int64]]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the offline copies."""
    if not SHARED.is_dir():
        pytest.skip(f"no offline copy of the data: {SHARED} is missing")
    return SHARED


@pytest.fixture(scope="session")
def cifar(shared: Path) -> dict[str, Images]:
    """The first 7 test images of each class as a training set, the next 3 as a test set; uint8 ``[n, 32, 32, 3]``."""
    spec = importlib.util.spec_from_file_location("unpack", shared / "unpack.py")
    assert spec is not None
    assert spec.loader is not None
    unpack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unpack)
    images, labels, _ = unpack.load("cifar10", "test")
    members = np.stack([np.flatnonzero(labels == label)[:10] for label in range(10)])
    parts = {"train": members[:, :7].flatten(), "test": members[:, 7:].flatten()}
    return {name: (images[some], labels[some]) for name, some in parts.items()}


@pytest.fixture(scope="session")
def class_folders(cifar: dict[str, Images], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images laid out as ``cifar10/train/<class>/<number>.png``, as the offline copy is unpacked."""
    from PIL import Image

    root = tmp_path_factory.mktemp("folders")
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    for split, (images, labels) in cifar.items():
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = root / "cifar10" / split / names[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number}.png")
    return root
