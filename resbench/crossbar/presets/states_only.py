"""Published single devices of which only the number of states is known.

Like the simulations of arXiv:2510.02516, they are soft-bounds devices in [-1, 1] with the spreads of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.devices.base import Origin


@dataclass(frozen=True)
class ReRamAlOxHfO2(SoftBounds):
    """ReRAM of AlOx/HfO2, 40 states (5.3 bits), Woo et al. 2016."""

    source: ClassVar[str] = "Woo et al., IEEE EDL 37(8):994-997, 2016; states: arXiv:2510.02516, Table 3"
    obtained: ClassVar[Origin] = "states only"
    DEFAULT_STEP: ClassVar[float] = 2 / 40

    w_max: float = 1.0
    w_min: float = -1.0


@dataclass(frozen=True)
class ReRamPCMO(SoftBounds):
    """ReRAM of PCMO, 50 states (5.6 bits), Park et al. 2013."""

    source: ClassVar[str] = "Park et al., IEDM, 2013; states: arXiv:2510.02516, Table 3"
    obtained: ClassVar[Origin] = "states only"
    DEFAULT_STEP: ClassVar[float] = 2 / 50

    w_max: float = 1.0
    w_min: float = -1.0


@dataclass(frozen=True)
class ReRamHfO2(SoftBounds):
    """ReRAM of HfO2 with a Ta channel, 26 states (4.7 bits), Jiang et al. 2016."""

    source: ClassVar[str] = "Jiang et al., Sci. Rep. 6:28525, 2016; states: arXiv:2510.02516, Table 3"
    obtained: ClassVar[Origin] = "states only"
    DEFAULT_STEP: ClassVar[float] = 2 / 26

    w_max: float = 1.0
    w_min: float = -1.0


@dataclass(frozen=True)
class ReRamCMO(SoftBounds):
    """ReRAM of a conductive metal oxide and HfOx, 32 states (5.0 bits), Falcone et al. 2025.

    The paper also has a fit of its pulses for training, which was not available.
    """

    source: ClassVar[str] = "Falcone et al., arXiv:2502.04524, 2025; abstract: over 32 stable states"
    obtained: ClassVar[Origin] = "states only"
    DEFAULT_STEP: ClassVar[float] = 2 / 32

    w_max: float = 1.0
    w_min: float = -1.0
