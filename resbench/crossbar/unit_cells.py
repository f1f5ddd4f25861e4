"""Tiles of unit cells: several arrays of elements that share their lines and form one weight matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.devices import Device
from resbench.crossbar.devices.unit_cells import OneSidedCell, ReferenceCell, UnitCell, VectorCell
from resbench.crossbar.pulses import MOST_COUNTED, PulseTrain, stop_counts
from resbench.crossbar.randomness import Stream, philox
from resbench.crossbar.rows import Rows
from resbench.crossbar.tile import DEFAULT_PULSES, Tile


def make_tile(device: Device, shape: tuple[int, int], stream: Stream) -> Tile:
    """One crossbar array of any device: single elements or unit cells.

    Args:
        device: the device at each crosspoint.
        shape: ``(out, in)``.
        stream: random stream of this array; arrays with different streams are independent.
    """
    if isinstance(device, OneSidedCell):
        return OneSidedTile(device, shape, stream)
    if isinstance(device, (VectorCell, ReferenceCell)):
        return VectorTile(device, shape, stream)
    return Tile(device, shape, stream)


class UnitCellTile(Tile):
    """An array of unit cells: ``weight = sum_k share_k arrays[k].weight``.

    Every array has its own constants, noise and counters. All share the pulse trains on the lines; ``slots`` counts
    these once, without those of a refresh. ``pulses_up`` and ``pulses_down`` count the pulses that raised and lowered
    the weight, over all elements of a cell.

    Attributes:
        arrays: one tile for each element of the cell.
        samples: number of samples in all updates so far.
    """

    COUNTERS: ClassVar[tuple[str, ...]] = (*Tile.COUNTERS, "samples")

    device: UnitCell

    def _fabricate(self) -> None:
        self.samples = 0
        self._stored = None
        self.arrays = nn.ModuleList(
            Tile(element, self.shape, self.stream.child("element", k)) for k, element in enumerate(self.device.elements)
        )
        self.is_restless = any(tile.is_restless for tile in self.tiles)

    @property
    def tiles(self) -> list[Tile]:
        """The arrays as a list of tiles."""
        return [array for array in self.arrays if isinstance(array, Tile)]

    @property
    def constants(self) -> dict[str, Tensor]:
        """Bounds of the weight of each cell, ``w_max`` and ``w_min``. The arrays have the constants of the elements."""
        high, low = torch.zeros_like(self.weight), torch.zeros_like(self.weight)
        for share, tile in zip(self.device.shares, self.tiles, strict=True):
            bounds = share * tile.constant("w_max"), share * tile.constant("w_min")
            high, low = high + torch.maximum(*bounds), low + torch.minimum(*bounds)
        return {"w_max": high, "w_min": low}

    def update(
        self,
        x: Tensor | Rows,
        d: Tensor | Rows,
        lr: float,
        pulses: PulseTrain = DEFAULT_PULSES,
        granularity: float | None = None,
    ) -> None:
        super().update(x, d, lr, pulses, granularity)
        self.samples += x.shape[0]
        for tile in self.tiles:
            tile.known_updates += 1
        self.compose()

    def compose(self) -> None:
        """Recompute the weight and the pulse counts from the arrays."""
        self.touch(None)
        self.weight.zero_()
        up, down = (torch.zeros_like(self.pulses_up, dtype=torch.int64) for _ in range(2))
        for share, tile in zip(self.device.shares, self.tiles, strict=True):
            if self.known_slots + tile.known_slots > MOST_COUNTED:
                stop_counts(tile.pulses_up, tile.pulses_down)
            self.weight.add_(tile.weight, alpha=share)
            raising, lowering = (tile.pulses_up, tile.pulses_down) if share > 0 else (tile.pulses_down, tile.pulses_up)
            up += raising
            down += lowering
        self.pulses_up.copy_(up.clamp(max=MOST_COUNTED))
        self.pulses_down.copy_(down.clamp(max=MOST_COUNTED))
        self.show()

    def _each(self, change: Callable[[Tile], None]) -> None:
        for tile in self.tiles:
            change(tile)
        self.compose()

    def end_of_step(self) -> None:
        self._each(Tile.end_of_step)

    def diffuse(self) -> None:
        self._each(Tile.diffuse)

    def decay(self, strength: float = 1.0) -> None:
        self._each(lambda tile: tile.decay(strength))

    def reset(self, crosspoints: Tensor | None = None, probability: float = 1.0) -> None:
        if probability < 1:
            chance = self.stream.child("reset chance").uniform(self.shape, self.operations, device=self.weight.device)
            crosspoints = (chance < probability) & (True if crosspoints is None else crosspoints)
        self.operations += 1
        self._each(lambda tile: tile.reset(crosspoints))

    def clip(self, bound: float) -> None:
        self._each(lambda tile: tile.clip(bound))

    @property
    def drifts(self) -> bool:
        return any(tile.drifts for tile in self.tiles)

    def pass_time(self, dt: float) -> None:
        self._each(lambda tile: tile.pass_time(dt))


class VectorTile(UnitCellTile):
    """Cells whose elements add up. The policy of the cell decides which of them a sample pulses."""

    device: VectorCell | ReferenceCell

    @property
    def _policy(self) -> tuple[str, int]:
        cell = self.device
        return (cell.update_policy, cell.first_update_idx) if isinstance(cell, VectorCell) else ("single_fixed", 0)

    def program(self, weight: Tensor) -> None:
        """Give every element the weight, or with the policy ``single_fixed`` only the one that is updated."""
        policy, first = self._policy
        for k, tile in enumerate(self.tiles):
            if policy != "single_fixed" or k == first:
                tile.program(weight)
        self.compose()

    def route(self, up: Tensor, sample: Tensor) -> list[tuple[DeviceArray, Tensor, Tensor]]:
        policy, first = self._policy
        everywhere = torch.ones_like(up)
        if policy == "all":
            return [(tile, everywhere, up) for tile in self.tiles]
        if policy == "single_fixed":
            return [(self.tiles[first], everywhere, up)]
        if policy == "single_sequential":
            turn = (first + self.samples + 1 + sample) % len(self.tiles)
        else:
            turn = philox(self.stream.child("policy").key, sample, 0, 0, self.known_updates)[0] % len(self.tiles)
        return [(tile, (turn == k).expand_as(up), up) for k, tile in enumerate(self.tiles)]


class OneSidedTile(UnitCellTile):
    """Pairs of elements that are only pulsed up and are refreshed from time to time."""

    device: OneSidedCell

    def _fabricate(self) -> None:
        super()._fabricate()
        if self.device.copy_inverted:
            minus, plus = self.tiles
            for name, values in _mirrored(minus.held_constants).items():
                setattr(plus, name, values.clone())

    def program(self, weight: Tensor) -> None:
        """Program the positive part on ``g_plus`` and the negative part on ``g_minus``."""
        minus, plus = self.tiles
        plus.program(weight.clamp(min=0))
        minus.program((-weight).clamp(min=0))
        self.compose()

    def route(self, up: Tensor, sample: Tensor) -> list[tuple[DeviceArray, Tensor, Tensor]]:
        minus, plus = self.tiles
        rising = torch.ones_like(up)
        return [(plus, up, rising), (minus, ~up, rising)]

    def update(
        self,
        x: Tensor | Rows,
        d: Tensor | Rows,
        lr: float,
        pulses: PulseTrain = DEFAULT_PULSES,
        granularity: float | None = None,
    ) -> None:
        before = self.known_updates if self.device.units_in_mbatch else self.samples
        super().update(x, d, lr, pulses, granularity)
        after = self.known_updates if self.device.units_in_mbatch else self.samples
        period = self.device.refresh_every
        if period > 0 and after // period > before // period:
            self.refresh()

    def refresh(self) -> None:
        """Reset the cells in which both elements are near their bound, and write the difference back."""
        cell = self.device
        minus, plus = self.tiles
        larger, smaller = torch.maximum(plus.weight, minus.weight), torch.minimum(plus.weight, minus.weight)
        bound = cell.device.w_max
        worn = (larger > cell.refresh_upper_thres * bound) & (smaller > cell.refresh_lower_thres * bound)
        columns = worn.any(dim=0).nonzero()[:, 0]
        if columns.numel() == 0:
            return
        values = torch.where(worn, plus.weight - minus.weight, 0.0)[:, columns].T.contiguous()
        for tile, difference in ((plus, values), (minus, -values)):
            tile.reset(worn)
            tile.write(columns, difference.clamp(min=0), 1.0, cell.refresh_update)
        self.compose()


def _mirrored(constants: dict[str, Tensor]) -> dict[str, Tensor]:
    """The constants of a mirrored device, which does downward what the given one does upward."""
    swapped = {"w_max": "w_min", "w_min": "w_max"}
    negated = ("w_max", "w_min", "reference", "reset_bias")
    mirrored = {}
    for name, values in constants.items():
        stem, _, side = name.rpartition("_")
        other = swapped.get(name) or {"up": f"{stem}_down", "down": f"{stem}_up"}.get(side, name)
        mirrored[other] = -values if name in negated or stem == "slope" else values
    return mirrored
