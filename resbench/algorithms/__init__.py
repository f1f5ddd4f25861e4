"""In-memory training algorithms, one file each; ``base.Algorithm`` is the contract."""

from resbench.algorithms.analog_sgd import AnalogSGD
from resbench.algorithms.base import Algorithm
from resbench.algorithms.digital import DigitalSGD
from resbench.algorithms.residual import ResidualLearning
from resbench.algorithms.tiki_taka import TikiTaka

__all__ = ["Algorithm", "AnalogSGD", "DigitalSGD", "ResidualLearning", "TikiTaka"]
