"""Digital SGD: the reference row, layers stay as torch has them."""

from __future__ import annotations

from resbench.algorithms.base import Algorithm
from resbench.crossbar.rows import Rows
from resbench.errors import BadValue


class DigitalSGD(Algorithm):
    """Digital SGD: layers stay as torch has them, trained in floating point; the reference that every table needs."""

    title = "Digital SGD"
    citation = "Robbins and Monro, Ann. Math. Stat. 22:400, 1951"
    digital = True

    def allocate(self) -> None:
        raise BadValue("algorithm", "DigitalSGD", "has no tiles; leave the layer digital, or take AnalogSGD")

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        raise BadValue("algorithm", "DigitalSGD", "has no tiles; leave the layer digital, or take AnalogSGD")
