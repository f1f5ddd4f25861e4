"""Analog SGD: one tile, pulsed with every sample."""

from __future__ import annotations

from resbench.algorithms.base import Algorithm
from resbench.costs import analog_sgd
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows


class AnalogSGD(Algorithm):
    """Analog SGD: every sample pulses the one tile that holds the weight.

    ``W <- W - lr d x^T`` in expectation, distorted by the response of the devices: few states and asymmetry pull the
    weights to the symmetric point. The other algorithms are there to overcome this.

    Args:
        pulses: pulse trains of the update.
    """

    title = "Analog SGD"
    citation = "Gokmen and Vlasov, Front. Neurosci. 10:333, 2016"
    cost = analog_sgd()

    def __init__(self, pulses: PulseTrain = PulseTrain()) -> None:
        super().__init__()
        self.pulses = pulses

    def allocate(self) -> None:
        self.add_tile("W")

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        self.tiles[0].update(x, d, lr, self.pulses)
