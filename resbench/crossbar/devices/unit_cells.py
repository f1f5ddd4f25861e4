"""Unit cells: several elements at one crosspoint that form one weight."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

from resbench.crossbar.devices.base import Device
from resbench.crossbar.devices.pulsed import PulsedDevice
from resbench.crossbar.pulses import PulseTrain
from resbench.errors import BadValue, check_choice

Policy = Literal["all", "single_fixed", "single_sequential", "single_random"]


@dataclass(frozen=True)
class UnitCell(Device):
    """Several elements at one crosspoint; the weight is ``sum_k share_k w_k``.

    Args:
        states: number of states of each element, instead of that of the elements themselves.
    """

    def __post_init__(self) -> None:
        if len({element.is_continuous for element in self.elements}) > 1:
            raise BadValue(
                "states", "elements with and without granularity", "do not share a cell; write inf for all of them"
            )

    @property
    @abstractmethod
    def elements(self) -> tuple[PulsedDevice, ...]:
        """The elements, with the cell's number of states."""

    @property
    @abstractmethod
    def shares(self) -> tuple[float, ...]:
        """Share of each element in the weight."""

    @property
    def w_max(self) -> float:
        return sum(c * (e.w_max if c > 0 else e.w_min) for c, e in zip(self.shares, self.elements, strict=True))

    @property
    def w_min(self) -> float:
        return sum(c * (e.w_min if c > 0 else e.w_max) for c, e in zip(self.shares, self.elements, strict=True))

    @property
    def granularity(self) -> float:
        """Mean granularity of the elements; as in aihwkit, their shares are ignored."""
        return sum(element.granularity for element in self.elements) / len(self.elements)

    @property
    def state_count(self) -> float:
        """Mean number of states of the elements."""
        return sum(element.state_count for element in self.elements) / len(self.elements)

    def with_states(self, states: float) -> Self:
        return dataclasses.replace(self, states=states)

    def _refuse_others(self, key: str, *elements: object) -> None:
        for element in elements:
            if not isinstance(element, PulsedDevice):
                hint = "is no element that pulses move; write one, such as SoftBounds"
                raise BadValue(key, type(element).__name__, hint)

    def _with_cell_states(self, *elements: PulsedDevice) -> tuple[PulsedDevice, ...]:
        return elements if self.states is None else tuple(element.with_states(self.states) for element in elements)


@dataclass(frozen=True)
class VectorCell(UnitCell):
    """Several elements that add up to one weight.

    ``w = sum_k gamma_k w_k``. Programming a weight gives each element the same value (with ``single_fixed`` only the
    one that is updated).

    Args:
        devices: the elements; they may be of different models.
        update_policy: which element a coincidence pulses: ``all`` of them, each with its own noise; ``single_fixed``
            the one of ``first_update_idx``; ``single_sequential`` the next one with every sample, beginning after
            ``first_update_idx``; ``single_random`` one at random for every sample.
        first_update_idx: number of the element with which the single policies begin.
        gamma_vec: share of each element; ``1/n`` each if left empty. Pulse probabilities do not depend on it: with a
            single policy and equal shares, a sample changes the weight by ``lr d x / n``.

    Raises:
        BadValue: for no element or one that pulses do not move, an unknown policy, and another number of shares than of
            elements.
    """

    devices: tuple[PulsedDevice, ...] = field(kw_only=True)
    update_policy: Policy = "all"
    first_update_idx: int = 0
    gamma_vec: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.devices:
            raise BadValue("devices", "a cell", "needs at least one element; write a list of devices")
        self._refuse_others("devices", *self.devices)
        check_choice("update_policy", self.update_policy, get_args(Policy))
        if not 0 <= self.first_update_idx < len(self.devices):
            raise BadValue(
                "first_update_idx",
                self.first_update_idx,
                f"is not one of {len(self.devices)} elements",
            )
        if self.gamma_vec and len(self.gamma_vec) != len(self.devices):
            raise BadValue(
                "gamma_vec", f"{len(self.gamma_vec)} shares, {len(self.devices)} elements", "; write one each"
            )
        super().__post_init__()

    @property
    def elements(self) -> tuple[PulsedDevice, ...]:
        return self._with_cell_states(*self.devices)

    @property
    def shares(self) -> tuple[float, ...]:
        return tuple(self.gamma_vec) or (1 / len(self.devices),) * len(self.devices)


@dataclass(frozen=True)
class ReferenceCell(UnitCell):
    """An element and a reference that is never pulsed.

    ``w = w_0 - w_1``. The reference is 0 at first.

    Args:
        device: the element that is updated.
        reference: the reference; of the same model as ``device`` if left out.

    Raises:
        BadValue: for an element that pulses do not move.
    """

    device: PulsedDevice = field(kw_only=True)
    reference: PulsedDevice | None = None

    def __post_init__(self) -> None:
        self._refuse_others("device", self.device)
        if self.reference is not None:
            self._refuse_others("reference", self.reference)
        super().__post_init__()

    @property
    def elements(self) -> tuple[PulsedDevice, ...]:
        return self._with_cell_states(self.device, self.reference or self.device)

    @property
    def shares(self) -> tuple[float, ...]:
        return (1.0, -1.0)


@dataclass(frozen=True)
class OneSidedCell(UnitCell):
    """Two elements that are only pulsed up, one for each direction, as for PCM.

    ``w = g_plus - g_minus``. An up coincidence pulses ``g_plus``, a down coincidence ``g_minus``. Cells in which both
    elements are near their bound are refreshed after a mini-batch: both elements are reset, and the difference is
    written back.

    Args:
        device: model of both elements; each has its own constants.
        refresh_every: mini-batches (or samples, see ``units_in_mbatch``) between two refreshes; 0 for never.
        units_in_mbatch: count mini-batches (True) or samples. There is at most one refresh in a mini-batch.
        refresh_upper_thres: a cell is refreshed if the larger element exceeds this share of ``w_max`` ...
        refresh_lower_thres: ... and the smaller element this one.
        refresh_update: pulse trains that write the difference back, with at most ``desired_bl`` pulses each.
        copy_inverted: give ``g_plus`` the mirrored constants of ``g_minus``.
    """

    device: PulsedDevice = field(kw_only=True)
    refresh_every: int = 0
    units_in_mbatch: bool = True
    refresh_upper_thres: float = 0.75
    refresh_lower_thres: float = 0.25
    refresh_update: PulseTrain = PulseTrain()
    copy_inverted: bool = False

    def __post_init__(self) -> None:
        self._refuse_others("device", self.device)
        if self.refresh_every < 0:
            raise BadValue("refresh_every", self.refresh_every, "is negative; write a period, or 0 for no refresh")
        if self.device.zero_shift:
            raise BadValue("zero_shift", self.device.zero_shift, "needs pulses down, which no pair gets; write 0")
        super().__post_init__()

    @property
    def elements(self) -> tuple[PulsedDevice, ...]:
        """``g_minus``, ``g_plus``."""
        return self._with_cell_states(self.device, self.device)

    @property
    def shares(self) -> tuple[float, ...]:
        return (-1.0, 1.0)
