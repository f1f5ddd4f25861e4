"""The weights that a run starts from: read from a file, checked, and programmed before the training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from resbench.config.weights import find_weights
from resbench.errors import BadValue, UserError
from resbench.nn.twin import check_fit, program

#: What a checkpoint calls the state of its model, and how the names of a network begin there.
STATE_DICT, NETWORK = "state_dict", "network."


class StartingWeights(NamedTuple):
    """The file of weights that a config names.

    Args:
        name: the file, or one that comes with resbench.
        digest: its SHA-256.
    """

    name: str
    digest: str

    def check(self, network: nn.Module) -> None:
        """Refuse a file that does not fit, before any work begins.

        Raises:
            UserError: if it is not there, is another file, cannot be read, or holds the state of another network.
        """
        try:
            check_fit(network, self._read())
        except BadValue as error:
            raise self._misfit(error) from None

    def program(self, network: nn.Module) -> list[str]:
        """Program the network.

        Returns:
            Lines for the user: what was programmed, and each weight that the devices hold otherwise.

        Raises:
            UserError: as :meth:`check`.
        """
        try:
            lines = program(network, self._read())
        except BadValue as error:
            raise self._misfit(error) from None
        return [f"starts from {self.name}, sha256 {self.digest[:12]}", *lines]

    def _read(self) -> dict[str, Tensor]:
        return read_weights(find_weights(self.name, self.digest))

    def _misfit(self, error: BadValue) -> UserError:
        return UserError(f"weights: {self.name} is {error.value}{error.hint}", "weights")


def starting_weights(config: Mapping[str, Any]) -> StartingWeights | None:
    """The weights that a resolved config starts from; None if it starts from random ones."""
    name, digest = config.get("weights"), config.get("weights_sha256")
    return StartingWeights(name, digest) if name is not None and digest is not None else None


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state of a network in a file of safetensors, or in a checkpoint of torch or Lightning.

    Only tensors and plain types are read, and nothing in the file is executed. In a checkpoint the network is below
    ``network.``, as in those of resbench, or it is the whole state.

    Raises:
        UserError: for a file that is none of these, or holds the state of tiles.
    """
    try:
        state: Any = safetensors.torch.load_file(path)
    except (SafetensorError, OSError):
        state = _from_checkpoint(path)
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if any(".algorithm." in f".{name}" for name in state):
        raise UserError(f"weights: {path} holds the state of tiles; write resbench export RUN --to FILE", "weights")
    return tensors


def _from_checkpoint(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # reading a file that is none can raise almost anything
        content = None
    state = content.get(STATE_DICT, content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise UserError(
            f"weights: {path} is neither a file of safetensors nor a checkpoint that holds tensors only; "
            "write safetensors.torch.save_file(network.state_dict(), FILE)",
            "weights",
        )
    below = {name.removeprefix(NETWORK): value for name, value in state.items() if name.startswith(NETWORK)}
    return below or dict(state)
