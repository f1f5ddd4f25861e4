"""Published devices by name, to be written as ``class_path: resbench.crossbar.presets.ReRamArrayHfO2`` in a config.

Each keeps its published step; ``init_args: {states: 4}`` asks for another precision of the same device, its relative
spreads and noise kept. The first ten follow the presets of IBM's aihwkit 1.1.0, whose fits are by the named papers. The
three after them are known by their number of states alone (Table 3 of arXiv:2510.02516); like that paper's own
simulations they are soft-bounds devices in [-1, 1] with the spreads of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from resbench.crossbar.devices import (
    ConstantStep,
    ExpStep,
    LinearStep,
    OneSidedCell,
    PulsedDevice,
    SoftBounds,
    SoftBoundsReference,
    VectorCell,
)
from resbench.crossbar.devices.unit_cells import Policy

# -- single devices ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Idealized(ConstantStep):
    """Idealised symmetric device, 10000 states (13.3 bits), Rasch, Gokmen and Haensch 2019."""

    source: ClassVar[str] = "Rasch, Gokmen and Haensch, IEEE Design & Test, 2019"
    DEFAULT_STEP: ClassVar[float] = 0.0002

    w_max: float = 1.0
    w_min: float = -1.0
    up_down_dtod: float = 0.0


@dataclass(frozen=True)
class GokmenVlasov(ConstantStep):
    """Device specification for training, 1250 states (10.3 bits), Gokmen and Vlasov 2016."""

    source: ClassVar[str] = "Gokmen and Vlasov, Front. Neurosci. 10:333, 2016"
    DEFAULT_STEP: ClassVar[float] = 0.0016

    w_max: float = 1.0
    w_min: float = -1.0


@dataclass(frozen=True)
class Capacitor(LinearStep):
    """Trench capacitor that leaks, 400 states (8.6 bits), Li et al. 2018."""

    source: ClassVar[str] = "Li et al., Symposium on VLSI Technology, 2018"
    DEFAULT_STEP: ClassVar[float] = 0.005

    w_max: float = 1.0
    w_min: float = -1.0
    dw_min_dtod: float = 0.1
    up_down_dtod: float = 0.06
    w_max_dtod: float = 0.07
    w_min_dtod: float = 0.07
    gamma_up: float = 0.05
    gamma_down: float = 0.05
    gamma_up_dtod: float = 0.01
    gamma_down_dtod: float = 0.01
    mult_noise: bool = False
    lifetime: float = 1e6
    lifetime_dtod: float = 0.3


@dataclass(frozen=True)
class EcRam(LinearStep):
    """Lithium ECRAM, 1000 states (10.0 bits), Tang et al. 2018."""

    source: ClassVar[str] = "Tang et al., IEDM, 2018"
    DEFAULT_STEP: ClassVar[float] = 0.002

    w_max: float = 1.1724
    w_min: float = -0.8276
    dw_min_dtod: float = 0.1
    w_max_dtod: float = 0.05
    w_min_dtod: float = 0.05
    gamma_up: float = 0.1153
    gamma_down: float = 0.5085


@dataclass(frozen=True)
class EcRamMO(LinearStep):
    """Metal-oxide ECRAM, 7088.7 states (12.8 bits), Kim et al. 2019."""

    source: ClassVar[str] = "Kim et al., IEDM, 2019"
    DEFAULT_STEP: ClassVar[float] = 2.8214e-4

    w_max: float = 1.1714
    w_min: float = -0.8286
    dw_min_dtod: float = 0.1
    dw_min_std: float = 2.0
    w_max_dtod: float = 0.05
    w_min_dtod: float = 0.05
    gamma_up: float = 0.4152
    gamma_down: float = 0.7342


@dataclass(frozen=True)
class ReRamES(ExpStep):
    """ReRAM, exponential fit, 1004.3 states (10.0 bits), Gong et al. 2018."""

    source: ClassVar[str] = "Gong et al., Nat. Commun. 9:2102, 2018"
    DEFAULT_STEP: ClassVar[float] = 0.00135

    w_max: float = 1.0
    w_min: float = -1.0
    dw_min_dtod: float = 0.2
    dw_min_std: float = 5.0
    up_down: float = 0.259359
    up_down_dtod: float = 0.05
    write_noise_std: float = 75.0
    a: float = -0.5
    b: float = -0.5
    gamma_up: float = 5.0
    gamma_down: float = 5.0
    A_up: float = -1.18445
    A_down: float = -0.081404


@dataclass(frozen=True)
class ReRamSB(SoftBoundsReference):
    """ReRAM, soft-bounds fit, 1000 states (10.0 bits), Gong et al. 2018."""

    source: ClassVar[str] = "Gong et al., Nat. Commun. 9:2102, 2018"
    DEFAULT_STEP: ClassVar[float] = 0.002

    w_max: float = 1.25
    w_min: float = -0.75
    w_max_dtod: float = 0.24
    w_min_dtod: float = 0.4
    dw_min_std: float = 3.75
    write_noise_std: float = 56.0


@dataclass(frozen=True)
class ReRamArrayOM(SoftBoundsReference):
    """ReRAM array of optimised material, 21.1 states (4.4 bits), Gong et al. 2022."""

    source: ClassVar[str] = "Gong et al., IEDM, 2022"
    DEFAULT_STEP: ClassVar[float] = 0.0949

    w_max: float = 1.0
    w_min: float = -1.0
    dw_min_dtod: float = 0.7829
    dw_min_dtod_log_normal: bool = True
    dw_min_std: float = 0.4158
    w_max_dtod: float = 0.3499
    w_min_dtod: float = 0.5695
    write_noise_std: float = 1.4113
    subtract_symmetry_point: bool = True
    reference_std: float = 0.05
    corrupt_devices_range: float = 0.01


@dataclass(frozen=True)
class ReRamArrayHfO2(SoftBoundsReference):
    """ReRAM array of HfO2, 4.3 states (2.1 bits), Gong et al. 2022."""

    source: ClassVar[str] = "Gong et al., IEDM, 2022"
    DEFAULT_STEP: ClassVar[float] = 0.4622

    w_max: float = 1.0
    w_min: float = -1.0
    dw_min_dtod: float = 0.7125
    dw_min_dtod_log_normal: bool = True
    dw_min_std: float = 0.2174
    w_max_dtod: float = 0.4295
    w_min_dtod: float = 0.5990
    write_noise_std: float = 0.5841
    subtract_symmetry_point: bool = True
    reference_std: float = 0.05
    corrupt_devices_range: float = 0.01


@dataclass(frozen=True)
class PCM(ExpStep):
    """One uni-directional phase-change element, 61.8 states (6.0 bits), Nandakumar et al. 2020; train with PCMPair."""

    source: ClassVar[str] = "Nandakumar et al., Front. Neurosci. 14:406, 2020"
    DEFAULT_STEP: ClassVar[float] = 0.01

    w_max: float = 2.0
    w_min: float = 0.0
    dw_min_dtod: float = 0.2
    dw_min_std: float = 0.6
    up_down_dtod: float = 0.05
    w_max_dtod: float = 0.1
    w_min_dtod: float = 0.0
    a: float = -1.0
    b: float = 0.0
    gamma_up: float = 2.5
    gamma_down: float = 2.5
    A_up: float = -27.235
    A_down: float = -2.235
    dw_min_std_add: float = 0.042
    dw_min_std_slope: float = 0.108
    reset: float = 0.01
    reset_dtod: float = 0.02


# -- devices of which only the number of states is published -----------------------------------------------------------


@dataclass(frozen=True)
class ReRamAlOxHfO2(SoftBounds):
    """ReRAM of AlOx/HfO2, 40 states (5.3 bits), Woo et al. 2016."""

    source: ClassVar[str] = "Woo et al., IEEE EDL 37(8):994-997, 2016; states: arXiv:2510.02516, Table 3"
    DEFAULT_STEP: ClassVar[float] = 2 / 40

    w_max: float = 1.0
    w_min: float = -1.0


@dataclass(frozen=True)
class ReRamPCMO(SoftBounds):
    """ReRAM of PCMO, 50 states (5.6 bits), Park et al. 2013."""

    source: ClassVar[str] = "Park et al., IEDM, 2013; states: arXiv:2510.02516, Table 3"
    DEFAULT_STEP: ClassVar[float] = 2 / 50

    w_max: float = 1.0
    w_min: float = -1.0


@dataclass(frozen=True)
class ReRamHfO2(SoftBounds):
    """ReRAM of HfO2 with a Ta channel, 26 states (4.7 bits), Jiang et al. 2016."""

    source: ClassVar[str] = "Jiang et al., Sci. Rep. 6:28525, 2016; states: arXiv:2510.02516, Table 3"
    DEFAULT_STEP: ClassVar[float] = 2 / 26

    w_max: float = 1.0
    w_min: float = -1.0


# -- unit cells --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PCMPair(OneSidedCell):
    """Phase-change pair with refresh, 61.8 states (6.0 bits) each, Nandakumar et al. 2020."""

    source: ClassVar[str] = PCM.source

    device: PulsedDevice = field(init=False, default_factory=PCM)
    refresh_every: int = 1


@dataclass(frozen=True)
class _Shared(VectorCell):
    """Equal elements of which every sample pulses one, chosen at random, as in aihwkit's presets of several devices."""

    update_policy: Policy = "single_random"


