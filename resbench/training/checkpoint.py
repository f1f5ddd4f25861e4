"""Reads the checkpoint of a run. It contains the config and is never loaded into a run of another config."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from resbench.crossbar.states import NOTES
from resbench.errors import UserError
from resbench.records.files import path_of
from resbench.records.identity import result_config
from resbench.records.names import CHECKPOINT, CONFIG, PREVIOUS
from resbench.training.drawn import put_back

#: Key of the config in a checkpoint.
KEY = "resbench_config"
#: Key of the state that Lightning does not save.
STATE = "resbench_state"
#: Key in that state: checksums of the constants of the devices that the checkpoint leaves out.
DRAWN = "drawn"
#: Key in that state: checksums of the data that were trained on.
DATA = "data"

#: A zip archive ends with its comment and the length of the comment. Torch writes none; here it is the checksum.
NO_COMMENT, COMMENT = b"\0\0", b"\x08\0"
BLOCK = 2**20


class Sealed:
    """A file for ``torch.save`` that ends with a checksum of everything before, including the archive's directory.

    Args:
        file: a new file, open for writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._checksum = 0

    def write(self, data: bytes) -> int:
        """Write the next part."""
        self._checksum = zlib.crc32(data, self._checksum)
        return self.file.write(data)

    def flush(self) -> None:
        """Flush the file."""
        self.file.flush()

    def close(self) -> None:
        """Add the checksum after the last part. The file stays open."""
        self.file.seek(-len(NO_COMMENT), os.SEEK_END)
        self.file.write(COMMENT + b"%08x" % self._checksum)


def is_sealed(path: Path) -> bool:
    """Whether all bits of a file are as they were written, by its checksum."""
    size = path.stat().st_size - len(COMMENT) - 8
    checksum = 0
    with path.open("rb") as file:
        while size > 0 and (block := file.read(min(size, BLOCK))):
            checksum, size = zlib.crc32(block, checksum), size - len(block)
        return size == 0 and file.read() == COMMENT + b"%08x" % zlib.crc32(NO_COMMENT, checksum)


class Damaged(UserError):
    """A file that cannot be read as a checkpoint."""


def newest_checkpoint(
    folder: Path, config: Mapping[str, Any], model: nn.Module, data: Any = None
) -> tuple[Path | None, list[str]]:
    """The newest checkpoint of a run folder that can be read.

    Args:
        folder: the folder of an attempt.
        config: the resolved config of this command.
        model: the model that was built from it.
        data: checksums of the data here; null where they are not known.

    Returns:
        The file, or None if there is none; and a line for each newer file that cannot be read.

    Raises:
        UserError: for a checkpoint that was written by another config or version, or trained on other data.
    """
    damaged: list[str] = []
    for name in (CHECKPOINT, PREVIOUS):
        if (folder / name).is_file():
            try:
                return checked_checkpoint(folder / name, config, model, data), damaged
            except Damaged as error:
                damaged.append(str(error))
    return None, damaged


def checked_checkpoint(path: Path | str, config: Mapping[str, Any], model: nn.Module, data: Any = None) -> Path:
    """The checkpoint file, if a run of this config wrote it.

    Args:
        path: the path that the user named.
        config: the resolved config of this command.
        model: the model that was built from it.
        data: checksums of the data here; null where they are not known.

    Raises:
        UserError: for a file that is missing, is not a checkpoint of resbench, or is of another config, version or
            data.
        Damaged: for a file that cannot be read.
    """
    file = path_of(path)
    checkpoint = read_checkpoint(file)
    if not checkpoint[STATE]["whole"]:
        raise UserError(
            f"ckpt_path: {file} was saved by a callback, where a training cannot be taken up bit for bit; name the "
            f"{CHECKPOINT} of the run, or write --ckpt_path=last"
        )
    refuse_other_config(file, differences(checkpoint[KEY], config))
    refuse_other_version(file, whole_state(checkpoint, model), model.state_dict())
    refuse_other_data(file, checkpoint[STATE].get(DATA), data)
    return file


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """The contents of a checkpoint. Only tensors and plain types are read, and nothing in the file is executed.

    Raises:
        UserError: for a file that is missing or is not a checkpoint of resbench.
        Damaged: for a file that cannot be read.
    """
    file = path_of(path)
    if not file.is_file():
        raise UserError(f"ckpt_path: there is no file {file}; a run keeps its checkpoint in its folder as {CHECKPOINT}")
    try:
        if not is_sealed(file):  # torch itself does not notice flipped bits
            raise ValueError("its checksum is missing or wrong")
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # reading a damaged file can raise almost anything
        raise Damaged(f"ckpt_path: {file} cannot be read as a checkpoint ({_first_sentence(error)})") from None
    if not isinstance(checkpoint, dict) or KEY not in checkpoint:
        raise UserError(f"ckpt_path: {file} was not written by 'resbench fit'; name the {CHECKPOINT} of a run folder")
    return checkpoint


