"""In-memory training algorithms, one file each; ``base.Algorithm`` is the contract."""

from resbench.algorithms.agad import AGAD
from resbench.algorithms.analog_sgd import AnalogSGD
from resbench.algorithms.base import Algorithm
from resbench.algorithms.chopped_tiki_taka import ChoppedTikiTaka
from resbench.algorithms.digital import DigitalSGD
from resbench.algorithms.erider import ERIDER
from resbench.algorithms.mixed_precision import MixedPrecision
from resbench.algorithms.residual import ResidualLearning
from resbench.algorithms.residual_v2 import ResidualLearningV2
from resbench.algorithms.rider import RIDER
from resbench.algorithms.schedules import Plateau
from resbench.algorithms.tiki_taka import TikiTaka
from resbench.algorithms.tiki_taka_v2 import TikiTakaV2

__all__ = [
    "AGAD",
    "ERIDER",
    "RIDER",
    "Algorithm",
    "AnalogSGD",
    "ChoppedTikiTaka",
    "DigitalSGD",
    "MixedPrecision",
    "Plateau",
    "ResidualLearning",
    "ResidualLearningV2",
    "TikiTaka",
    "TikiTakaV2",
]
