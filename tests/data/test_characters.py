from pathlib import Path
from typing import Any

import pytest
import torch

from resbench.data import CharacterData

TEXT = "abcabd" * 40  # 240 characters, 4 different ones


def characters(folder: Path, **options: Any) -> CharacterData:
    (folder / "tinyshakespeare.txt").write_text(TEXT, encoding="utf-8")
    data = CharacterData(**{"root": str(folder), "context": 5, "batch_size": 3, "eval_batch_size": 2, **options})
    data.setup("fit")
    return data


def test_reads_tiny_shakespeare(shared: Path) -> None:
    data = CharacterData(root=str(shared))
    data.setup("fit")
    assert (data.num_classes, data.input_shape) == (65, (256,))
    assert data.characters.startswith("\n !$&',-.3:;?ABC")
    train, test = data.split("train"), data.split("test")
    assert (len(train), len(test)) == (1_003_854 - 1, 111_540 - 1)
    assert "".join(data.characters[i] for i in train.inputs[:14].tolist()) == "First Citizen:"
    assert len(data.train_dataloader()) == 61
    windows = torch.cat([batch for batch in data.predict_dataloader()])
    assert torch.equal(windows.flatten(), test.inputs[: 435 * 256].long())


def test_targets_are_the_next_characters(tmp_path: Path) -> None:
    data = characters(tmp_path)
    known = {tuple(data.split("train").inputs[i : i + 6].tolist()) for i in range(300)}
    for loader in (data.train_dataloader(), data.test_dataloader()):
        for inputs, targets in loader:
            assert inputs.dtype == targets.dtype == torch.int64
            assert torch.equal(inputs[:, 1:], targets[:, :-1])
            for window, last in zip(inputs.tolist(), targets[:, -1].tolist(), strict=True):
                assert (*window, last) in known


def test_training_windows_begin_everywhere_and_are_keyed(tmp_path: Path) -> None:
    data = CharacterData(root=str(tmp_path), context=5, batch_size=2000, steps_per_epoch=2)
    (tmp_path / "tinyshakespeare.txt").write_text("".join(map(chr, range(40, 240))), encoding="utf-8")
    data.setup("fit")
    loader = data.train_dataloader()
    epochs = []
    for epoch in (0, 1, 0):
        loader.set_epoch(epoch)
        epochs.append([inputs for inputs, _ in loader])
    assert [len(batches) for batches in epochs] == [2, 2, 2]
    assert torch.equal(torch.stack(epochs[0]), torch.stack(epochs[2]))
    assert not torch.equal(epochs[0][0], epochs[0][1])
    assert not torch.equal(epochs[0][0], epochs[1][0])
    starts = epochs[0][0][:, 0].bincount()
    assert len(starts) == 179 - 5 + 1  # 180 characters train, 179 have a next one
    assert starts.min() > 0


def test_validation_is_the_end_of_the_training_text(tmp_path: Path) -> None:
    whole, cut = characters(tmp_path), characters(tmp_path, val_size=23, train_size=100)
    everything = whole.split("train")
    assert torch.equal(cut.split("val").targets, everything.targets[-23:])
    assert torch.equal(cut.split("train").inputs, everything.inputs[:100])
    assert [len(inputs) for inputs, _ in cut.val_dataloader()] == [2, 2]  # 4 windows of 5 in 23
    assert (cut.describe()["context"], cut.describe()["characters"]) == (5, "abcd")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": 0}, "context: 0 is too small"),
        ({"steps_per_epoch": 0}, "steps_per_epoch: 0 is too small"),
        ({"context": 24}, "context: 24 is more than the 23 characters of test; write less"),
        ({"context": 20, "val_size": 19}, "context: 20 is more than the 19 characters of val"),
    ],
)
def test_refuses_impossible_sizes(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        characters(tmp_path, **options)


def test_missing_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"root: there is no text .*poem\.txt .*that holds poem\.txt"):
        CharacterData(str(tmp_path), "poem.txt").setup("fit")


def test_the_root_may_be_the_text_itself(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("to be or not to be " * 20, encoding="utf-8")
    data = CharacterData(root=str(file), context=4)
    data.prepare_data()
    data.setup("fit")
    assert data.characters == " benort"


def test_a_missing_text_is_found_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no text .*tinyshakespeare.txt \(no such file\)"):
        CharacterData(root=str(tmp_path)).prepare_data()
    (tmp_path / "tinyshakespeare.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(FileNotFoundError, match="not UTF-8"):
        CharacterData(root=str(tmp_path)).setup("fit")


def test_only_a_text_of_ones_own_has_a_checksum(tmp_path: Path) -> None:
    for name in ("tinyshakespeare.txt", "own.txt"):
        (tmp_path / name).write_text("abc")
    assert CharacterData(str(tmp_path)).own_sha256() is None
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # SHA-256 of "abc", FIPS 180-2
    assert CharacterData(str(tmp_path), path="own.txt").own_sha256() == digest
    assert CharacterData(str(tmp_path / "own.txt")).own_sha256() == digest
