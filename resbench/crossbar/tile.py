"""One crossbar array: its devices, its weights, and what one can do with it: update, read, write, reset, wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from resbench.crossbar import kernels
from resbench.crossbar.changes import Changes
from resbench.crossbar.checks import Axis, check_carry, check_lines, check_precision, check_values, fitting
from resbench.crossbar.devices import Device, Element, Ideal
from resbench.crossbar.pulses import MOST_COUNTED, PulseTrain, stop_counts
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import OneHotRows, Rows

DEFAULT_PULSES = PulseTrain()


class Tile(nn.Module):
    """An array of ``out x in`` devices, one for each weight.

    Everything that changes is a buffer or a plain counter, so a checkpoint of plain tensors holds the whole state;
    every random draw is a function of the stream and of these counters. Unit cells of several devices have their own
    tiles: make one with :func:`resbench.crossbar.unit_cells.make_tile`, which takes any device.

    Args:
        device: mean parameters of the devices.
        shape: ``(out, in)``.
        stream: random stream of this array; arrays with different streams are independent.

    Attributes:
        granularity: mean step of the devices, weight units; 0 where :attr:`is_continuous`.
        is_pulsed: whether pulses move the weights; else updates are computed.
        weight: float32 ``[out, in]``, what a read of the array sees.
        pulses_up: int32 ``[out, in]``, pulses that each device has received upward; 2^31 - 1 for any more than that.
        pulses_down: the same downward.
        updates: calls of :meth:`update` and :meth:`write` so far, the counter of their random draws.
        operations: calls of everything else that sets weights so far, the counter of their random draws.
        transfers_in: lines written by :meth:`write` so far.
        transfers_out: lines read by :meth:`read` so far.
        slots: slots of all pulse trains so far, each vector's bit length; updates without trains have none.
        is_restless: whether :meth:`end_of_step` does something.
        clock: time that has passed in :meth:`pass_time`, in units of the device's ``t_0``.
        memory: what a compiled backend keeps of the buffers; None again once they are others.
        changes: where cells that change are noted; None if nobody wants to know.
    """

    COUNTERS: ClassVar[tuple[str, ...]] = ("updates", "operations", "transfers_in", "transfers_out", "slots", "clock")

    weight: Tensor
    _stored: Tensor | None
    pulses_up: Tensor
    pulses_down: Tensor
    is_restless: bool

    def __init__(self, device: Device, shape: tuple[int, int], stream: Stream) -> None:
        super().__init__()
        self.device = device
        self.granularity = device.granularity
        self.is_continuous = device.is_continuous
        self.is_pulsed = not (device.is_continuous or isinstance(device, Ideal))
        self.shape = shape
        self.stream = stream
        self.updates = 0
        self.operations = 0
        self.transfers_in = 0
        self.transfers_out = 0
        self.slots = 0
        self.clock = 0.0
        self.changes: Changes | None = None
        self.memory: Any = None
        self.constant_names: tuple[str, ...] = ()
        check_precision(torch.get_default_dtype())
        self.register_buffer("weight", torch.zeros(shape))
        self.register_buffer("pulses_up", torch.zeros(shape, dtype=torch.int32))
        self.register_buffer("pulses_down", torch.zeros(shape, dtype=torch.int32))
        self._fabricate()

    def _fabricate(self) -> None:
        element = self.element
        self.is_restless = element.diffusion > 0 or element.lifetime > 0
        # Without write noise the stored weight is the visible one: no second buffer that could come apart from it.
        self.register_buffer("_stored", torch.zeros(self.shape) if element.write_noise > 0 else None)
        constants = element.fabricate(self.shape, self.stream.child("fabrication"))
        self.constant_names = tuple(constants)
        for name, values in constants.items():
            is_half = element.half_constants and name not in element.retained
            self._register_constant(name, values.half() if is_half else values)
        if "drift_nu" in constants:
            self.register_buffer("drift_start", torch.zeros(self.shape))
            self.register_buffer("drift_since", torch.zeros(self.shape))
            self.register_buffer("drift_seen", torch.full(self.shape, torch.nan))

    def _register_constant(self, name: str, values: Tensor) -> None:
        """Hold a constant of every device; one that all devices share is held once, ``[1, 1]``."""
        shared = values[:1, :1]
        self.register_buffer(name, shared.clone() if bool((values == shared).all()) else values)

    def __setattr__(self, name: str, value: Any) -> None:
        # Counters change many times a step, and torch's bookkeeping of parameters and modules takes microseconds.
        if isinstance(value, (int, float, list)):
            object.__setattr__(self, name, value)
            return
        super().__setattr__(name, value)
        if isinstance(value, Tensor):
            self.memory = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        check_precision(fn(self.weight.new_zeros(())).dtype)
        self.memory = None
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        """Of the weight."""
        return cast(Tensor, self._buffers["weight"]).dtype  # as an attribute torch would find it last

    @property
    def element(self) -> Element:
        """The device, for arrays of single elements."""
        if not isinstance(self.device, Element):
            raise ValueError(f"device: {type(self.device).__name__} holds several elements; make its tile by make_tile")
        return self.device

    @property
    def stored(self) -> Tensor:
        """The weight without write noise, on which pulses act; ``weight`` itself for devices without write noise."""
        return self.weight if self._stored is None else self._stored

    @property
    def constants(self) -> dict[str, Tensor]:
        """Constants of the devices by name, ``w_max`` and ``w_min`` always among them.

        float32 ``[out, in]``, or ``[1, 1]`` where all devices have the same.
        """
        return {name: self.constant(name) for name in self.constant_names}

    def constant(self, name: str) -> Tensor:
        """One of :attr:`constants`."""
        return self.get_buffer(name).float()

    @property
    def held_constants(self) -> dict[str, Tensor]:
        """:attr:`constants` as they are held: float16 those that the device wants in half precision."""
        return {name: self.get_buffer(name) for name in self.constant_names}

    def route(self, up: Tensor, sample: Tensor) -> list[tuple[Tile, Tensor, Tensor]]:
        """Which arrays of devices get the pulses of a coincidence.

        Args:
            up: bool, direction in which the weight shall move.
            sample: int64 of a shape that broadcasts with ``up``, index of the sample in the mini-batch.

        Returns:
            (array, chosen, up) for each array: where it gets a pulse, and in which direction; both of the shape of
            ``up``. An array of single devices gets all of them itself.
        """
        return [(self, torch.ones_like(up), up)]

    # -- training ------------------------------------------------------------------------------------------------------

    def program(self, weight: Tensor) -> None:
        """Set the weights ``[out, in]``, clipped to the bounds of each device, with write noise where there is any."""
        if weight.shape != self.shape:
            raise ValueError(f"weight: {list(weight.shape)} does not fit a tile {list(self.shape)}")
        self.stored.copy_(weight.to(self.weight.dtype))
        self.settle(noisy=self.element.noisy_program)

    def update(
        self,
        x: Rows,
        d: Rows,
        lr: float,
        pulses: PulseTrain = DEFAULT_PULSES,
        granularity: float | None = None,
    ) -> None:
        """Apply n rank-1 updates in order and in place, expected change ``-lr d_m x_m^T`` each.

        Args:
            x: ``[n, in]``, of another dtype than the weight's it is cast.
            d: ``[n, out]``, derivative of the loss by the outputs; likewise.
            lr: learning rate; a negative one climbs.
            pulses: pulse train parameters.
            granularity: mean step that sets the pulse probabilities, weight units; the device's own unless an
                algorithm knows better.

        Raises:
            ValueError: for rows of another shape or on another device.
        """
        weight = cast(Tensor, self._buffers["weight"])  # as an attribute torch would find it last
        x, d = fitting("x", x, self.shape[1], weight), fitting("d", d, self.shape[0], weight)
        if x.shape[0] != d.shape[0]:
            raise ValueError(f"x, d: they have {x.shape[0]} and {d.shape[0]} rows; write one of each for every sample")
        kernels.update(self, x, d, lr, pulses, self.granularity if granularity is None else granularity)
        self.updates += 1
        if self.slots > MOST_COUNTED:  # a pulse takes a slot, so before that no count can be at its end
            stop_counts(self.pulses_up, self.pulses_down)
        self.show()

    def read(self, lines: Tensor, axis: Axis = "column") -> Tensor:
        """Read whole columns (or rows) exactly.

        Args:
            lines: int64 ``[n]``, which columns (rows).
            axis: ``column`` or ``row``.

        Returns:
            float32 ``[n, out]`` for columns, ``[n, in]`` for rows.

        Raises:
            ValueError: for lines that the tile does not have.
        """
        check_lines(lines, axis, self.shape)
        self.transfers_out += lines.numel()
        weight = self.weight.t() if axis == "column" else self.weight
        return weight.index_select(0, lines)

    def write(
        self, lines: Tensor, values: Tensor, lr: float, pulses: PulseTrain = DEFAULT_PULSES, axis: Axis = "column"
    ) -> None:
        """Add ``lr * values`` to whole columns (or rows), in expectation, by pulses.

        Args:
            lines: int64 ``[n]``, which columns (rows).
            values: ``[n, out]`` for columns, ``[n, in]`` for rows; of another dtype than the weight's they are cast.
            lr: factor on the values.
            pulses: pulse train parameters.
            axis: ``column`` or ``row``.

        Raises:
            ValueError: for lines that the tile does not have, and for values of another shape.
        """
        check_lines(lines, axis, self.shape)
        check_values(values, lines, axis, self.shape)
        self.transfers_in += lines.numel()
        if axis == "column":
            self.update(OneHotRows(lines, self.shape[1]), values, -lr, pulses)
        else:
            self.update(values, OneHotRows(lines, self.shape[0]), -lr, pulses)

    def carry(
        self,
        target: Tile,
        first: int,
        last: int,
        rate: float,
        pulses: PulseTrain = DEFAULT_PULSES,
        axis: Axis = "column",
    ) -> None:
        """Add ``rate`` times columns (rows) of this tile to those of another, as :meth:`read` and :meth:`write` do.

        Args:
            target: tile of the same shape.
            first: first column (row).
            last: the one after the last.
            rate: factor on what is read; not 0.
            pulses: pulse train parameters.
            axis: ``column`` or ``row``.

        Raises:
            ValueError: for lines that the tile does not have, and for a target of another shape or on another device.
        """
        check_carry(self.shape, target.shape, first, last, axis)
        if type(target) is Tile and kernels.carry(self, target, first, last, rate, pulses, axis):
            self.transfers_out += last - first
            target.transfers_in += last - first
            target.updates += 1
            if target.slots > MOST_COUNTED:
                stop_counts(target.pulses_up, target.pulses_down)
            target.show()
        else:
            lines = torch.arange(first, last, device=self.weight.device)
            target.write(lines, self.read(lines, axis), rate, pulses, axis)

    # -- what happens to devices beside pulses -------------------------------------------------------------------------

    def end_of_step(self) -> None:
        """Diffusion, then decay, once for each optimiser step, for devices that have them."""
        if self.element.diffusion > 0:
            self.diffuse()
        if self.element.lifetime > 0:
            self.decay()

    def diffuse(self) -> None:
        """Random walk of the stored weights: ``w <- clip(w + rate xi)``."""
        if self.element.diffusion > 0:
            self.stored.add_(self.get_buffer("diffusion") * self._normal("diffusion"))
        self.settle()

    def decay(self, strength: float = 1.0) -> None:
        """Decay toward the reset value b: ``w <- clip((w - b)(1 - strength / lifetime) + b)``."""
        if self.element.lifetime > 0:
            bias, keep = self.get_buffer("reset_bias"), 1 + strength * (self.get_buffer("decay_factor") - 1)
            self.stored.copy_((self.stored - bias) * keep + bias)
        self.settle()

    def reset(self, cells: Tensor | None = None, probability: float = 1.0) -> None:
        """Reset devices: ``w <- clip(b + reset_std xi)`` with b the reset value of each device.

        Args:
            cells: bool, ``[out, in]`` or broadcastable to it such as ``[in]`` for columns; all if left out.
            probability: chance of each of them to be reset.
        """
        target = self.get_buffer("reset_bias") + self.element.reset_std * self._normal("reset")
        hit = torch.ones_like(target, dtype=torch.bool) if cells is None else cells.to(target.device).expand(self.shape)
        if probability < 1:
            chance = self.stream.child("reset chance").uniform(self.shape, self.operations, device=target.device)
            hit = hit & (chance < probability)
        self.stored.copy_(torch.where(hit, target, self.stored))
        self.settle()

    def clip(self, bound: float) -> None:
        """Clip the stored weights to ``[-bound, bound]`` and to the bounds of each device."""
        if not bound >= 0:
            raise ValueError(f"bound: {bound} is negative; write the largest absolute weight")
        self.stored.clamp_(-bound, bound)
        self.settle()

    def pass_time(self, dt: float) -> None:
        """Let the weights drift for a time, for devices with a drift exponent; see :class:`Drift`.

        A weight that was changed since the last call counts as programmed now and does not drift in this call; the
        very first call takes all weights as programmed at time 0.

        Args:
            dt: time, in the same unit as the device's ``t_0``.
        """
        drift = self.element.drift
        if drift is None or "drift_nu" not in self.constant_names:
            return
        self.clock += dt / drift.t_0
        start, since, seen = (self.get_buffer(f"drift_{name}") for name in ("start", "since", "seen"))
        first = seen.isnan()
        moved = (self.stored - seen).abs() > drift.reset_tol
        start.copy_(torch.where(first | moved, self.stored, start))
        since.copy_(torch.where(moved, self.clock, since))
        age = (self.clock - since).clamp(min=1.0)
        noise = (
            (self._normal("drift"), self._normal("drift weight")) if drift.is_noisy else (torch.zeros_like(age),) * 2
        )
        drifted = drift.drifted(self.stored, start, age, self.get_buffer("drift_nu"), *noise)
        self.stored.copy_(torch.where(moved, self.stored, drifted))
        self.settle()
        seen.copy_(self.stored)

    def settle(self, noisy: bool = True) -> None:
        """Clip the stored weights to the bounds and derive the visible ones, with fresh write noise if ``noisy``."""
        self.touch(None)
        torch.clamp(self.stored, self.constant("w_min"), self.constant("w_max"), out=self.stored)
        if self.element.write_noise > 0:
            noise = self.element.write_noise * self._normal("write noise") if noisy else 0.0
            self.weight.copy_(self.stored + noise)
        self.operations += 1
        self.show()

    def _normal(self, purpose: str) -> Tensor:
        return self.stream.child(purpose).normal(self.shape, self.operations, device=self.weight.device)

    # -- what changed ------------------------------------------------------------------------------------------------

    @property
    def is_followed(self) -> bool:
        """Whether somebody collects the cells that change, and no call of :meth:`touch` has made that pointless."""
        return self.changes is not None and self.changes.cells is not None

    def touch(self, cells: Any | None) -> None:
        """Note which cells (an array of flat indices) changed; None for any of them."""
        if self.changes is None:
            return
        if cells is None:
            self.changes.cells = None
        elif self.changes.cells is not None:
            self.changes.cells.append(cells)

    def show(self) -> None:
        """Have the composite weight follow a change."""
        if self.changes is not None:
            self.changes.show()

    # -- checkpoint ----------------------------------------------------------------------------------------------------

    def get_extra_state(self) -> dict[str, Any]:
        """Plain counters for the checkpoint."""
        return {name: getattr(self, name) for name in self.COUNTERS}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the counters of a checkpoint."""
        self.touch(None)
        for name in self.COUNTERS:
            setattr(self, name, state[name])
        self.show()

    def extra_repr(self) -> str:
        """The array at a glance: shape, device, states."""
        out, columns = self.shape
        return f"{out} x {columns}, {type(self.device).__name__}, {self.device.state_count:g} states"
