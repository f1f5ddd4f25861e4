"""Cost of what a run really did: its counted pulse trains and transfers replace the published averages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING

from resbench.costs.algorithms import Formula, InMemory
from resbench.costs.energy import line_power_w
from resbench.costs.model import CostModel, LayerCost, NetworkCost
from resbench.costs.networks import LayerShape
from resbench.errors import BadValue

if TYPE_CHECKING:  # pydantic takes longer to import than a table to print
    from resbench.records.schema import LayerEntry


@dataclass(frozen=True)
class Counts:
    """What a run did to its devices, over all layers.

    Args:
        samples: Training samples that the run saw.
        pulses: Pulses that devices received.
        transfers: Lines written from tile to tile.
        devices: Weights times tiles. A pair or a unit cell counts as one device, as in the record.
        max_writes: Largest number of pulses that a device received.
        histogram: Number of devices by pulses received: none, then at most 1, 3, 7, ...; None if a tile did not record
            it.
    """

    samples: int
    pulses: int
    transfers: int
    devices: int
    max_writes: int
    histogram: tuple[int, ...] | None

    @property
    def mean_writes(self) -> float:
        """Mean number of pulses that a device received."""
        return self.pulses / self.devices

    def write_quantile(self, share: float) -> int:
        """The number of pulses that at least this share of devices does not exceed, rounded up to ``2^k - 1``.

        Raises:
            BadValue: if the run recorded no histogram.
        """
        if self.histogram is None:
            raise BadValue("histogram", None, "is what this run recorded; there is no distribution")
        reached = list(accumulate(self.histogram))
        exponent = next(k for k, devices in enumerate(reached) if devices >= share * reached[-1])
        return min((1 << exponent) - 1, self.max_writes)


def shapes(layers: Sequence[LayerEntry]) -> tuple[LayerShape, ...]:
    """Shapes of the layers of a run."""
    return tuple(LayerShape(layer.name, layer.in_features, layer.out_features, layer.reuse) for layer in layers)


def counts(layers: Sequence[LayerEntry], samples: int) -> Counts:
    """Totals over the layers of a run.

    Raises:
        BadValue: if there are no layers on tiles, or no samples.
    """
    if not layers or not all(layer.tiles for layer in layers):
        raise BadValue("layers", "no tiles", "; a digital run has no pulses to count")
    if samples < 1:
        raise BadValue("samples", samples, "; a run that trained saw at least one")
    tiles = [tile for layer in layers for tile in layer.tiles]
    histograms = [tile.write_histogram for tile in tiles]
    known = [histogram for histogram in histograms if histogram is not None]
    return Counts(
        samples=samples,
        pulses=sum(tile.pulses_up + tile.pulses_down for tile in tiles),
        transfers=sum(tile.transfers for tile in tiles),
        devices=sum(layer.out_features * layer.in_features * len(layer.tiles) for layer in layers),
        max_writes=max(tile.max_writes for tile in tiles),
        histogram=tuple(map(sum, zip_longest(*known, fillvalue=0))) if len(known) == len(tiles) else None,
    )


@dataclass(frozen=True)
class Trains:
    """Mean lengths of the pulse trains of a layer, in slots.

    Args:
        gradient: Of an update of the fast tile by one vector; vectors without pulses count too.
        transfer: Of a column or row that is written from tile to tile; 0 without transfers.
    """

    gradient: float
    transfer: float


def trains(layer: LayerEntry, samples: int) -> Trains | None:
    """Mean pulse trains of a layer; None without tiles, if they were not recorded, or if the fast tile had none."""
    slots = [tile.slots for tile in layer.tiles if tile.slots is not None]
    if not slots or len(slots) < len(layer.tiles) or slots[0] == 0:
        return None
    fast, *others = slots
    transfers = sum(tile.transfers for tile in layer.tiles)
    return Trains(fast / (samples * layer.reuse), sum(others) / transfers if transfers else 0.0)


def counted_cost(layers: Sequence[LayerEntry], algorithm: Formula, model: CostModel, samples: int) -> NetworkCost:
    """Cost with the transfers and pulse trains that a run counted; S of a layer is its transfers for each vector.

    Trains that were not counted have their published length; in mixed precision this is one slot for each row.
    """
    return NetworkCost(algorithm, tuple(_layer_cost(layer, algorithm, model, samples) for layer in layers))


def counted_energy_nj(layers: Sequence[LayerEntry], algorithm: Formula, model: CostModel, samples: int) -> float:
    """Energy of one sample, nJ: update and both passes, summed over layers and over the vectors of the sample.

    It is computed as in :func:`resbench.costs.energy`, but each layer has its own lines, reuse, transfers and trains.
    For mixed precision no counts are used. Its update is quoted as one figure for digital sums and writes, and no
    source says how the two divide it. So each vector takes that energy, scaled with the number of synapses.
    """
    hardware, total = model.hardware, 0.0
    for layer, shape in zip(layers, shapes(layers), strict=True):
        if not isinstance(algorithm, InMemory):
            update = hardware.mp_update_nj * shape.weights / hardware.reference_synapses
            total += shape.reuse * (update + hardware.mp_propagate_nj * shape.lines / hardware.reference_lines)
            continue
        transfers = _transfers_per_vector(layer, samples)
        pulsed, lengths = _with_counted_trains(layer, algorithm, model, samples)
        pulses = line_power_w(shape.lines, hardware) * lengths.pulse_ns(pulsed, transfers)
        passes = (hardware.forward_nj + hardware.backward_nj) * algorithm.forward_tiles
        reads = hardware.forward_nj * transfers
        total += shape.reuse * (pulses + (reads + passes) * shape.lines / hardware.reference_lines)
    return total


def _transfers_per_vector(layer: LayerEntry, samples: int) -> float:
    return sum(tile.transfers for tile in layer.tiles) / (samples * layer.reuse)


def _layer_cost(layer: LayerEntry, algorithm: Formula, model: CostModel, samples: int) -> LayerCost:
    (shape,) = shapes([layer])
    if not isinstance(algorithm, InMemory):
        cost = model.layer_cost(shape, algorithm)
        driven = sum(tile.slots or tile.transfers for tile in layer.tiles)
        analog = driven / samples * model.hardware.pulse_ns * model.hardware.phases
        return replace(cost, analog_ns=analog, image_ns=cost.fp_ns * shape.reuse + analog)
    rate = _transfers_per_vector(layer, samples)
    algorithm, model = _with_counted_trains(layer, algorithm, model, samples)
    # Which hop a transfer took does not matter to the formulas, so all of them count as one hop.
    one_hop = replace(
        algorithm,
        tiles=2,
        planes=algorithm.device_planes,
        periods=(1 / rate if rate else math.inf,),
        periods_in_batches=False,
    )
    return model.layer_cost(shape, one_hop)


def _with_counted_trains(
    layer: LayerEntry, algorithm: InMemory, model: CostModel, samples: int
) -> tuple[InMemory, CostModel]:
    """The algorithm and the model with the mean trains that a layer counted; unchanged if none were counted."""
    counted = trains(layer, samples)
    if counted is None:
        return algorithm, model
    hardware = replace(model.hardware, mean_pulses=counted.gradient)
    return replace(algorithm, pulses_per_transfer=counted.transfer), replace(model, hardware=hardware)
