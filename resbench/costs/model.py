"""The cost model: storage, traffic, operations, time, devices and area, from layer shapes and an algorithm."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from resbench.costs.algorithms import Formula, InMemory
from resbench.costs.hardware import Hardware
from resbench.costs.networks import LayerShape
from resbench.errors import BadValue


@dataclass(frozen=True)
class LayerCost:
    """Cost of one layer for one vector pair (x, δ); names with ``image`` are for one sample.

    ``memory_bits`` is 1 if the algorithm moves O(1) bits. ``image_ns`` counts the reuse of a convolution. Mixed
    precision writes once for each image, whatever the reuse.
    """

    layer: LayerShape
    storage_bytes: int
    memory_bits: float
    input_load_bits: float
    fp_ops: float
    fp_ns: float
    analog_ns: float
    image_ns: float
    devices: float
    area_mm2: float

    @property
    def latency_ns(self) -> float:
        """Operations and analog time, one after the other."""
        return self.fp_ns + self.analog_ns


@dataclass(frozen=True)
class NetworkCost:
    """Cost of a network. Storage, traffic, operations, devices and area are sums over layers; times are maxima.

    All layers work in parallel and memory traffic is hidden, so the slowest layer decides.
    """

    algorithm: Formula
    layers: tuple[LayerCost, ...]

    @property
    def storage_bytes(self) -> int:
        """Digital storage in bytes."""
        return sum(layer.storage_bytes for layer in self.layers)

    @property
    def memory_bits(self) -> float:
        """Bits that are moved for one vector pair in each layer."""
        return sum(layer.memory_bits for layer in self.layers)

    @property
    def fp_ops(self) -> float:
        """Floating-point operations for one vector pair in each layer."""
        return sum(layer.fp_ops for layer in self.layers)

    @property
    def latency_ns(self) -> float:
        """Time for one vector pair."""
        return max(layer.latency_ns for layer in self.layers)

    @property
    def image_ns(self) -> float:
        """Time for one sample with the reuse of convolutions. No source prints this figure."""
        return max(layer.image_ns for layer in self.layers)

    @property
    def devices(self) -> float:
        """Devices in all planes."""
        return sum(layer.devices for layer in self.layers)

    @property
    def area_mm2(self) -> float:
        """Area of the devices, without periphery."""
        return sum(layer.area_mm2 for layer in self.layers)


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """The assumptions of the cost model.

    Args:
        batch_size: Samples in a mini-batch, B.
        convention: How many words the vectors of a layer ``[out, in]`` have. ``"paper"`` counts ``2 in`` for x and δ
            together, and ``in`` for a transferred vector; only this gives the published tables. ``"strict"`` counts
            ``in + out``, and for a transferred vector what ``transfer`` says.
        transfer: Whether a transfer carries a column (``out`` words) or a row (``in`` words), for ``"strict"``.
        stack: Planes of devices that are stacked over one another.
        hardware: Constants.

    Raises:
        BadValue: for a value outside its range.
    """

    batch_size: int
    convention: Literal["paper", "strict"] = "paper"
    transfer: Literal["column", "row"] = "column"
    stack: float = 1
    hardware: Hardware = field(default_factory=Hardware)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise BadValue("batch_size", self.batch_size, "; write a whole number from 1")
        if self.convention not in ("paper", "strict"):
            raise BadValue("convention", repr(self.convention), "; write 'paper' or 'strict'")
        if self.transfer not in ("column", "row"):
            raise BadValue("transfer", repr(self.transfer), "; write 'column' or 'row'")
        if not 0 < self.stack < math.inf:
            raise BadValue("stack", self.stack, "; write the number of stacked planes, 1 for none")

    def cost(self, layers: Sequence[LayerShape], algorithm: Formula) -> NetworkCost:
        """Cost of training these layers by this algorithm.

        Raises:
            BadValue: if there is no layer, or if the transfers of infinitely many tiles do not converge.
        """
        if not layers:
            raise BadValue("layers", "none", "; a cost needs at least one analog layer")
        return NetworkCost(algorithm, tuple(self.layer_cost(layer, algorithm) for layer in layers))

    def layer_cost(self, layer: LayerShape, algorithm: Formula) -> LayerCost:
        """Cost of one layer."""
        hardware = self.hardware
        words = 2 * layer.in_features if self.convention == "paper" else layer.lines
        load: float = hardware.word_bits * words
        if isinstance(algorithm, InMemory):
            transfers = algorithm.transfers_per_sample(hardware, self.batch_size * layer.reuse)
            moved = transfers * self._transferred_words(layer)
            stored = algorithm.digital_matrices * layer.weights + words
            # Nothing moved word by word is O(1) bits, which the published figures draw as 1.
            bits = moved * (algorithm.words_moved * hardware.word_bits + algorithm.flag_bits) or 1.0
            load += words * hardware.max_pulses
            ops = words + moved * algorithm.ops_per_word
            analog = self.pulse_ns(algorithm, transfers) + transfers * hardware.mvm_ns
            writes_per_image = layer.reuse
        else:
            matrices = 1 + algorithm.optimizer_matrices
            stored = matrices * layer.weights + words * self.batch_size
            bits = 2 * hardware.word_bits * matrices * layer.weights / self.batch_size
            ops = algorithm.ops_per_weight * layer.weights + layer.in_features
            ops += algorithm.optimizer_ops * layer.weights / (self.batch_size * layer.reuse)
            analog = layer.out_features / self.batch_size * hardware.pulse_ns * hardware.phases
            writes_per_image = 1
        fp_ns = ops / hardware.ops_per_ns
        devices = layer.weights * algorithm.device_planes
        return LayerCost(
            layer=layer,
            storage_bytes=round(stored * hardware.word_bytes),
            memory_bits=bits,
            input_load_bits=load,
            fp_ops=ops,
            fp_ns=fp_ns,
            analog_ns=analog,
            image_ns=fp_ns * layer.reuse + analog * writes_per_image,
            devices=devices,
            area_mm2=plane_area_mm2(layer, hardware) * algorithm.device_planes / self.stack,
        )

    def pulse_ns(self, algorithm: InMemory, transfers: float) -> float:
        """Time of the pulses of one sample, with those of ``transfers`` writes to the next tile."""
        hardware = self.hardware
        per_transfer = hardware.mean_pulses if algorithm.pulses_per_transfer is None else algorithm.pulses_per_transfer
        return (hardware.mean_pulses + transfers * per_transfer) * hardware.pulse_ns * hardware.phases

    def _transferred_words(self, layer: LayerShape) -> int:
        if self.convention == "paper" or self.transfer == "row":
            return layer.in_features
        return layer.out_features


def plane_area_mm2(layer: LayerShape, hardware: Hardware) -> float:
    """Area of one plane of devices, mm². Published areas are those of one plane, whatever the number of tiles."""
    return layer.weights * hardware.pitch_um**2 * 1e-6
