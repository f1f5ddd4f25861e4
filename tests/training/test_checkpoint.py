"""The checkpoint file: whatever changes in it is found."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from resbench.errors import UserError
from resbench.training.checkpoint import Damaged, checked_checkpoint, is_sealed, refuse_other_version
from resbench.training.saving import DurableCheckpointIO


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.ckpt"
    DurableCheckpointIO().save_checkpoint({"weight": torch.arange(5.0), "name": "x"}, path)
    return path


def test_a_sealed_file_is_what_torch_reads(file: Path) -> None:
    assert is_sealed(file)
    content = torch.load(file, weights_only=True)
    assert content["weight"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert torch.load(file, weights_only=True, mmap=True)["name"] == "x"


def test_every_flipped_bit_is_found(file: Path) -> None:
    """Those of the archive's directory and of the checksum too."""
    with file.open("r+b", buffering=0) as stream:
        content = stream.read()
        for place, byte in enumerate(content):
            for bit in range(8):
                stream.seek(place)
                stream.write(bytes([byte ^ 1 << bit]))
                assert not is_sealed(file), (place, bit)
            stream.seek(place)
            stream.write(bytes([byte]))
    assert is_sealed(file)


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"0", lambda c: c[:9], lambda c: b""])
def test_a_file_of_another_length_is_found(file: Path, change: object) -> None:
    assert callable(change)
    file.write_bytes(change(file.read_bytes()))
    assert not is_sealed(file)
    with pytest.raises(Damaged, match="its checksum is missing or wrong"):
        checked_checkpoint(file, {}, BoringModel())


def test_a_file_of_another_writer_has_no_checksum(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "plain.ckpt")
    assert not is_sealed(tmp_path / "plain.ckpt")


def test_lightning_saves_and_loads_by_it(tmp_path: Path) -> None:
    trainer = Trainer(
        plugins=[DurableCheckpointIO()], max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    model = BoringModel()
    trainer.fit(model)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    assert is_sealed(tmp_path / "model.ckpt")
    again = BoringModel.load_from_checkpoint(tmp_path / "model.ckpt")
    assert torch.equal(again.layer.weight.cpu(), model.layer.weight.cpu())


def test_what_states_say_about_devices_and_shares_may_be_missing() -> None:
    """Earlier versions wrote none of it; the counters have to be there."""
    here = {"a.tiles.0._extra_state": {"updates": 1, "device": {"states": 4.0}}, "a._extra_state": {"gammas": [1.0]}}
    earlier = {"a.tiles.0._extra_state": {"updates": 3}, "a._extra_state": {}}
    refuse_other_version(Path("last.ckpt"), earlier, here)
    with pytest.raises(UserError, match=r"another version of resbench, whose a\.tiles\.0\._extra_state"):
        refuse_other_version(Path("last.ckpt"), {**earlier, "a.tiles.0._extra_state": {}}, here)
