"""Published single devices whose response to pulses is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resbench.crossbar.devices import ConstantStep, ExpStep, LinearStep, PiecewiseStep, SoftBoundsReference
from resbench.crossbar.devices.base import Origin


@dataclass(frozen=True)
class Idealized(ConstantStep):
    """Idealised symmetric device, 10000 states (13.3 bits), Rasch, Gokmen and Haensch 2019."""

    source: ClassVar[str] = "Rasch, Gokmen and Haensch, IEEE Design & Test, 2019"
    obtained: ClassVar[Origin] = "printed"
    DEFAULT_STEP: ClassVar[float] = 0.0002

    w_max: float = 1.0
    w_min: float = -1.0
    up_down_dtod: float = 0.0


@dataclass(frozen=True)
class GokmenVlasov(ConstantStep):
    """Device specification for training, 1250 states (10.3 bits), Gokmen and Vlasov 2016."""

    source: ClassVar[str] = "Gokmen and Vlasov, Front. Neurosci. 10:333, 2016"
    obtained: ClassVar[Origin] = "printed"
    DEFAULT_STEP: ClassVar[float] = 0.0016

    w_max: float = 1.0
    w_min: float = -1.0


@dataclass(frozen=True)
class Capacitor(LinearStep):
    """Trench capacitor that leaks, 400 states (8.6 bits), Li et al. 2018."""

    source: ClassVar[str] = "Li et al., Symposium on VLSI Technology, 2018"
    obtained: ClassVar[Origin] = "fitted"
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
    obtained: ClassVar[Origin] = "fitted"
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
    obtained: ClassVar[Origin] = "fitted"
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
    obtained: ClassVar[Origin] = "fitted"
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
    obtained: ClassVar[Origin] = "fitted"
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
    obtained: ClassVar[Origin] = "fitted"
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
    obtained: ClassVar[Origin] = "fitted"
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
    obtained: ClassVar[Origin] = "fitted"
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


@dataclass(frozen=True)
class NeuroSim(LinearStep):
    """Default training device of DNN+NeuroSim V2.1, 28.1 states (4.8 bits), Peng et al. 2021.

    32 pulses cross the range in either direction: ``w(x) = B (1 - e^(-x/A)) - 1`` with ``A = 32 a``, where the
    simulator's table gives a = 0.702081 for the non-linearity 1.75 (up) and 0.848677 for 1.46 (down). A step on such a
    curve is linear in the weight. Because both labels have the same sign, both steps fall with the weight. The step at
    w = 0 is taken as the granularity. NeuroSim draws its noise of 0.006 once for each update; here each pulse has it.
    """

    source: ClassVar[str] = "Peng et al., IEEE TCAD, 2021; DNN_NeuroSim_V2.1, train.py"
    obtained: ClassVar[Origin] = "printed"
    DEFAULT_STEP: ClassVar[float] = 0.0711307

    w_max: float = 1.0
    w_min: float = -1.0
    dw_min_dtod: float = 0.0
    dw_min_std: float = 0.0843518
    w_max_dtod: float = 0.0
    w_min_dtod: float = 0.0
    up_down: float = 0.0037217
    up_down_dtod: float = 0.0
    gamma_up: float = 0.6120349
    gamma_down: float = -0.5292857
    gamma_up_dtod: float = 0.0
    gamma_down_dtod: float = 0.0
    allow_increasing: bool = True
    mult_noise: bool = False


@dataclass(frozen=True)
class ENODe(PiecewiseStep):
    """Organic electrochemical transistor (ENODe), 127.3 states (7.0 bits), Sandia's data of 2022.

    Steps are the means of the lookup table at 9 conductances (least squares, residual 0.026 of ``dw_min``). The noise
    is that of the table, relative to the step. The table is that of one device, so there is no spread between devices.
    """

    source: ClassVar[str] = "Sandia National Laboratories, cross-sim-data, lookup_tables/ENODe, 2022 (BSD-3-Clause)"
    obtained: ClassVar[Origin] = "fitted"
    DEFAULT_STEP: ClassVar[float] = 0.015711

    w_max: float = 1.0
    w_min: float = -1.0
    dw_min_dtod: float = 0.0
    dw_min_std: float = 0.22
    w_max_dtod: float = 0.0
    w_min_dtod: float = 0.0
    up_down_dtod: float = 0.0
    piecewise_up: tuple[float, ...] = (1.316, 1.3, 1.264, 1.154, 1.0, 0.8, 0.574, 0.296, 0.112)
    piecewise_down: tuple[float, ...] = (0.112, 0.274, 0.421, 0.514, 0.58, 0.619, 0.629, 0.55, 0.324)
