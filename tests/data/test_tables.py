"""Tables in CSV files."""

from pathlib import Path
from typing import Any

import pytest
import torch

from resbench.data import CSVData

TRAIN = "width, height, kind\n1, 10, b\n3, 10, a\n5, 10, b\n7, 10, a\n"
TEST = "width, height, kind\n4, 10, a\n"


def read(folder: Path, train: str = TRAIN, test: str = TEST, **arguments: Any) -> CSVData:
    (folder / "train.csv").write_text(train)
    (folder / "test.csv").write_text(test)
    data = CSVData(str(folder), **arguments)
    data.setup("fit")
    return data


def test_columns_are_normalised_and_texts_are_classes(tmp_path: Path) -> None:
    """The mean of the widths is 4, their deviation the root of 5; the heights are all the same."""
    data = read(tmp_path)
    assert (data.columns, data.classes, data.num_classes, data.input_shape) == (
        ["width", "height"],
        ["a", "b"],
        2,
        (2,),
    )
    split = data.split("train")
    found = {(width, kind) for (width, _), kind in zip(split.inputs.tolist(), split.targets.tolist(), strict=True)}
    assert found == {(1.0, 1), (3.0, 0), (5.0, 1), (7.0, 0)}
    inputs, _ = next(iter(data.test_dataloader()))
    torch.testing.assert_close(inputs, torch.tensor([[0.0, 0.0]]))
    torch.testing.assert_close(data.convert(torch.tensor([[4 + 5**0.5, 10.0]])), torch.tensor([[1.0, 0.0]]))


def test_the_order_of_the_lines_has_no_effect(tmp_path: Path) -> None:
    first = read(tmp_path).split("train").inputs
    name, *lines = TRAIN.splitlines(keepends=True)
    assert torch.equal(read(tmp_path, name + "".join(reversed(lines))).split("train").inputs, first)


def test_a_column_of_numbers_is_a_target_of_regression(tmp_path: Path) -> None:
    numbers = [text.replace(" a", " 0.5").replace(" b", " -1") for text in (TRAIN, TEST)]
    data = read(tmp_path, *numbers, kind="numbers", target="kind", normalize="none")
    inputs, targets = next(iter(data.test_dataloader()))
    assert (inputs.tolist(), targets.tolist()) == ([[4.0, 10.0]], [[0.5]])


def test_classes_that_are_numbers_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    texts = [text.replace(" a", " 10").replace(" b", " 9") for text in (TRAIN, TEST)]
    assert read(tmp_path, *texts).classes == ["9", "10"]


@pytest.mark.parametrize(
    ("train", "test", "arguments", "message"),
    [
        (TRAIN, TEST, {"target": "depth"}, r"target: 'depth' is no column of .*; write one of width, height, kind"),
        (TRAIN, "width, kind\n4, a\n", {}, "test.csv has other columns than train.csv; write width, height"),
        (TRAIN, TEST.replace("a", "c"), {}, "has a class 'c' that train.csv does not have"),
        (TRAIN + "1, x, a\n", TEST, {}, "has 'x' in sample 5, which is no number"),
        (TRAIN + "1, nan, a\n", TEST, {}, "has 'nan' in sample 5, which is no number"),
        (TRAIN + "1, 1e39, a\n", TEST, {}, "has '1e39' in sample 5, which is beyond single precision; write it in"),
        (TRAIN + "1, 2,\n", TEST, {}, "has no kind in sample 5; write one, or take the line out"),
        (TRAIN + "1, a\n", TEST, {}, "has 2 values in sample 5, but 3 names"),
        (TRAIN, TEST, {"kind": "numbers"}, "has 'b' in sample 1, which is no number"),
        ("", TEST, {}, "train.csv is empty"),
        ("width, kind\n", TEST, {}, "has no samples"),
    ],
)
def test_what_is_no_such_table_is_said(tmp_path: Path, train: str, test: str, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, train, test, **arguments)


def test_a_class_nan_has_a_place_among_the_texts(tmp_path: Path) -> None:
    rows = ["2, 10", "3, nan", "4, 9"]
    for order in (rows, rows[::-1]):
        text = "width, kind\n" + "\n".join(order) + "\n"
        assert read(tmp_path, text, text).classes == ["10", "9", "nan"]


def test_missing_files_are_found_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"root: there is no file .*train\.csv; write the folder"):
        CSVData(str(tmp_path)).prepare_data()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "Classes"}, "kind: 'Classes' is unknown; write one of classes, numbers"),
        ({"normalize": "unit"}, "normalize: 'unit' is unknown; write one of standard, none"),
    ],
)
def test_unknown_words_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CSVData(**arguments)


def test_the_checksum_is_that_of_the_files(tmp_path: Path) -> None:
    """The folder does not matter, and both files do."""
    for name, test in (("first", TEST), ("second", TEST), ("third", TEST.replace("4", "5"))):
        (tmp_path / name).mkdir()
        read(tmp_path / name, test=test)
    first, second, third = (CSVData(str(tmp_path / name)).own_sha256() for name in ("first", "second", "third"))
    assert first == second != third
    with pytest.raises(FileNotFoundError):
        CSVData(str(tmp_path)).own_sha256()