@dataclass(frozen=True)
class Idealized2(_Shared):
    """Two Idealized elements averaged, 10000 states (13.3 bits) each; a sample pulses one."""

    source: ClassVar[str] = Idealized.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (Idealized(),) * 2)


@dataclass(frozen=True)
class Idealized4(_Shared):
    """Four Idealized elements averaged, 10000 states (13.3 bits) each; a sample pulses one."""

    source: ClassVar[str] = Idealized.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (Idealized(),) * 4)


@dataclass(frozen=True)
class Capacitor2(_Shared):
    """Two Capacitor elements averaged, 400 states (8.6 bits) each; a sample pulses one."""

    source: ClassVar[str] = Capacitor.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (Capacitor(),) * 2)


@dataclass(frozen=True)
class Capacitor4(_Shared):
    """Four Capacitor elements averaged, 400 states (8.6 bits) each; a sample pulses one."""

    source: ClassVar[str] = Capacitor.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (Capacitor(),) * 4)


@dataclass(frozen=True)
class EcRam2(_Shared):
    """Two EcRam elements averaged, 1000 states (10.0 bits) each; a sample pulses one."""

    source: ClassVar[str] = EcRam.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (EcRam(),) * 2)


@dataclass(frozen=True)
class EcRam4(_Shared):
    """Four EcRam elements averaged, 1000 states (10.0 bits) each; a sample pulses one."""

    source: ClassVar[str] = EcRam.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (EcRam(),) * 4)


