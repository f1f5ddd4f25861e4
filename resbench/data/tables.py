"""Tables of numbers in CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from resbench.data.base import InMemoryData, Split
from resbench.data.order import content_permutation
from resbench.errors import BadValue, MissingData, check_choice
from resbench.records.files import joint_sha256, path_of

Kind = Literal["classes", "numbers"]
Normalization = Literal["standard", "none"]
#: The largest number of single precision.
LARGEST = torch.finfo(torch.float32).max


class CSVData(InMemoryData):
    """Two CSV files, ``root/train.csv`` and ``root/test.csv``: a line of names, then a sample in each line.

    The target is one column; all others are numbers, the inputs ``[n, columns]`` of the network. Both files have the
    same columns. The training samples are sorted by a checksum of their numbers, which mixes the classes and does not
    depend on the order of the lines.

    Args:
        root: folder of the files.
        target: name of the column of the targets; None takes the last one.
        kind: "classes" takes every different text of the column for a class, numbered in the order of the texts (of
            the numbers, if all are numbers), with int64 targets ``[n]``; "numbers" gives targets ``[n, 1]`` for
            regression.
        normalize: "standard" gives each column of the training samples mean 0 and standard deviation 1; "none" leaves
            the numbers as they are.

    The other arguments are those of :class:`~resbench.data.base.InMemoryData`.

    Raises:
        MissingData: if a file is missing.
        BadValue: for an unknown choice; by setup, for a file that is no such table, for a target that is no column, and
            for a class that only the test file has.
    """

    split_rule = "files train.csv and test.csv, the former sorted by a checksum; validation its end"

    def __init__(
        self,
        root: str = "data",
        target: str | None = None,
        kind: Kind = "classes",
        normalize: Normalization = "standard",
        **inherited: Any,
    ) -> None:
        super().__init__(**inherited)
        check_choice("kind", kind, get_args(Kind))
        check_choice("normalize", normalize, get_args(Normalization))
        self.root, self.target, self.kind, self.normalize = root, target, kind, normalize
        self.columns: list[str] = []
        self.classes: list[str] = []
        self._mean, self._deviation = torch.zeros(1), torch.ones(1)

    def prepare_data(self) -> None:
        """Find the files."""
        for name in ("train.csv", "test.csv"):
            if not self._file(name).is_file():
                hint = "; write the folder that holds train.csv and test.csv"
                raise MissingData("root", f"there is no file {self._file(name)}", hint)

    def own_sha256(self) -> str:
        """The checksum of both files."""
        return joint_sha256((name, self._file(name)) for name in ("train.csv", "test.csv"))

    def load(self) -> tuple[Split, Split]:
        """Read both files, and set ``columns``, ``classes``, ``num_classes`` and ``input_shape``."""
        self.prepare_data()
        tables = [_Table.read(self._file(name), self.target) for name in ("train.csv", "test.csv")]
        train, test = tables
        if train.columns != test.columns:
            raise BadValue("root", test.path, f"has other columns than train.csv; write {', '.join(train.columns)}")
        self.columns, self.input_shape = train.columns, (len(train.columns),)
        if self.kind == "classes":
            self.classes = _in_order(set(train.targets))
            if unknown := sorted(set(test.targets) - set(self.classes)):
                raise BadValue("root", test.path, f"has a class {unknown[0]!r} that train.csv does not have")
        self.num_classes = len(self.classes) if self.kind == "classes" else 1
        whole, other = (Split(torch.from_numpy(table.inputs), self._targets(table)) for table in tables)
        numbers = np.ascontiguousarray(np.column_stack([train.inputs, whole.targets.numpy()]).astype(np.float64))
        order = torch.from_numpy(content_permutation(numbers.view(np.uint8)))
        return Split(whole.inputs[order], whole.targets[order]), other

    def _targets(self, table: _Table) -> Tensor:
        if self.kind == "classes":
            number = {name: index for index, name in enumerate(self.classes)}
            return torch.tensor([number[text] for text in table.targets])
        numbers = [_number(text, table.path, line) for line, text in enumerate(table.targets, start=2)]
        return torch.tensor(numbers, dtype=torch.float32)[:, None]

    def setup(self, stage: str) -> None:
        """Read the files, once for all stages, and measure the columns of the training samples."""
        super().setup(stage)
        if self.normalize == "standard":
            # Exact sums, so that the numbers do not depend on the order in which a machine adds.
            columns = self.split("train").inputs.double().T.tolist()
            means = [math.fsum(column) / len(column) for column in columns]
            squares = [math.fsum((x - mean) ** 2 for x in column) for column, mean in zip(columns, means, strict=True)]
            deviations = [math.sqrt(total / len(columns[0])) or 1.0 for total in squares]
            self._mean, self._deviation = torch.tensor(means).float(), torch.tensor(deviations).float()

    def convert(self, inputs: Tensor) -> Tensor:
        """Normalised numbers."""
        return (inputs - self._mean.to(inputs.device)) / self._deviation.to(inputs.device)

    def describe(self) -> dict[str, object]:
        """The description of :class:`~resbench.data.base.InMemoryData` with the columns and the classes."""
        return {**super().describe(), "columns": self.columns, "classes": self.classes}

    def _file(self, name: str) -> Path:
        return path_of(self.root).absolute() / name


class _Table:
    """What a file says: numbers float32 ``[n, columns]``, texts of the targets, and names of the columns."""

    def __init__(self, path: Path, columns: list[str], inputs: np.ndarray, targets: list[str]) -> None:
        self.path, self.columns, self.inputs, self.targets = path, columns, inputs, targets

    @classmethod
    def read(cls, path: Path, target: str | None) -> _Table:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                names, *lines = [line for line in csv.reader(file, skipinitialspace=True) if line]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BadValue("root", path, f"cannot be read: {error}") from None
        except ValueError:
            raise BadValue("root", path, "is empty; write a line of names, then a sample in each line") from None
        wanted = names[-1] if target is None else target
        if wanted not in names:
            raise BadValue("target", repr(target), f"is no column of {path}; write one of {', '.join(names)}")
        place = names.index(wanted)
        if not lines or len(names) < 2 or len(set(names)) < len(names):
            raise BadValue("root", path, "has no samples, or no two columns of different names; write some")
        rows, targets = [], []
        for number, line in enumerate(lines, start=2):
            if len(line) != len(names):
                raise BadValue("root", path, f"has {len(line)} values in sample {number - 1}, but {len(names)} names")
            if not line[place]:
                raise BadValue("root", path, f"has no {wanted} in sample {number - 1}; write one, or take the line out")
            targets.append(line[place])
            rows.append([_number(text, path, number) for index, text in enumerate(line) if index != place])
        columns = [name for name in names if name != wanted]
        return cls(path, columns, np.array(rows, dtype=np.float32), targets)


def _number(text: str, path: Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        hint = f"has {text[:40]!r} in sample {line - 1}, which is no number; write numbers, or name another target"
        raise BadValue("root", path, hint)
    if abs(value) > LARGEST:
        hint = f"has {text[:40]!r} in sample {line - 1}, which is beyond single precision; write it in another unit"
        raise BadValue("root", path, hint)
    return value


def _in_order(texts: Sequence[str] | set[str]) -> list[str]:
    """Numbers in their order, if all are numbers; else texts in theirs. "nan" is a text, because it has no place."""
    try:
        numbers = {text: float(text) for text in texts}
    except ValueError:
        return sorted(texts)
    if any(math.isnan(number) for number in numbers.values()):
        return sorted(texts)
    return sorted(texts, key=lambda text: (numbers[text], text))
