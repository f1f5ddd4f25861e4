"""The contract of a training algorithm: how one weight matrix is held on tiles and trained in place."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from resbench.crossbar.devices import Device
from resbench.crossbar.randomness import Stream
from resbench.crossbar.tile import Tile


class Algorithm(nn.Module, ABC):
    """One weight matrix ``[out, in]`` on one or more tiles, and the rule that trains it.

    An instance made from a config holds hyper-parameters only; :meth:`build` returns a copy with tiles for one layer.
    A subclass writes ``__init__`` (hyper-parameters), :meth:`allocate` (its tiles, fast first) and :meth:`update`.
    The forward pass sees the composite weight ``sum_k gamma_k W_k``.

    Attributes:
        citation: where the algorithm is from, for tables and pages.
        digital: whether layers stay digital (only the digital reference says so).
        counters: names of the attributes that a checkpoint keeps beside the buffers; plain numbers or lists of numbers.
        shape: ``(out, in)`` once built.
        stream: random stream of the layer once built, for the algorithm's own draws.
        steps: optimiser steps so far.
    """

    citation: ClassVar[str]
    digital: ClassVar[bool] = False
    counters: ClassVar[tuple[str, ...]] = ()

    shape: tuple[int, int]
    stream: Stream
    composite: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.tiles = nn.ModuleList()
        self.tile_names: list[str] = []
        self.gammas: list[float] = []
        self.register_buffer("composite", None, persistent=False)
        self.register_load_state_dict_post_hook(_compose_after_loading)

    # -- what a subclass writes
    # ------------------------------------------------------------------------------------------------

    @abstractmethod
    def allocate(self) -> None:
        """Make the tiles with :meth:`add_tile`, fast tile first, and any digital buffers with ``register_buffer``."""

    @abstractmethod
    def update(self, x: Tensor, d: Tensor, lr: float) -> None:
        """Train on one mini-batch, in place.

        Args:
            x: float32 ``[n, in]``, the rows that entered the layer (all positions of a convolution, images outermost).
            d: float32 ``[n, out]``, derivative of the loss by the outputs; a mean over the mini-batch is in it already.
            lr: learning rate of the optimiser's parameter group; never 0.
        """

    def program(self, weight: Tensor) -> None:
        """Set the composite weight: all of it on the last tile, divided by its gamma and clipped to its devices; the others zero."""
        for tile in self.tiles[:-1]:
            tile.program(torch.zeros_like(weight))
        self.tiles[-1].program(weight / self.gammas[-1])
        self.compose()

    def on_epoch_end(self, train_loss: float) -> None:
        """Called after each training epoch with its mean loss; most algorithms do not care."""

    # -- what the base gives
    # ---------------------------------------------------------------------------------------------------

    def build(self, shape: tuple[int, int], device: Device | Sequence[Device], stream: Stream) -> Self:
        """A copy of this algorithm with tiles for one layer.

        Args:
            shape: ``(out, in)``.
            device: device of all tiles, or one for each tile, fast tile first (the last one serves the rest).
            stream: random stream of the layer.
        """
        built = copy.deepcopy(self)
        built.shape = shape
        built.stream = stream
        built._devices = [device] if isinstance(device, Device) else list(device)
        built.steps = 0
        built.allocate()
        del built._devices
        if len(built.tiles) > 1 or built.gammas != [1.0]:
            built.composite = torch.zeros(shape)
        return built

    def add_tile(self, name: str, gamma: float = 1.0) -> Tile:
        """Add the next tile, with share ``gamma`` in the composite weight; for use in :meth:`allocate`."""
        index = len(self.tiles)
        device = self._devices[min(index, len(self._devices) - 1)]
        tile = Tile(device, self.shape, self.stream.child("tile", index))
        self.tiles.append(tile)
        self.tile_names.append(name)
        self.gammas.append(gamma)
        return tile

    @property
    def weight(self) -> Tensor:
        """The composite weight ``[out, in]``, what the forward pass sees; always current."""
        if self.composite is not None:
            return self.composite
        weight: Tensor = self.tiles[0].weight
        return weight

    def compose(self) -> None:
        """Recompute the composite weight ``sum_k gamma_k W_k``; subclasses call it after they changed a tile."""
        if self.composite is None:
            return
        self.composite.zero_()
        for gamma, tile in zip(self.gammas, self.tiles, strict=True):
            if gamma != 0:
                self.composite.add_(tile.weight, alpha=gamma)

    def step(self, pairs: Sequence[tuple[Tensor, Tensor]], lr: float) -> None:
        """One optimiser step: the pending (x, d) pairs as one mini-batch, then what happens to the devices once for each step."""
        if pairs and lr != 0:
            x, d = (torch.cat([pair[side] for pair in pairs]) if len(pairs) > 1 else pairs[0][side] for side in (0, 1))
            self.update(x, d, lr)
        for tile in self.tiles:
            tile.end_of_step()
        self.steps += 1

    def named_tiles(self) -> Iterator[tuple[str, float, Tile]]:
        """(name, gamma, tile) of every tile, fast tile first."""
        yield from zip(self.tile_names, self.gammas, self.tiles, strict=True)

    def digital_storage(self) -> dict[str, int]:
        """Words of digital memory by name that the algorithm keeps beside its tiles."""
        return {name: buffer.numel() for name, buffer in self.named_buffers(recurse=False) if name != "composite"}

    def get_extra_state(self) -> dict[str, Any]:
        """Counters for the checkpoint, plain types only."""
        return {name: getattr(self, name) for name in ("steps", *self.counters)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the counters of a checkpoint."""
        for name in ("steps", *self.counters):
            setattr(self, name, state[name])


def _compose_after_loading(algorithm: Algorithm, _: object) -> None:
    """The composite weight is derived state: after a checkpoint has filled the tiles it is computed anew."""
    algorithm.compose()
