"""From a digital model to one whose chosen layers live on crossbar tiles."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from resbench.algorithms import Algorithm
from resbench.crossbar.devices import Device
from resbench.crossbar.mapping import ONE_ARRAY, MappingParameters, TilePlan
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.crossbar.randomness import Stream
from resbench.nn.layers import AnalogConv2d, AnalogLinear, analog_layers
from resbench.nn.tiled import TiledLayer


def to_analog(
    model: nn.Module,
    algorithm: Algorithm,
    device: Device | Sequence[Device],
    layers: Sequence[str] = ("*",),
    seed: int = 0,
    forward_io: IOParameters = PERFECT,
    backward_io: IOParameters = PERFECT,
    mapping: MappingParameters = ONE_ARRAY,
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
        forward_io: periphery of the forward products.
        backward_io: periphery of the backward products.
        mapping: scales, bias column and largest array; a layer beyond the limits becomes a
            :class:`~resbench.nn.TiledLayer`.

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
    twins: dict[int, nn.Module] = {}
    for name, module in found.items():
        if not any(_matches(name, pattern) for pattern in layers):
            continue
        if id(module) not in twins:
            try:
                twins[id(module)] = _twin(
                    module, algorithm, device, root.child("layer", name), forward_io, backward_io, mapping
                )
            except ValueError as error:
                raise ValueError(f"layers: {name!r} cannot be analog: {error}") from None
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, twins[id(module)])
    for name, layer in analog_layers(model):
        layer.weight.label = f"{name}.weight"
    _call_sublayers(model)
    return model


def _call_sublayers(model: nn.Module) -> None:
    """Take torch's transformer layers off their fused path, which reads weights of sublayers without calling them."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0  # one of the conditions of that path, and used nowhere else


def _twin(
    layer: nn.Linear | nn.Conv2d,
    algorithm: Algorithm,
    device: Device | Sequence[Device],
    stream: Stream,
    forward_io: IOParameters,
    backward_io: IOParameters,
    mapping: MappingParameters,
) -> nn.Module:
    out, columns = layer.weight.flatten(1).shape
    if len(TilePlan.of((out, columns), mapping).arrays) > 1:
        return TiledLayer(layer, algorithm, device, stream, forward_io, backward_io, mapping)
    if isinstance(layer, nn.Linear):
        return AnalogLinear(layer, algorithm, device, stream, forward_io, backward_io, mapping)
    return AnalogConv2d(layer, algorithm, device, stream, forward_io, backward_io, mapping)


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or name.startswith(pattern + ".") or fnmatchcase(name, pattern)
