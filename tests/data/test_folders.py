import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from resbench.data import ImageFolderData

Images = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read(root: Path) -> ImageFolderData:
    data = ImageFolderData(str(root))
    data.setup("fit")
    return data


@pytest.fixture
def root(class_folders: Path, tmp_path: Path) -> Path:
    shutil.copytree(class_folders / "cifar10", tmp_path / "images", ignore=shutil.ignore_patterns("*.pt"))
    return tmp_path / "images"


def test_reads_every_image_with_its_class(root: Path, cifar: dict[str, Images]) -> None:
    data = read(root)
    assert (data.num_classes, data.input_shape) == (10, (3, 32, 32))
    for name, (images, labels) in cifar.items():
        split = data.split(name)  # type: ignore[arg-type]
        found = {
            (pixels.numpy().tobytes(), int(label)) for pixels, label in zip(split.inputs, split.targets, strict=True)
        }
        pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        assert found == {(p.tobytes(), label) for p, label in zip(pixels, labels.tolist(), strict=True)}


def test_order_mixes_classes_and_does_not_depend_on_names(root: Path) -> None:
    first = read(root).split("train")
    assert len(first.targets[:20].unique()) > 5
    for number, path in enumerate(sorted((root / "train" / "cat").iterdir(), reverse=True)):
        path.rename(path.with_name(f"renamed{number}.png"))
    second = read(root).split("train")
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.targets, second.targets)


def test_second_start_reads_one_file(root: Path) -> None:
    first, cache = read(root).describe(), root / "train.cache.pt"
    written = cache.stat().st_mtime_ns
    for path in (root / "train").glob("*/*.png"):
        status = path.stat()
        path.write_bytes(b"x" * status.st_size)  # so that only the cache can give the pixels
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read(root).describe() == first
    assert cache.stat().st_mtime_ns == written


def test_changed_image_is_decoded_anew(root: Path) -> None:
    first = read(root).describe()["sha256"]
    path = next((root / "train" / "cat").glob("*.png"))
    Image.new("RGB", (32, 32), (1, 2, 3)).save(path)
    os.utime(path, (time.time() + 5, time.time() + 5))
    second = read(root).describe()["sha256"]
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert (first["train"] != second["train"], first["test"]) == (True, second["test"])


def test_cache_that_was_cut_short_is_written_anew(root: Path) -> None:
    first, cache = read(root).describe(), root / "train.cache.pt"
    size = cache.stat().st_size
    os.truncate(cache, size // 2)
    assert read(root).describe() == first
    assert cache.stat().st_size == size
    assert sorted(path.name for path in root.iterdir()) == ["test", "test.cache.pt", "train", "train.cache.pt"]


def test_a_cache_with_a_wrong_pixel_is_written_anew(root: Path) -> None:
    first, cache = read(root).describe(), root / "train.cache.pt"
    content = bytearray(cache.read_bytes())
    content[len(content) // 2] ^= 1
    cache.write_bytes(content)
    assert read(root).describe() == first
    assert cache.read_bytes() != content


def test_links_to_folders_are_followed(root: Path, tmp_path: Path) -> None:
    data = ImageFolderData(str(root))
    before, pixels = data.own_sha256(), read(root).describe()["sha256"]
    (root / "train" / "cat").rename(tmp_path / "cats")
    (root / "train" / "cat").mkdir()
    (root / "train" / "cat" / "more").symlink_to(tmp_path / "cats")
    assert read(root).describe()["sha256"] == pixels
    linked = data.own_sha256()
    assert linked != before  # the folder is another one
    next((tmp_path / "cats").iterdir()).unlink()
    assert data.own_sha256() != linked


@pytest.mark.parametrize("content", [b"", b"no image", None], ids=["empty", "text", "cut short"])
def test_a_file_that_is_no_image_is_named(root: Path, content: bytes | None) -> None:
    path = next((root / "train" / "cat").glob("*.png"))
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    with pytest.raises(ValueError, match=rf"root: .*cat/{path.name} cannot be read as an image .*; replace or remove"):
        read(root)


def test_names_what_is_missing_or_does_not_fit(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"root: no images in .*nowhere/train .* train/<class>/\*\.png"):
        read(tmp_path / "nowhere")
    odd = root / "train" / "dog" / "odd.png"
    Image.new("RGB", (30, 32)).save(odd)
    with pytest.raises(ValueError, match=r"is 32x32, but .*dog/odd\.png is 30x32; write resize"):
        read(root)
    odd.unlink()
    shutil.rmtree(root / "test" / "truck")
    with pytest.raises(ValueError, match="has class 'truck' in one of train and test only"):
        read(root)


def test_images_of_different_sizes_are_resized(tmp_path: Path) -> None:
    """Of one colour, which resizing keeps; the cache of one size is not taken for another."""
    for name in ("train", "test"):
        for kind, shade in (("dark", 20), ("light", 220)):
            (tmp_path / name / kind).mkdir(parents=True)
            Image.new("RGB", (8, 4), (shade, shade, shade)).save(tmp_path / name / kind / "wide.png")
            Image.new("RGB", (3, 5), (shade, shade, shade)).save(tmp_path / name / kind / "high.png")
    for height, width in ((2, 6), (4, 4)):
        data = ImageFolderData(str(tmp_path), resize=(height, width))
        data.setup("fit")
        split = data.split("train")
        assert data.input_shape == (3, height, width)
        shades = {
            (int(label), int(pixels.min()), int(pixels.max()))
            for pixels, label in zip(split.inputs, split.targets, strict=True)
        }
        assert shades == {(0, 20, 20), (1, 220, 220)}


def test_a_channel_of_one_value_becomes_zero(tmp_path: Path) -> None:
    for name in ("train", "test"):
        for kind, shade in (("dark", 20), ("light", 220)):
            (tmp_path / name / kind).mkdir(parents=True)
            Image.new("RGB", (2, 2), (shade, 7, 7)).save(tmp_path / name / kind / "image.png")
    data = read(tmp_path)
    inputs, targets = next(iter(data.train_dataloader()))
    assert inputs[:, 0].flatten(1).tolist() == [[2.0 * label - 1] * 4 for label in targets.tolist()]
    assert not inputs[:, 1:].any()


@pytest.mark.parametrize("size", [(0, 3), (3,), (1, 2, 3)])
def test_an_impossible_size_is_refused(size: Any) -> None:
    with pytest.raises(ValueError, match=r"resize: .* is no height and width; write for example"):
        ImageFolderData(resize=size)


def test_missing_folders_are_found_before_any_image_is_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"root: no images in .*train \(no such folder\)"):
        ImageFolderData(str(tmp_path)).prepare_data()


def test_the_checksum_is_that_of_images_and_classes(root: Path, tmp_path: Path) -> None:
    """Neither the names of the files nor what is kept of decoded images matters."""
    data = ImageFolderData(str(root))
    before = data.own_sha256()
    data.setup("fit")
    image = next((root / "train").glob("*/*"))
    image = image.rename(image.with_name("another_name.png"))
    assert data.own_sha256() == before
    others = [folder for folder in (root / "train").iterdir() if folder != image.parent]
    image.rename(others[0] / image.name)
    assert data.own_sha256() != before
    with pytest.raises(FileNotFoundError):
        ImageFolderData(str(tmp_path / "nowhere")).own_sha256()
