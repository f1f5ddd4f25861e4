"""One crossbar array with its operations: program, update, read, write, carry, reset, decay, drift."""

from __future__ import annotations

import torch
from torch import Tensor

from resbench.crossbar import kernels
from resbench.crossbar.array import DeviceArray
from resbench.crossbar.checks import Axis, check_carry, check_lines, check_range, check_values, fitting
from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.kernels.sifted import Average, Chop, SiftedWrite
from resbench.crossbar.kernels.together import TOGETHER
from resbench.crossbar.pulses import MOST_COUNTED, ONE_PULSE, PulseTrain, stop_counts
from resbench.crossbar.rows import OneHotRows, Rows, circle
from resbench.errors import BadValue

DEFAULT_PULSES = PulseTrain()
#: Pulses of a calibration in one call of a kernel.
AT_ONCE = 1000


class Tile(DeviceArray):
    """An array of ``out x in`` devices, one for each weight.

    Unit cells of several devices have their own classes of tiles. :func:`resbench.crossbar.unit_cells.make_tile` makes
    the right tile for any device. Arguments and attributes are those of :class:`resbench.crossbar.array.DeviceArray`.
    """

    def _fabricate(self) -> None:
        super()._fabricate()
        if isinstance(self.device, PulsedDevice) and self.device.zero_shift:
            self.zero_shift(self.device.zero_shift)

    @property
    def stored(self) -> Tensor:
        """The weight without write noise, for whoever changes it.

        Pulses of other tiles that wait on a GPU may read it, so all that wait are started first.
        """
        if TOGETHER.finish is not None:
            TOGETHER.finish()
        return super().stored

    # -- training ------------------------------------------------------------------------------------------------------

    def program(self, weight: Tensor) -> None:
        """Set the weights ``[out, in]``, clipped to the bounds of each device, with the write noise of the devices."""
        if weight.shape != self.shape:
            raise BadValue("weight", list(weight.shape), f"does not fit a tile {list(self.shape)}; program all of it")
        self.stored.copy_(weight.to(self.weight.dtype))
        self.settle(noisy=self.element.noisy_program)

    def update(
        self,
        x: Tensor | Rows,
        d: Tensor | Rows,
        lr: float,
        pulses: PulseTrain = DEFAULT_PULSES,
        granularity: float | None = None,
    ) -> None:
        """Apply n rank-1 updates in order and in place. The expected change of each is ``-lr d_m x_m^T``.

        Args:
            x: ``[n, in]``; it is cast to the dtype of the weight.
            d: ``[n, out]``, derivative of the loss by the outputs; it is cast too.
            lr: learning rate; a negative one goes up the gradient.
            pulses: pulse train parameters.
            granularity: mean step from which pulse probabilities follow, weight units; by default that of the device.

        Raises:
            BadValue: for rows of another shape or on another device.
        """
        weight = self.memory
        x, d = fitting("x", x, self.shape[1], weight), fitting("d", d, self.shape[0], weight)
        if x.shape[0] != d.shape[0]:
            raise BadValue(
                "x, d", f"they have {x.shape[0]} and {d.shape[0]} rows", "; write one of each for every sample"
            )
        kernels.update(self, x, d, lr, pulses, self.granularity if granularity is None else granularity)
        self.note_pulses(1)

    def read(self, lines: Tensor, axis: Axis = "column") -> Tensor:
        """Read whole columns (or rows) exactly.

        Args:
            lines: int64 ``[n]``, which columns (rows).
            axis: ``column`` or ``row``.

        Returns:
            float32 ``[n, out]`` for columns, ``[n, in]`` for rows.

        Raises:
            BadValue: for lines that the tile does not have.
        """
        check_lines(lines, axis, self.shape)
        self.transfers_out += lines.numel()
        weight = self.weight.t() if axis == "column" else self.weight
        return weight.index_select(0, lines)

    def view_lines(self, first: int, last: int, axis: Axis = "column") -> Tensor:
        """Read neighbouring columns (or rows) exactly, without a copy. The values change when the tile does.

        Args:
            first: first column (row).
            last: the one after the last.
            axis: ``column`` or ``row``.

        Returns:
            The values of :meth:`read`, as a view of the weight.

        Raises:
            BadValue: for lines that the tile does not have.
        """
        check_range(first, last, axis, self.shape)
        if self.finish is not None:
            self.finish()
        return self._lines_from(first, last, axis)

    def _lines_from(self, first: int, last: int, axis: Axis) -> Tensor:
        self.transfers_out += last - first
        return self.memory[:, first:last].t() if axis == "column" else self.memory[first:last]

    def write(
        self, lines: Tensor, values: Tensor, lr: float, pulses: PulseTrain = DEFAULT_PULSES, axis: Axis = "column"
    ) -> None:
        """Add ``lr * values`` to whole columns (or rows), in expectation, by pulses.

        Args:
            lines: int64 ``[n]``, which columns (rows).
            values: ``[n, out]`` for columns, ``[n, in]`` for rows; they are cast to the dtype of the weight.
            lr: factor on the values.
            pulses: pulse train parameters.
            axis: ``column`` or ``row``.

        Raises:
            BadValue: for values of another shape, and for lines that the tile does not have. On a GPU the host does not
                look at lines; Triton's kernels write nothing on those that there are not.
        """
        check_lines(lines, axis, self.shape)
        check_values(values, lines, axis, self.shape)
        if type(self) is Tile and kernels.write(self, lines, values, lr, pulses, axis):
            self.note_pulses(1, lines_written=lines.numel())
            return
        self.known_transfers_in += lines.numel()
        driven = OneHotRows(lines, self.shape[axis == "column"], self.dtype)
        if axis == "column":
            self.update(driven, values, -lr, pulses)
        else:
            self.update(values, driven, -lr, pulses)

    def write_sifted(
        self,
        lines: Tensor,
        buffer: Tensor,
        rule: tuple[float, float, bool, float],
        lr: float,
        pulses: PulseTrain = DEFAULT_PULSES,
        axis: Axis = "column",
        source: Tile | None = None,
        rate: float = 0.0,
        only_busy: bool = False,
        chop: Chop | None = None,
        average: Average | None = None,
    ) -> bool:
        """Read lines of a tile, :func:`~resbench.crossbar.digital.sift`, and :meth:`write`, if a GPU can do all of it.

        The host then does not wait to learn whether there is anything to write.

        Args:
            lines: int64 ``[n]``, which columns (rows).
            buffer: float32 ``[lines of the tile, across]``, changed in place.
            rule: threshold, momentum, whether the buffer forgets, and most pulses, as ``BufferRule`` has them.
            lr: factor on the pulses.
            pulses: pulse train parameters.
            axis: ``column`` or ``row``.
            source: tile that is read; None for none.
            rate: factor on the values that are read.
            only_busy: write only lines that have pulses; otherwise all, if one has any.
            chop: signs of the buffer, which then has a single line to read; None for none.
            average: what makes the buffer an average of what is read; None for none.

        Returns:
            Whether it was done.
        """
        write = SiftedWrite(lines, buffer, rule, source, rate, lr, pulses, axis, only_busy, chop, average)
        if type(self) is not Tile or source is self or not kernels.write_sifted(self, write):
            return False
        if source is not None:
            source.transfers_out += lines.numel()
        if write.is_certain:
            self.note_pulses(1, lines_written=lines.numel())
        else:
            self.show()
        return True

    def carry(
        self,
        target: Tile,
        first: int,
        last: int,
        rate: float,
        pulses: PulseTrain = DEFAULT_PULSES,
        axis: Axis = "column",
    ) -> None:
        """Add ``rate`` times columns (rows) of this tile to those of another one; a :meth:`read` and a :meth:`write`.

        Args:
            target: tile of the same shape.
            first: first column (row).
            last: the one after the last.
            rate: factor on the values that are read; not 0.
            pulses: pulse train parameters.
            axis: ``column`` or ``row``.

        Raises:
            BadValue: for lines that the tile does not have, and for a target of another shape or on another device.
        """
        check_carry(self.shape, target.shape, first, last, axis)
        if type(target) is Tile and kernels.carry(self, target, first, last, rate, pulses, axis):
            self.transfers_out += last - first
            target.note_pulses(1, lines_written=last - first)
        else:
            lines = circle(self.shape[axis == "column"], self.memory.device)[first:last]
            # The values of a view are those that the tile has when the pulses of the target are started.
            values = self.read(lines, axis) if target is self else self._lines_from(first, last, axis)
            target.write(lines, values, rate, pulses, axis)

    def note_pulses(self, calls: int, lines_read: int = 0, lines_written: int = 0) -> None:
        """Count calls of a kernel that pulsed the devices, and the lines that it read and wrote."""
        self.known_updates += calls
        if lines_read:
            self.transfers_out += lines_read
        if lines_written:
            self.known_transfers_in += lines_written
        # A pulse takes a slot, so until then no count can have reached the largest. Kernels on a GPU check this.
        if self.known_slots > MOST_COUNTED:
            stop_counts(self.pulses_up, self.pulses_down)
        self.show()

    # -- what changes devices apart from pulses ------------------------------------------------------------------------

    def end_of_step(self) -> None:
        """Diffusion, then decay, for devices that have them. Called once in each optimiser step."""
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

    def reset(self, crosspoints: Tensor | None = None, probability: float = 1.0) -> None:
        """Reset devices: ``w <- clip(b + reset_std xi)`` with b the reset value of each device.

        Args:
            crosspoints: bool ``[out, in]``, or a shape that broadcasts to it, such as ``[in]`` for columns. All
                crosspoints if left out.
            probability: probability of each of them to be reset.
        """
        target = self.get_buffer("reset_bias") + self.element.reset_std * self._normal("reset")
        hit = torch.ones_like(target, dtype=torch.bool)
        if crosspoints is not None:
            hit = crosspoints.to(target.device).expand(self.shape)
        if probability < 1:
            chance = self.stream.child("reset chance").uniform(self.shape, self.operations, device=target.device)
            hit = hit & (chance < probability)
        self.stored.copy_(torch.where(hit, target, self.stored))
        self.settle()

    def zero_shift(self, pulses: int) -> None:
        """Calibrate the zero of every device: pulse it up and down in turn, then take the weight it has as zero.

        The weight approaches the symmetric point, where both steps agree. With finite steps it ends about half a step
        below it, since the last pulse of an even number goes down, and cycle-to-cycle noise adds a random error.
        ``reference <- reference + w``; bounds and reset value stay where they are physically, and ``w <- 0``. The
        pulses are counted like all others. Source: Kim et al., arXiv:1907.10228.

        Args:
            pulses: number of pulses, up and down together.

        Raises:
            BadValue: for a negative number, and for devices that pulses do not move.
        """
        if pulses < 0:
            raise BadValue("pulses", pulses, "is no number of pulses; write 0 or more")
        if not self.is_pulsed:
            raise BadValue("pulses", pulses, f"do not move a {type(self.device).__name__} without granularity")
        out, columns = self.shape
        signs = torch.ones(pulses, dtype=self.dtype, device=self.weight.device)
        signs[::2] = -1.0  # a negative error raises the weight
        for part in signs.split(AT_ONCE):
            errors = part[:, None].repeat(1, out)
            self.update(part.new_ones(len(part), columns), errors, 2 * self.granularity, ONE_PULSE)
        zero = self.stored.clone()
        constants = self.constants
        self.constant_names = tuple(dict.fromkeys([*self.constant_names, "reference"]))
        self._hold("reference", constants.get("reference", torch.zeros_like(zero)) + zero)
        self._hold("reset_bias", constants["reset_bias"] - zero)
        self.stored.zero_()
        self.settle(noisy=self.element.noisy_program)

    def clip(self, bound: float) -> None:
        """Clip the stored weights to ``[-bound, bound]`` and to the bounds of each device."""
        if not bound >= 0:
            raise BadValue("bound", bound, "is negative; write the largest absolute weight")
        self.stored.clamp_(-bound, bound)
        self.settle()

    @property
    def drifts(self) -> bool:
        """Whether some device of the array has a drift exponent, so that :meth:`pass_time` changes it."""
        return "drift_nu" in self.constant_names

    def pass_time(self, dt: float) -> None:
        """Let the weights drift for a time, for devices with a drift exponent; see :class:`Drift`.

        A weight that changed since the last call counts as programmed now and does not drift in this call. The first
        call takes all weights as programmed at time 0.

        Args:
            dt: time, in the same unit as the device's ``t_0``: seconds on the command line.
        """
        drift = self.element.drift
        if drift is None or not self.drifts:
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
