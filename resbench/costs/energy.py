"""Energy of one training sample: quoted figures of a reference perceptron, scaled for other networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from resbench.costs.algorithms import Formula, InMemory, mixed_precision, residual
from resbench.costs.hardware import Hardware
from resbench.costs.model import CostModel
from resbench.costs.networks import REFERENCE_PERCEPTRON, LayerShape


@dataclass(frozen=True)
class Energy:
    """Energy of one training sample, nJ. Digital operations are not modelled, which favours AGAD most.

    ``approximate`` says why figures are more than arithmetic on published constants; it is empty if they are not.
    """

    power_w: float
    pulse_nj: float
    transfer_nj: float
    update_nj: float
    propagate_nj: float
    approximate: str

    @property
    def total_nj(self) -> float:
        """Update, forward and backward pass."""
        return self.update_nj + self.propagate_nj


def energy(
    layers: Sequence[LayerShape],
    algorithm: Formula,
    model: CostModel,
    *,
    update_tiles: float | None = None,
    lines: int | None = None,
) -> Energy:
    """Energy of one sample: E_update = P_lines · t_pulse + E_f · S and E_propagate = N (E_f + E_b).

    P_lines is the power of the reference tile, scaled to the lines of the network. For other networks than the
    reference perceptron, E_f, E_b and the passes of mixed precision scale with the number of lines, and its update with
    the number of synapses. This is a rough estimate, because E_b covers only layers that back-propagate. The energy is
    that of one vector pair in each layer, without the reuse of convolutions.

    Args:
        layers: The network.
        algorithm: Its algorithm; N is the number of tiles that a forward pass reads.
        model: Assumptions.
        update_tiles: Number of tiles for the update; None for that of the algorithm, ``inf`` for the bound of P.
        lines: Lines of the crossbars; None for the sum over layers.
    """
    hardware = model.hardware
    is_reference = [(layer.in_features, layer.out_features) for layer in layers] == [
        (layer.in_features, layer.out_features) for layer in REFERENCE_PERCEPTRON
    ]
    lines = sum(layer.lines for layer in layers) if lines is None else lines
    by_lines = 1.0 if is_reference else lines / hardware.reference_lines
    power = line_power_w(lines, hardware)
    reasons = [] if is_reference else ["scaled from the reference perceptron"]
    if not isinstance(algorithm, InMemory):
        synapses = sum(layer.weights for layer in layers)
        by_synapses = 1.0 if is_reference else synapses / hardware.reference_synapses
        update = hardware.mp_update_nj * by_synapses
        return Energy(power, 0.0, 0.0, update, hardware.mp_propagate_nj * by_lines, "; ".join(reasons))
    if not algorithm.composite:
        reasons.append("derived, no source prints it")
    updated = algorithm if update_tiles is None else algorithm.with_tiles(update_tiles)
    pulse = transfer = 0.0
    for layer in layers:
        share = layer.lines / sum(layer.lines for layer in layers)
        transfers = updated.transfers_per_sample(hardware, model.batch_size * layer.reuse)
        pulse += share * power * model.pulse_ns(updated, transfers)
        transfer += share * by_lines * hardware.forward_nj * transfers
    propagate = (hardware.forward_nj + hardware.backward_nj) * by_lines * algorithm.forward_tiles
    return Energy(power, pulse, transfer, pulse + transfer, propagate, "; ".join(reasons))


def line_power_w(lines: int, hardware: Hardware) -> float:
    """Power of the op-amps and translators of ``lines`` lines, W, scaled from the reference tile."""
    return hardware.reference_power_w * lines / (2 * hardware.reference_tile)


def break_even_tiles(hardware: Hardware) -> float:
    """Tiles at which residual learning costs as much as mixed precision on the reference perceptron (7.46).

    The update is the bound of P for many tiles. Other networks break even at other numbers of tiles.
    """
    model = CostModel(batch_size=1, hardware=hardware)
    one_tile = energy(REFERENCE_PERCEPTRON, residual(1), model, update_tiles=math.inf)
    return (
        energy(REFERENCE_PERCEPTRON, mixed_precision(), model).total_nj - one_tile.update_nj
    ) / one_tile.propagate_nj
