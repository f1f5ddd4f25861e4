import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from resbench.data import FashionMNISTData, MNISTData

UNPACK = Path(__file__).resolve().parents[3] / "shared" / "data" / "unpack.py"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not UNPACK.exists():
        pytest.skip(f"no offline copy of the data: {UNPACK} is missing")
    folder = tmp_path_factory.mktemp("data")
    subprocess.run([sys.executable, UNPACK, folder, "mnist", "fashion-mnist"], check=True, capture_output=True)
    return str(folder)


@pytest.mark.parametrize(
    ("source", "labels", "mean", "std"),
    [
        (MNISTData, ([5, 0, 4, 1, 9], [7, 2, 1, 0, 4]), 0.1307, 0.3081),
        (FashionMNISTData, ([9, 0, 0, 3, 0], [9, 2, 1, 1, 6]), 0.2860, 0.3530),
    ],
)
def test_reads_the_official_files(
    root: str, source: type[MNISTData], labels: tuple[list[int], list[int]], mean: float, std: float
) -> None:
    data = source(root, download=False, normalize="standard")
    data.setup("fit")
    train, test = data.split("train"), data.split("test")
    assert train.inputs.shape == (60000, *data.input_shape)
    assert test.inputs.shape == (10000, *data.input_shape)
    assert (train.targets[:5].tolist(), test.targets[:5].tolist()) == labels
    black, white = data.convert(torch.tensor([0, 255], dtype=torch.uint8)).flatten().tolist()
    assert black == pytest.approx(-mean / std, abs=1e-3)  # the constants that everybody uses
    assert white == pytest.approx((1 - mean) / std, abs=1e-3)


def test_missing_files_name_the_folder_and_the_layout(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        FashionMNISTData(str(tmp_path), download=False).setup("fit")
    message = str(raised.value)
    assert f"root: no complete FashionMNIST in {tmp_path / 'FashionMNIST' / 'raw'}" in message
    assert "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte" in message
    assert "write the folder that holds them" in message
    assert not list(tmp_path.iterdir())


def test_failed_download_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MNISTData.source, "mirrors", ["http://127.0.0.1:9/"])  # nothing listens on the discard port
    with pytest.raises(FileNotFoundError, match=r"no complete MNIST in .*Connection refused"):
        MNISTData(str(tmp_path / "new" / "data")).setup("fit")
    assert not list(tmp_path.iterdir())  # no empty folders either
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileNotFoundError):
        MNISTData(str(tmp_path / "mine")).prepare_data()
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


@pytest.mark.parametrize("size", [0, 100_000])
def test_a_file_that_was_cut_short_is_named_incomplete(root: str, tmp_path: Path, size: int) -> None:
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(Path(root, "MNIST", "raw"), raw)
    os.truncate(raw / "t10k-images-idx3-ubyte", size)
    with pytest.raises(FileNotFoundError, match="no complete MNIST in"):
        MNISTData(str(tmp_path), download=False).setup("fit")


@pytest.mark.parametrize("folder", [".", "FashionMNIST", "FashionMNIST/raw"])
def test_the_root_may_be_the_folder_itself(root: str, folder: str) -> None:
    data = FashionMNISTData(str(Path(root, folder)), download=False)
    data.prepare_data()
    data.setup("fit")
    assert data.split("train").targets[:5].tolist() == [9, 0, 0, 3, 0]


def test_a_folder_of_any_name_is_taken_and_one_of_another_data_set_is_not(root: str, tmp_path: Path) -> None:
    (tmp_path / "clothes").symlink_to(Path(root, "FashionMNIST", "raw"))
    data = FashionMNISTData(str(tmp_path / "clothes"), download=False)
    data.setup("test")
    assert data.split("test").targets[:5].tolist() == [9, 2, 1, 1, 6]
    for folder in ("MNIST", "MNIST/raw"):
        with pytest.raises(FileNotFoundError, match="no complete FashionMNIST"):
            FashionMNISTData(str(Path(root, folder)), download=False).setup("fit")


def test_missing_files_are_found_before_anything_is_read(tmp_path: Path) -> None:
    for download in (False, True):
        data = MNISTData(str(tmp_path / "data"), download=download)
        data.source = type("MNIST", (data.source,), {"mirrors": ["http://127.0.0.1:9/"]})  # type: ignore[misc]
        with pytest.raises(FileNotFoundError, match="no complete MNIST"):
            data.prepare_data()
    assert not list(tmp_path.iterdir())
