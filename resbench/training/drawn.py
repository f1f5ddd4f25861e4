"""Constants of the devices follow from the seed, so checkpoints leave them out, and loading draws them again.

They are two thirds of what a tile of pulsed devices has in memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from resbench.crossbar.array import DeviceArray


def constants_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """(name in the state, values) of all constants of the devices of a model."""
    for prefix, module in model.named_modules():
        if isinstance(module, DeviceArray):
            yield from ((f"{prefix}.{name}", values) for name, values in module.held_constants.items())


def checksums(model: nn.Module) -> dict[str, int]:
    """CRC-32 of all constants of the devices of a model, by their name in its state.

    Those of a model that was just built identify what was drawn. A constant that somebody changes later has another
    checksum.
    """
    return {name: _checksum(values) for name, values in constants_of(model)}


def leave_out(state: dict[str, Any], model: nn.Module, drawn: Mapping[str, int]) -> dict[str, int]:
    """Remove the constants that are as they were drawn from a state. One that was changed stays.

    Args:
        state: state of the model, changed in place.
        model: the model.
        drawn: :func:`checksums` of the model when it was built.

    Returns:
        The checksums of the constants that were removed, by name.
    """
    left_out = {name: value for name, value in checksums(model).items() if name in state and drawn.get(name) == value}
    for name in left_out:
        del state[name]
    return left_out


def put_back(state: Mapping[str, Any], left_out: Mapping[str, int], model: nn.Module) -> dict[str, Any]:
    """A state with the constants that it lacks, from a model that was just built, if their checksums agree.

    Args:
        state: the state in a checkpoint.
        left_out: the checksums of what it lacks.
        model: the model.
    """
    own = dict(constants_of(model)) if left_out else {}
    agreed = {name: own[name] for name, value in left_out.items() if name in own and _checksum(own[name]) == value}
    return {**state, **agreed}


def use_own_constants(model: nn.Module) -> None:
    """Let a model that was just built use its own constants where a state that it loads has none.

    Whoever loads the state has compared the checksums of both before.
    """

    def fill(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        for name, values in constants_of(module):
            state.setdefault(prefix + name, values)

    model.register_load_state_dict_pre_hook(fill)


def narrow_counts(state: dict[str, Any]) -> None:
    """Store counts of pulses in the smallest integers that hold them. Loading makes them int32 again."""
    for name, values in state.items():
        if isinstance(values, Tensor) and values.dtype is torch.int32 and values.numel():
            largest = int(values.max())
            if int(values.min()) >= 0 and largest < 2**15:
                state[name] = values.to(torch.uint8 if largest < 2**8 else torch.int16)


def _checksum(values: Tensor) -> int:
    return zlib.crc32(values.detach().cpu().contiguous().numpy().data)
