"""Files of weights that a run starts from: where they are found, and their checksum, which is part of the identity."""

from __future__ import annotations

import os
from pathlib import Path

from resbench.config.files import folders, named_config
from resbench.errors import UserError
from resbench.records.files import file_sha256

#: Folder, below one of configs, of the files that come with resbench.
SHELF = "weights"


def digest_of(name: str) -> str:
    """SHA-256 of a file of weights, 64 hex digits, as ``sha256sum`` prints it.

    Raises:
        UserError: if it is not there or cannot be read.
    """
    path = named_config(name)
    if not path.is_file():
        raise UserError(f"weights: there is no file {name}; resbench export RUN --to {name} writes one", "weights")
    try:
        return file_sha256(path)
    except OSError as error:
        raise UserError(f"weights: {name} cannot be read ({error.strerror}); name another file", "weights") from None


def find_weights(name: str, digest: str) -> Path:
    """The file of weights with a checksum: the one that is named, else one that comes with resbench.

    Raises:
        UserError: if there is none with this checksum.
    """
    named = named_config(name)
    if named.is_file() and digest_of(name) == digest:
        return named
    if shelved := on_shelf(digest):
        return shelved
    found = digest_of(name)  # or says that there is none
    raise UserError(
        f"weights: {name} has the sha256 {found[:12]}..., but this config was made with {digest[:12]}...; name the "
        "file that it was made with, or leave weights_sha256 out to start from this one",
        "weights",
    )


def on_shelf(digest: str) -> Path | None:
    """The file with a checksum among those that come with resbench, or lie in ``configs/weights`` here."""
    files = (path for folder in folders() for path in sorted((folder / SHELF).glob("*.safetensors")))
    return next((path for path in files if digest_of(os.fspath(path)) == digest), None)
