"""One crossbar array: its devices, its weights, and the three things one can do with it: update, read, write."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from resbench.crossbar import kernels
from resbench.crossbar.devices import Device
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream

DEFAULT_PULSES = PulseTrain()
Axis = Literal["column", "row"]


class Tile(nn.Module):
    """An array of ``out x in`` devices, one for each weight.

    Everything that changes is a buffer or a plain counter, so a checkpoint of plain tensors holds the whole state;
    every random draw is a function of the stream and of :attr:`updates`.

    Args:
        device: mean parameters of the devices.
        shape: ``(out, in)``.
        stream: random stream of this array; arrays with different streams are independent.

    Attributes:
        weight: float32 ``[out, in]``, what a read of the array sees.
        pulses_up: int32 ``[out, in]``, pulses that each device has received upward.
        pulses_down: the same downward.
        updates: calls of :meth:`update` and :meth:`write` so far, the counter of the random draws.
        transfers_in: lines written by :meth:`write` so far.
        transfers_out: lines read by :meth:`read` so far.
    """

    weight: Tensor
    _stored: Tensor | None
    pulses_up: Tensor
    pulses_down: Tensor

    def __init__(self, device: Device, shape: tuple[int, int], stream: Stream) -> None:
        super().__init__()
        self.device = device
        self.shape = shape
        self.stream = stream
        self.updates = 0
        self.transfers_in = 0
        self.transfers_out = 0
        self.register_buffer("weight", torch.zeros(shape))
        # Without write noise the stored weight is the visible one: no second buffer that could come apart from it.
        self.register_buffer("_stored", torch.zeros(shape) if device.write_noise > 0 else None)
        self.register_buffer("pulses_up", torch.zeros(shape, dtype=torch.int32))
        self.register_buffer("pulses_down", torch.zeros(shape, dtype=torch.int32))
        constants = device.fabricate(shape, stream.child("fabrication"))
        self.constant_names = tuple(constants)
        for name, values in constants.items():
            self.register_buffer(name, values)

    @property
    def stored(self) -> Tensor:
        """The weight without write noise, on which pulses act; ``weight`` itself for devices without write noise."""
        return self.weight if self._stored is None else self._stored

    @property
    def constants(self) -> dict[str, Tensor]:
        """Per-device constants by name, float32 ``[out, in]`` each."""
        return {name: getattr(self, name) for name in self.constant_names}

    def program(self, weight: Tensor) -> None:
        """Set the weights, clipped to the bounds of each device; write noise, where there is any, is drawn anew."""
        self.stored.copy_(weight.to(self.weight.dtype))
        self._settle("program", redraw=getattr(self.device, "apply_write_noise_on_set", True))

    def update(
        self, x: Tensor, d: Tensor, lr: float, pulses: PulseTrain = DEFAULT_PULSES, granularity: float | None = None
    ) -> None:
        """Apply n rank-1 updates in order and in place, expected change ``-lr d_m x_m^T`` each.

        Args:
            x: float32 ``[n, in]``.
            d: float32 ``[n, out]``, derivative of the loss by the outputs.
            lr: learning rate; a negative one climbs.
            pulses: pulse train parameters.
            granularity: mean step that sets the pulse probabilities, weight units; the device's own unless an
                algorithm knows better.
        """
        kernels.update(self, x, d, lr, pulses, self.device.granularity if granularity is None else granularity)
        self.updates += 1

    def read(self, lines: Tensor, axis: Axis = "column") -> Tensor:
        """Read whole columns (or rows) exactly.

        Args:
            lines: int64 ``[n]``, which columns (rows).
            axis: ``column`` or ``row``.

        Returns:
            float32 ``[n, out]`` for columns, ``[n, in]`` for rows.
        """
        self.transfers_out += lines.numel()
        return self.weight[:, lines].T.contiguous() if axis == "column" else self.weight[lines]

    def write(
        self, lines: Tensor, values: Tensor, lr: float, pulses: PulseTrain = DEFAULT_PULSES, axis: Axis = "column"
    ) -> None:
        """Add ``lr * values`` to whole columns (or rows), in expectation, by pulses.

        Args:
            lines: int64 ``[n]``, which columns (rows).
            values: float32 ``[n, out]`` for columns, ``[n, in]`` for rows.
            lr: factor on the values.
            pulses: pulse train parameters.
            axis: ``column`` or ``row``.
        """
        self.transfers_in += lines.numel()
        one_hot = torch.nn.functional.one_hot(lines, self.shape[1 if axis == "column" else 0]).to(values.dtype)
        x, d = (one_hot, -values) if axis == "column" else (-values, one_hot)
        self.update(x, d, lr, pulses)

    def end_of_step(self) -> None:
        """Diffusion, then decay toward the reset bias, once for each optimiser step, for devices that have them."""
        if self.device.diffusion == 0 and self.device.lifetime == 0:
            return
        if self.device.diffusion > 0:
            noise = self.stream.child("diffusion").normal(self.shape, self.updates).to(self.weight.device)
            self.stored.add_(self.get_buffer("diffusion") * noise)
        if self.device.lifetime > 0:
            bias = self.get_buffer("reset_bias")
            self.stored.copy_((self.stored - bias) * self.get_buffer("decay") + bias)
        self._settle("end of step", redraw=True)
        self.updates += 1

    def _settle(self, purpose: str, redraw: bool) -> None:
        """Clip the stored weight to the bounds and derive the visible one."""
        torch.clamp(self.stored, self.get_buffer("w_min"), self.get_buffer("w_max"), out=self.stored)
        if self.device.write_noise > 0:
            noise = self.stream.child(purpose).normal(self.shape, self.updates).to(self.weight.device)
            self.weight.copy_(self.stored + self.device.write_noise * noise if redraw else self.stored)

    def get_extra_state(self) -> dict[str, int]:
        """Plain counters for the checkpoint."""
        return {"updates": self.updates, "transfers_in": self.transfers_in, "transfers_out": self.transfers_out}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Take the counters of a checkpoint."""
        self.updates = state["updates"]
        self.transfers_in = state["transfers_in"]
        self.transfers_out = state["transfers_out"]

    def extra_repr(self) -> str:
        """The array at a glance: shape, device, states."""
        out, columns = self.shape
        return f"{out} x {columns}, {type(self.device).__name__}, {self.device.state_count:g} states"
