"""The periphery of one crossbar array."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from resbench.crossbar.periphery.draws import Draws
from resbench.crossbar.periphery.parameters import PERFECT, IOParameters
from resbench.crossbar.periphery.passes import Passes, is_repeated
from resbench.crossbar.periphery.product import AnalogProduct
from resbench.crossbar.processes import share
from resbench.crossbar.randomness import Stream

DIRECTIONS = ("forward", "backward", "evaluation", "read")


class Periphery(nn.Module):
    """Converters and noise around the matrix-vector products of one array, forward, backward and for transfer reads.

    The array itself is an argument, so the same periphery serves whatever weight the array holds at the time. A row
    gets its random numbers by its running number, so the result does not depend on how rows are batched; evaluation
    has its own numbers, so validation does not change training.

    Args:
        shape: ``(out, in)`` of the array.
        forward_io: parameters of ``y = W x``; of :meth:`read_columns` too.
        backward_io: parameters of ``W^T d``; bound management is off in this direction.
        stream: random stream of the array's periphery.

    Attributes:
        running: float64 ``[1]``, running mean of the largest input, for noise management ``average_abs_max``.
        rows: rows seen so far in each direction, the counters of the random draws.
        passes: forward passes of each direction that backward may compute again.
    """

    running: Tensor

    def __init__(
        self,
        shape: tuple[int, int],
        forward_io: IOParameters = PERFECT,
        backward_io: IOParameters = PERFECT,
        stream: Stream | None = None,
    ) -> None:
        super().__init__()
        stream = Stream.from_seed(0) if stream is None else stream
        self.noise = {direction: stream.child(direction, "noise") for direction in DIRECTIONS}
        self.rows = dict.fromkeys(DIRECTIONS, 0)
        self.passes = {direction: Passes() for direction in ("forward", "evaluation")}
        backward_io = dataclasses.replace(backward_io, bound_management="none")
        self.forward_product = AnalogProduct(forward_io, shape, stream.child("forward"))
        self.backward_product = AnalogProduct(backward_io, (shape[1], shape[0]), stream.child("backward"))
        self.register_buffer("running", torch.zeros(1, dtype=torch.float64))

    def forward(self, weight: Tensor, x: Tensor) -> Tensor:
        """``y = W x`` of every row.

        Args:
            weight: ``[out, in]``, what the array holds.
            x: rows ``[n, in]``.

        Returns:
            ``[n, out]`` in the dtype of ``x``; anything below float32 is computed in float32.
        """
        return self.multiply(weight, x)[0]

    def multiply(self, weight: Tensor, x: Tensor, may_repeat: bool = False) -> tuple[Tensor, Tensor | None]:
        """As :meth:`forward`, and bool ``[n, out]`` where no gradient passes (``grad_mask``), None for nowhere.

        Args:
            weight: ``[out, in]``.
            x: rows ``[n, in]``.
            may_repeat: whether backward may compute this pass again, which then sees the same noise.

        Raises:
            RuntimeError: inside backward, for a pass that repeats none.
        """
        io = self.forward_product.io
        direction = "forward" if self.training else "evaluation"
        y, clipped = self._run(self.forward_product, weight, x, direction, may_repeat=may_repeat)
        if io.grad_mask == "peer" and io.out_bound > 0:
            return y, y.abs() >= 0.999 * io.out_scale * io.out_bound
        return y, clipped if io.grad_mask == "saturated" else None

    def backward(self, weight: Tensor, d: Tensor) -> Tensor:
        """``W^T d`` of every row; a row of zeros gives zeros whatever the noise.

        Args:
            weight: ``[out, in]``.
            d: rows ``[n, out]``, derivative of the loss by the outputs.

        Returns:
            ``[n, in]`` in the dtype of ``d``.
        """
        y, _ = self._run(self.backward_product, weight.T, d, "backward")
        if self.backward_product.io.is_exact:
            return y
        return torch.where(d.any(dim=1, keepdim=True), y, 0.0)

    def read_columns(self, weight: Tensor, columns: Tensor) -> Tensor:
        """Read columns by driving one input line at a time, without noise and bound management: the read of a transfer.

        Args:
            weight: ``[out, in]``.
            columns: int64 ``[k]``.

        Returns:
            ``[k, out]``, the values of ``weight[:, columns].T`` as the converters see them.
        """
        return self._read(self.forward_product, weight, columns)

    def read_rows(self, weight: Tensor, rows: Tensor) -> Tensor:
        """Read rows ``[k, in]`` through the backward direction, otherwise as :meth:`read_columns`."""
        return self._read(self.backward_product, weight.T, rows)

    def _read(self, product: AnalogProduct, weight: Tensor, lines: Tensor) -> Tensor:
        if product.io.is_exact:
            return weight[:, lines].T * product.io.out_scale
        one_hot = nn.functional.one_hot(lines, weight.shape[1]).to(weight.dtype)
        return self._run(product, weight, one_hot, "read", managed=False)[0]

    def _run(
        self,
        product: AnalogProduct,
        weight: Tensor,
        x: Tensor,
        direction: str,
        managed: bool = True,
        may_repeat: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        if product.io.is_exact:
            return product.exact(weight.to(x.dtype), x), None
        # Processes that share a mini-batch number their rows as one process would that has them all.
        part, parts = share() if direction in ("forward", "backward") else (0, 1)
        first_row, running = self.rows[direction] + part * len(x), self.running
        passes = self.passes.get(direction) if product.io.varies[self.training] else None
        if passes is not None and is_repeated():
            _, _, first_row, running = passes.find(x)
            running = running.clone()
        else:
            self.rows[direction] += parts * len(x)
            if passes is not None and may_repeat:
                passes.remember(x, first_row, running)
        rows = torch.arange(len(x), device=x.device) + first_row
        wide = x if x.dtype == torch.float64 else x.to(torch.float32)
        with torch.autocast(x.device.type, enabled=False):  # a converter's grid needs single precision
            y, clipped = product(weight.to(wide.dtype), wide, running, Draws(self.noise[direction], rows), managed)
        return y.to(x.dtype), clipped

    def get_extra_state(self) -> dict[str, int]:
        """Row counters for the checkpoint."""
        return dict(self.rows)

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Take the row counters of a checkpoint."""
        self.rows = dict(state)

    def extra_repr(self) -> str:
        """Converters of both directions at a glance."""
        return f"forward: {self.forward_product.io}; backward: {self.backward_product.io}"
