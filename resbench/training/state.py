"""Checks a state before it is saved or tested: it is finite, and layers compute with the weights of their tiles."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from resbench.errors import Diverged
from resbench.nn import ForeignWrite, analog_layers


def check_state(model: nn.Module) -> None:
    """Refuse a state that cannot be the result of a training on tiles.

    Args:
        model: a task or a network.

    Raises:
        Diverged: if a parameter, a weight of a tile or a digital buffer of an algorithm is not finite.
        ForeignWrite: if the visible weight of a layer is not the one of its tiles.
    """
    for name, values in _trained(model):
        if not bool(values.isfinite().all()):
            raise Diverged(f"{name} is not finite; a smaller lr may help")
    for _, layer in analog_layers(model):
        layer.weight.check_writes()
        algorithm = layer.algorithm
        if algorithm.composite is None:
            continue  # there is one tile, and its weight is the visible one
        seen = algorithm.composite.clone()
        for tile in algorithm.tiles:
            tile.touch(None)
        algorithm.compose()
        if not torch.equal(seen, algorithm.composite):
            raise ForeignWrite(f"{layer.weight.label}: what the layer computes with is not what its tiles hold")


def _trained(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    for name, layer in analog_layers(model):
        for buffer, values in layer.algorithm.named_buffers(recurse=False):
            yield f"{name}.{buffer}", values
        for tile_name, _, tile in layer.algorithm.named_tiles():
            yield f"{name}.{tile_name}.weight", tile.weight
