"""The state of one crossbar array: buffers, counters, constants of its devices, and notes of what changed.

:class:`DeviceArray` has no operations, so that kernels can take it. Operations are in
:class:`resbench.crossbar.tile.Tile`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from resbench.crossbar.changes import Changes, Crosspoints
from resbench.crossbar.checks import check_precision
from resbench.crossbar.devices import Device, Element, Ideal, PulsedDevice
from resbench.crossbar.randomness import Stream
from resbench.crossbar.states import DEVICE, refuse_other_device, traits_of
from resbench.crossbar.views import RECORD, ArrayViews, Devices, flat, record_of, views_of_devices
from resbench.errors import BadValue


class DeviceArray(nn.Module):
    """The state of an array of ``out x in`` devices, one for each weight.

    Everything that changes is a buffer or a plain counter, so a checkpoint of plain tensors contains the whole state.
    Every random draw is a function of the stream and of these counters.

    Args:
        device: mean parameters of the devices.
        shape: ``(out, in)``.
        stream: random stream of this array; arrays with different streams are independent.

    Attributes:
        granularity: mean step of the devices, weight units; 0 where :attr:`is_continuous`.
        is_pulsed: whether pulses move the weights; if not, updates are computed exactly.
        weight: float32 ``[out, in]``, the visible weights.
        pulses_up: int32 ``[out, in]``, upward pulses that each device has received; 2^31 - 1 stands for that or more.
        pulses_down: the same for downward pulses.
        operations: number of other calls that set weights, the counter of their random draws.
        transfers_out: number of lines read by ``read``.
        known_slots: :attr:`slots` without those that a GPU has counted and the host has not read yet; likewise
            ``known_updates`` and ``known_transfers_in``.
        is_restless: whether a step ends with decay or diffusion.
        clock: time that has passed in ``pass_time``, in units of the device's ``t_0``.
        views: NumPy views cached by the Numba kernels; reset to None when a buffer is replaced.
        changes: where crosspoints that change are noted; None if nothing follows the array.
        finish: starts the pulses that wait for the end of a step, on a GPU; None if none do. Whatever reads or changes
            weights and counts calls it first: the attributes of these names do it.
    """

    CHANGING: ClassVar[frozenset[str]] = frozenset({"weight", "_stored", "pulses_up", "pulses_down"})
    COUNTERS: ClassVar[tuple[str, ...]] = ("updates", "operations", "transfers_in", "transfers_out", "slots", "clock")

    weight: Tensor
    _stored: Tensor | None
    pulses_up: Tensor
    pulses_down: Tensor
    is_restless: bool
    finish: Callable[[], None] | None = None

    def __init__(self, device: Device, shape: tuple[int, int], stream: Stream) -> None:
        super().__init__()
        self.device = device
        self.granularity = device.granularity
        self.is_continuous = device.is_continuous
        self.is_pulsed = not (device.is_continuous or isinstance(device, Ideal))
        self.shape = shape
        self.stream = stream
        self.operations = 0
        self.transfers_out = 0
        self.known_updates = self.known_transfers_in = self.known_slots = 0
        self._late: Tensor | None = None
        self.clock = 0.0
        self.changes: Changes | None = None
        self.views: ArrayViews | None = None
        self.constant_names: tuple[str, ...] = ()
        check_precision(torch.get_default_dtype())
        self.register_buffer("weight", torch.zeros(shape))
        self.register_buffer("pulses_up", torch.zeros(shape, dtype=torch.int32))
        self.register_buffer("pulses_down", torch.zeros(shape, dtype=torch.int32))
        self._fabricate()

    def _fabricate(self) -> None:
        element = self.element
        self.is_restless = element.diffusion > 0 or element.lifetime > 0
        # Without write noise, the stored weight is the visible weight, and there is no second buffer.
        self.register_buffer("_stored", torch.zeros(self.shape) if element.write_noise > 0 else None)
        constants = element.fabricate(self.shape, self.stream.child("fabrication"))
        self.constant_names = tuple(constants)
        for name, values in constants.items():
            self._hold(name, values)
        if "drift_nu" in constants:
            self.register_buffer("drift_start", torch.zeros(self.shape))
            self.register_buffer("drift_since", torch.zeros(self.shape))
            self.register_buffer("drift_seen", torch.full(self.shape, torch.nan))

    def _hold(self, name: str, values: Tensor) -> None:
        """Register a constant of every device; a value that all devices share is stored once, ``[1, 1]``."""
        if self.element.half_constants and name not in self.element.retained:
            values = values.half()
        shared = values[:1, :1]
        self.views = None
        self.register_buffer(name, shared.clone() if bool((values == shared).all()) else values)

    def __setattr__(self, name: str, value: Any) -> None:
        # Counters change many times in a step, and torch's bookkeeping of parameters and modules takes microseconds.
        if isinstance(value, (int, float, list)):
            object.__setattr__(self, name, value)
            return
        super().__setattr__(name, value)
        if isinstance(value, Tensor):
            self.views = None

    if not TYPE_CHECKING:  # a type checker reports missing attributes by itself

        def __getattr__(self, name: str) -> Any:
            # Torch's own finds parameters, buffers and modules, which are no attributes in Python's sense.
            if name in self.CHANGING and self.finish is not None:
                self.finish()
            return super().__getattr__(name)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        check_precision(fn(self.weight.new_zeros(())).dtype)
        self._read_late()
        self.views = None
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weight."""
        return self.memory.dtype

    @property
    def memory(self) -> Tensor:
        """The weight, as it is before pulses that wait: for its dtype, its device and its place in memory."""
        return cast(Tensor, self._buffers["weight"])  # faster than the attribute, which torch looks up last

    @property
    def stored_memory(self) -> Tensor:
        """:attr:`stored` in the same way."""
        stored = self._buffers["_stored"]
        return self.memory if stored is None else stored

    @property
    def slots(self) -> int:
        """Slots of all pulse trains so far, each vector's bit length; updates without trains have none.

        On a GPU, the host waits for it here, and for the other counters of :meth:`late_counts`.
        """
        self._read_late()
        return self.known_slots

    @slots.setter
    def slots(self, slots: int) -> None:
        self._read_late()
        self.known_slots = slots

    @property
    def updates(self) -> int:
        """Number of calls of ``update`` and ``write``, the counter of their random draws."""
        self._read_late()
        return self.known_updates

    @updates.setter
    def updates(self, updates: int) -> None:
        self._read_late()
        self.known_updates = updates

    @property
    def transfers_in(self) -> int:
        """Number of lines written by ``write``."""
        self._read_late()
        return self.known_transfers_in

    @transfers_in.setter
    def transfers_in(self, lines: int) -> None:
        self._read_late()
        self.known_transfers_in = lines

    def late_counts(self) -> Tensor:
        """Counters on the device of the weight, int64 ``[3]``, to which kernels add: slots, updates, written lines.

        Only a GPU knows whether there are pulses in a digital buffer. If it writes any, it counts the update.
        """
        if self._late is None:
            self._late = torch.zeros(3, dtype=torch.int64, device=self.memory.device)
        return self._late

    def _read_late(self) -> None:
        if self.finish is not None:
            self.finish()
        late = self._late
        if late is not None:
            self._late = None
            slots, updates, lines = late.tolist()
            self.known_slots += slots
            self.known_updates += updates
            self.known_transfers_in += lines

    @property
    def element(self) -> Element:
        """The device of an array of single elements."""
        if not isinstance(self.device, Element):
            raise BadValue("device", type(self.device).__name__, "holds several elements; make its tile by make_tile")
        return self.device

    @property
    def stored(self) -> Tensor:
        """The weight without write noise, on which pulses act; ``weight`` itself for devices without write noise."""
        return self.weight if self._stored is None else self._stored

    @property
    def constants(self) -> dict[str, Tensor]:
        """Constants of the devices by name; these always include ``w_max`` and ``w_min``.

        float32 ``[out, in]``, or ``[1, 1]`` if all devices have the same value.
        """
        return {name: self.constant(name) for name in self.constant_names}

    def constant(self, name: str) -> Tensor:
        """One of :attr:`constants`."""
        return self.get_buffer(name).float()

    @property
    def held_constants(self) -> dict[str, Tensor]:
        """:attr:`constants` as they are stored: float16 if the device asks for half precision."""
        return {name: cast(Tensor, self._buffers[name]) for name in self.constant_names}

    def route(self, up: Tensor, sample: Tensor) -> list[tuple[DeviceArray, Tensor, Tensor]]:
        """The arrays of devices that get the pulses of coincidences.

        Args:
            up: bool, the direction in which the weight moves.
            sample: int64 of a shape that broadcasts with ``up``, index of the sample in the mini-batch.

        Returns:
            (array, chosen, up) for each array: where it gets a pulse, and in which direction; both of the shape of
            ``up``. An array of single devices gets all pulses itself.
        """
        return [(self, torch.ones_like(up), up)]

    def numpy_views(self) -> ArrayViews:
        """The views for compiled kernels; they are made at the first call, and again after a buffer was replaced."""
        if self.views is None:
            rows, columns = (np.uint64(self.stream.child(side).key) for side in ("rows", "columns"))
            devices = self._views_of_devices()
            record = np.zeros(0, RECORD) if devices is None else record_of(devices, rows, columns, self.shape)
            self.views = ArrayViews(flat(self.weight), rows, columns, devices, record)
        return self.views

    def _views_of_devices(self) -> Devices | None:
        if not isinstance(self.device, PulsedDevice):
            return None
        return views_of_devices(
            self.device,
            self.held_constants,
            (self.stream.child("cycle noise").key, self.stream.child("pulse write noise").key),
            (self.stored, self.weight),
            (self.pulses_up, self.pulses_down),
        )

    # -- what changed ------------------------------------------------------------------------------------------------

    def settle(self, noisy: bool = True) -> None:
        """Clip the stored weights to the bounds and compute the visible ones, with new write noise if ``noisy``."""
        self.touch(None)
        torch.clamp(self.stored, self.constant("w_min"), self.constant("w_max"), out=self.stored)
        if self.element.write_noise > 0:
            noise = self.element.write_noise * self._normal("write noise") if noisy else 0.0
            self.weight.copy_(self.stored + noise)
        self.operations += 1
        self.show()

    def _normal(self, purpose: str) -> Tensor:
        return self.stream.child(purpose).normal(self.shape, self.operations, device=self.weight.device)

    @property
    def is_followed(self) -> bool:
        """Whether changes are noted, and only some of the crosspoints have changed so far."""
        return self.changes is not None and self.changes.crosspoints is not None

    def touch(self, crosspoints: Crosspoints | None) -> None:
        """Note which crosspoints (flat indices) changed; None if any of them may have."""
        if self.changes is None:
            return
        if crosspoints is None:
            self.changes.crosspoints = None
        elif self.changes.crosspoints is not None:
            self.changes.crosspoints.append(crosspoints)

    def show(self) -> None:
        """Recompute the composite weight after a change."""
        if self.changes is not None:
            self.changes.show()

    # -- checkpoint ----------------------------------------------------------------------------------------------------

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        if prefix + "w_max" in state_dict:
            self._take_form({name: state_dict.get(prefix + name) for name in (*self.constant_names, "reference")})
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _take_form(self, constants: dict[str, Tensor | None]) -> None:
        """Hold constants in the form of those that are loaded next.

        One that all devices happen to share is a single number, and a calibrated array has a ``reference``. Both can
        differ between arrays of the same device, while the constants are those of the state.
        """
        self._read_late()  # pulses that wait have the constants in use
        self.views = None
        for name, values in constants.items():
            own = self._buffers.get(name)
            if values is not None and values.shape in ((1, 1), self.shape):
                if own is None or own.shape != values.shape:
                    like = self.held_constants["w_max"] if own is None else own
                    self.register_buffer(name, like.new_zeros(values.shape))
            elif name == "reference" and values is None and own is not None:
                del self._buffers[name]
        self.constant_names = tuple(name for name in constants if name in self._buffers)

    def get_extra_state(self) -> dict[str, Any]:
        """The counters for the checkpoint, and what the state says about the devices, as plain types."""
        counters: dict[str, Any] = {name: getattr(self, name) for name in self.COUNTERS}
        return {**counters, DEVICE: traits_of(self.device)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the counters of a checkpoint.

        Raises:
            BadValue: for the state of a tile with other devices: another model, number of states or noise. The
                constants of each device belong to the state, and may differ from those that were drawn here.
        """
        self.touch(None)
        try:
            refuse_other_device(self.device, self.COUNTERS, state)
            for name in self.COUNTERS:
                setattr(self, name, state[name])
        finally:
            self.show()  # weights have been loaded, even if the counters are refused

    def extra_repr(self) -> str:
        """Shape, device and number of states."""
        out, columns = self.shape
        return f"{out} x {columns}, {type(self.device).__name__}, {self.device.state_count:g} states"