@dataclass(frozen=True)
class EcRamMO2(_Shared):
    """Two EcRamMO elements averaged, 7088.7 states (12.8 bits) each; a sample pulses one."""

    source: ClassVar[str] = EcRamMO.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (EcRamMO(),) * 2)


@dataclass(frozen=True)
class EcRamMO4(_Shared):
    """Four EcRamMO elements averaged, 7088.7 states (12.8 bits) each; a sample pulses one."""

    source: ClassVar[str] = EcRamMO.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (EcRamMO(),) * 4)


@dataclass(frozen=True)
class ReRamES2(_Shared):
    """Two ReRamES elements averaged, 1004.3 states (10.0 bits) each; a sample pulses one."""

    source: ClassVar[str] = ReRamES.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (ReRamES(),) * 2)


@dataclass(frozen=True)
class ReRamES4(_Shared):
    """Four ReRamES elements averaged, 1004.3 states (10.0 bits) each; a sample pulses one."""

    source: ClassVar[str] = ReRamES.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (ReRamES(),) * 4)


@dataclass(frozen=True)
class ReRamSB2(_Shared):
    """Two ReRamSB elements averaged, 1000 states (10.0 bits) each; a sample pulses one."""

    source: ClassVar[str] = ReRamSB.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (ReRamSB(),) * 2)


@dataclass(frozen=True)
class ReRamSB4(_Shared):
    """Four ReRamSB elements averaged, 1000 states (10.0 bits) each; a sample pulses one."""

    source: ClassVar[str] = ReRamSB.source

    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (ReRamSB(),) * 4)