def whole_state(checkpoint: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """The state in a checkpoint, with the constants of the devices that a model which was just built has drawn.

    A constant whose checksum is another one is not there.
    """
    return put_back(checkpoint["state_dict"], checkpoint[STATE].get(DRAWN, {}), model)


def differences(trained: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """By dotted key, what the config of a checkpoint and the one of this command have there, where they differ.

    Args:
        trained: the part of the config that decides the result, as a checkpoint has it.
        config: a resolved config.
    """
    there, here = dict(_leaves(trained)), dict(_leaves(result_config(config)))
    keys = dict.fromkeys([*there, *here])
    return {key: (there.get(key), here.get(key)) for key in keys if there.get(key) != here.get(key)}


def refuse_other_config(file: Path, differing: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse a checkpoint of another config.

    Raises:
        UserError: with the first of the differences.
    """
    for key, (there, here) in differing.items():
        more = f" (and {len(differing) - 1} more keys)" if len(differing) > 1 else ""
        raise UserError(
            f"ckpt_path: {file} is of another config: {key} is {there} there and {here} here{more}; "
            f"write --config {file.parent / CONFIG}"
        )


def refuse_other_data(file: Path, there: Any, here: Any) -> None:
    """Refuse a checkpoint of a training on other data. Of published data, the config's identity has no checksum.

    Args:
        file: the checkpoint.
        there: checksums of its data, by part; null in one of an earlier version.
        here: those of the data of this command; null where they are not known.

    Raises:
        UserError: with the checksums.
    """
    if there is not None and here is not None and there != here:
        raise UserError(
            f"ckpt_path: {file} was trained on other data: their sha256 is {_sums(there)} there, {_sums(here)} here; "
            "name the folder of those data, or train anew in another folder, with --experiment.name=NAME"
        )


def _sums(value: Any) -> str:
    parts = value.items() if isinstance(value, Mapping) else [("", value)]
    return ", ".join(f"{name} {str(digest)[:12]}".strip() for name, digest in parts)


def refuse_other_version(file: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose state has another form than that of the model that was built.

    Raises:
        UserError: with the first name that differs.
    """
    if name := _misfit(there, here):
        raise UserError(
            f"ckpt_path: {file} was written by another version of resbench, whose {name} is of another form; "
            f"to train anew, remove {file.parent} or name another experiment.root"
        )


def _misfit(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """The first name under which two states hold tensors of different shapes, or counters of different names."""
    return next((k for k in dict.fromkeys([*there, *here]) if _form(there.get(k)) != _form(here.get(k))), None)


def _form(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sorted(value.keys() - NOTES)  # earlier versions wrote none, and loading does not need them
    return value.shape if isinstance(value, Tensor) else type(value)


def _first_sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0].partition(". ")[0]


def _leaves(config: Any, parent: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(config, list) and any(isinstance(item, Mapping) for item in config):
        config = dict(enumerate(config))
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield from _leaves(value, f"{parent}.{key}" if parent else str(key))
    else:
        yield parent, config
