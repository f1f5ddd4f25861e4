"""Checkpoints that are damaged, or made to run code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch


class Malicious:
    """Unpickled, it writes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


def damage(path: Path, how: str) -> None:
    """Damage a file."""
    if how == "truncated":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "a flipped bit":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "empty":
        os.truncate(path, 0)
    elif how == "a pickle":
        path.write_bytes(pickle.dumps(Malicious()))
    else:
        torch.save({"state_dict": Malicious()}, path)
