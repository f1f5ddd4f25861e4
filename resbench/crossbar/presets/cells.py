"""Unit cells of published devices."""

from __future__ import annotations

from dataclasses import dataclass, field

from resbench.crossbar.devices import OneSidedCell, PulsedDevice, VectorCell
from resbench.crossbar.devices.unit_cells import Policy
from resbench.crossbar.presets.elements import PCM, Capacitor, EcRam, EcRamMO, Idealized, ReRamES, ReRamSB


@dataclass(frozen=True)
class PCMPair(OneSidedCell):
    """Phase-change pair with refresh, 61.8 states (6.0 bits) each, Nandakumar et al. 2020."""

    source, obtained = PCM.source, PCM.obtained
    device: PulsedDevice = field(init=False, default_factory=PCM)
    refresh_every: int = 1


@dataclass(frozen=True)
class _Shared(VectorCell):
    """Equal elements; every sample pulses one of them at random, as in aihwkit's presets of several devices."""

    update_policy: Policy = "single_random"


@dataclass(frozen=True)
class Idealized2(_Shared):
    """Two Idealized elements averaged, 10000 states (13.3 bits) each; a sample pulses one."""

    source, obtained = Idealized.source, Idealized.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (Idealized(),) * 2)


@dataclass(frozen=True)
class Idealized4(_Shared):
    """Four Idealized elements averaged, 10000 states (13.3 bits) each; a sample pulses one."""

    source, obtained = Idealized.source, Idealized.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (Idealized(),) * 4)


@dataclass(frozen=True)
class Capacitor2(_Shared):
    """Two Capacitor elements averaged, 400 states (8.6 bits) each; a sample pulses one."""

    source, obtained = Capacitor.source, Capacitor.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (Capacitor(),) * 2)


@dataclass(frozen=True)
class Capacitor4(_Shared):
    """Four Capacitor elements averaged, 400 states (8.6 bits) each; a sample pulses one."""

    source, obtained = Capacitor.source, Capacitor.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (Capacitor(),) * 4)


@dataclass(frozen=True)
class EcRam2(_Shared):
    """Two EcRam elements averaged, 1000 states (10.0 bits) each; a sample pulses one."""

    source, obtained = EcRam.source, EcRam.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (EcRam(),) * 2)


@dataclass(frozen=True)
class EcRam4(_Shared):
    """Four EcRam elements averaged, 1000 states (10.0 bits) each; a sample pulses one."""

    source, obtained = EcRam.source, EcRam.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (EcRam(),) * 4)


@dataclass(frozen=True)
class EcRamMO2(_Shared):
    """Two EcRamMO elements averaged, 7088.7 states (12.8 bits) each; a sample pulses one."""

    source, obtained = EcRamMO.source, EcRamMO.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (EcRamMO(),) * 2)


@dataclass(frozen=True)
class EcRamMO4(_Shared):
    """Four EcRamMO elements averaged, 7088.7 states (12.8 bits) each; a sample pulses one."""

    source, obtained = EcRamMO.source, EcRamMO.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (EcRamMO(),) * 4)


@dataclass(frozen=True)
class ReRamES2(_Shared):
    """Two ReRamES elements averaged, 1004.3 states (10.0 bits) each; a sample pulses one."""

    source, obtained = ReRamES.source, ReRamES.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (ReRamES(),) * 2)


@dataclass(frozen=True)
class ReRamES4(_Shared):
    """Four ReRamES elements averaged, 1004.3 states (10.0 bits) each; a sample pulses one."""

    source, obtained = ReRamES.source, ReRamES.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (ReRamES(),) * 4)


@dataclass(frozen=True)
class ReRamSB2(_Shared):
    """Two ReRamSB elements averaged, 1000 states (10.0 bits) each; a sample pulses one."""

    source, obtained = ReRamSB.source, ReRamSB.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (ReRamSB(),) * 2)


@dataclass(frozen=True)
class ReRamSB4(_Shared):
    """Four ReRamSB elements averaged, 1000 states (10.0 bits) each; a sample pulses one."""

    source, obtained = ReRamSB.source, ReRamSB.obtained
    devices: tuple[PulsedDevice, ...] = field(init=False, default_factory=lambda: (ReRamSB(),) * 4)
