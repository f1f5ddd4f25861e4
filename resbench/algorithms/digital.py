"""Digital SGD, the reference of every table: layers stay as they are in torch."""

from __future__ import annotations

from resbench.algorithms.base import Algorithm
from resbench.crossbar.rows import Rows
from resbench.errors import BadValue


class DigitalSGD(Algorithm):
    """Digital SGD: layers stay as they are in torch and are trained in floating point, as the reference of tables."""

    title = "Digital SGD"
    citation = "Robbins and Monro, Ann. Math. Stat. 22:400, 1951"
    digital = True

    def allocate(self) -> None:
        raise BadValue("algorithm", "DigitalSGD", "has no tiles; leave the layer digital, or take AnalogSGD")

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        raise BadValue("algorithm", "DigitalSGD", "has no tiles; leave the layer digital, or take AnalogSGD")
