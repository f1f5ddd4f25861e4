"""From a digital model to one whose chosen layers live on crossbar tiles."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from resbench.algorithms import Algorithm
from resbench.crossbar.devices import Device
from resbench.crossbar.randomness import Stream
from resbench.nn.layers import AnalogConv2d, AnalogLayer, AnalogLinear


def to_analog(
    model: nn.Module,
    algorithm: Algorithm,
    device: Device | Sequence[Device],
    layers: Sequence[str] = ("*",),
    seed: int = 0,
) -> nn.Module:
    """Put linear and convolutional layers of a model on crossbar tiles, in place.

    A pattern names a module, everything below a module (``layer3`` takes ``layer3.0.conv1``), or uses wildcards
    (``*.conv?``). Modules that appear twice in the model stay one module. :class:`~resbench.algorithms.DigitalSGD`
    leaves the model as it is.

    Args:
        model: the model; other kinds of layers stay digital.
        algorithm: hyper-parameters; each layer gets its own copy with tiles.
        device: device of all tiles, or one for each tile, fast tile first.
        layers: patterns of the names of modules.
        seed: seed of all random numbers of the tiles; each layer has its own stream by name.

    Returns:
        The model.

    Raises:
        ValueError: for a pattern that matches no linear or convolutional layer, or one that meets a layer that does
            not fit.
    """
    found: dict[str, nn.Linear | nn.Conv2d] = {
        name: module
        for name, module in model.named_modules(remove_duplicate=False)
        if type(module) in (nn.Linear, nn.Conv2d) and name
    }
    for pattern in layers:
        if not any(_matches(name, pattern) for name in found):
            close = difflib.get_close_matches(pattern, list(found), n=1, cutoff=0.3)
            hint = f", for example {close[0] if close else next(iter(found))!r}" if found else ""
            raise ValueError(
                f"layers: {pattern!r} matches no linear or convolutional layer; write one of {', '.join(found)}{hint}"
            )
    if algorithm.digital:
        return model
    root = Stream.from_seed(seed)
    twins: dict[int, AnalogLayer] = {}
    for name, module in found.items():
        if not any(_matches(name, pattern) for pattern in layers):
            continue
        if id(module) not in twins:
            kind = AnalogLinear if isinstance(module, nn.Linear) else AnalogConv2d
            try:
                twins[id(module)] = kind(module, algorithm, device, root.child("layer", name))  # type: ignore[arg-type]
            except ValueError as error:
                raise ValueError(f"layers: {name!r} cannot be analog: {error}") from None
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, twins[id(module)])
    return model


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or name.startswith(pattern + ".") or fnmatchcase(name, pattern)
