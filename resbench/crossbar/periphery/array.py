"""The periphery of one crossbar array."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from resbench.crossbar.kernels import has_numba_kernels
from resbench.crossbar.periphery.draws import PURPOSES, Draws
from resbench.crossbar.periphery.images import to_image, to_maps
from resbench.crossbar.periphery.parameters import PERFECT, IOParameters
from resbench.crossbar.periphery.passes import Passes, is_repeated
from resbench.crossbar.periphery.product import AnalogProduct
from resbench.crossbar.processes import share
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import PatchRows, Rows, rows_of

if TYPE_CHECKING:
    from resbench.crossbar.periphery.compiled import CompiledProduct

DIRECTIONS = ("forward", "backward", "evaluation", "read")


class Periphery(nn.Module):
    """Converters and noise around the matrix-vector products of one array, forward, backward and for transfer reads.

    The weight is an argument, because it changes during training. The random numbers of a row depend only on its
    running number, so batching has no effect. Evaluation counts its own rows, so validation does not change the
    training.

    Args:
        shape: ``(out, in)`` of the array.
        forward_io: parameters of ``y = W x`` and of :meth:`read_columns`.
        backward_io: parameters of ``W^T d``; bound management is off in this direction.
        stream: random stream of the array's periphery.

    Attributes:
        running: float64 ``[1]``, running mean of the largest input, for noise management ``average_abs_max``.
        rows: how many rows each direction has seen; the number of the next row.
        passes: forward passes, in training and in evaluation, that backward may compute again.
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
        self._keys = {
            direction: np.array([noise.child(purpose).key for purpose in PURPOSES], np.uint64)
            for direction, noise in self.noise.items()
        }
        self.rows = dict.fromkeys(DIRECTIONS, 0)
        self.passes = {direction: Passes() for direction in ("forward", "evaluation")}
        backward_io = dataclasses.replace(backward_io, bound_management="none")
        self.forward_product = AnalogProduct(forward_io, shape, stream.child("forward"))
        turned = (shape[1], shape[0])
        self.backward_product = AnalogProduct(backward_io, turned, stream.child("backward"), zeros_are_off=True)
        self.register_buffer("running", torch.zeros(1, dtype=torch.float64))
        self._forward, self._backward = _Way(self.forward_product, False), _Way(self.backward_product, True)

    def forward(self, weight: Tensor, x: Tensor) -> Tensor:
        """``y = W x`` of every row.

        Args:
            weight: ``[out, in]``, what the array holds.
            x: rows ``[n, in]``.

        Returns:
            ``[n, out]`` in the dtype of ``x``; anything below float32 is computed in float32.
        """
        return self.multiply(weight, x)[0]

    def multiply(self, weight: Tensor, x: Tensor | Rows, may_repeat: bool = False) -> tuple[Tensor, Tensor | None]:
        """:meth:`forward`, and a bool of the shape of y where no gradient passes (``grad_mask``); None for nowhere.

        Args:
            weight: ``[out, in]``.
            x: rows ``[n, in]``; of patches, y are maps ``[images, out, height, width]``.
            may_repeat: whether backward may compute this pass again; it then gets the same noise.

        Raises:
            RuntimeError: inside backward, for a pass that does not repeat an earlier one.
        """
        direction = "forward" if self.training else "evaluation"
        y, clipped = self._run(self._forward, weight, rows_of(x), direction, may_repeat=may_repeat)
        io = self._forward.product.io
        if io.grad_mask == "peer" and io.out_bound > 0:
            return y, y.abs() >= 0.999 * io.out_scale * io.out_bound
        return y, clipped if io.grad_mask == "saturated" else None

    def backward(self, weight: Tensor, d: Tensor | Rows, patches: PatchRows | None = None) -> Tensor:
        """``W^T d`` of every row. A row of zeros gives zeros, whatever the noise.

        Args:
            weight: ``[out, in]``.
            d: rows ``[n, out]``, derivative of the loss by the outputs.
            patches: the inputs of the forward product, if these were patches.

        Returns:
            ``[n, in]`` in the dtype of ``d``. For patches, the derivative by their image, summed where they overlap.
        """
        return self._run(self._backward, weight, rows_of(d), "backward", patches)[0]

    def read_columns(self, weight: Tensor, columns: Tensor) -> Tensor:
        """Read columns by driving one input line at a time, without noise and bound management: the read of a transfer.

        Args:
            weight: ``[out, in]``.
            columns: int64 ``[k]``.

        Returns:
            ``[k, out]``, the values of ``weight[:, columns].T`` after the converters.
        """
        return self._read(self._forward, weight, columns)

    def read_rows(self, weight: Tensor, rows: Tensor) -> Tensor:
        """Read rows ``[k, in]`` through the backward direction, otherwise as :meth:`read_columns`."""
        return self._read(self._backward, weight, rows)

    def _read(self, way: _Way, weight: Tensor, lines: Tensor) -> Tensor:
        product, kernel = way.product, way.kernel
        if product.io.is_exact:
            return way.matrix(weight)[:, lines].T * product.io.out_scale
        first_row = self.rows["read"]
        self.rows["read"] += len(lines)
        if kernel is not None and kernel.reads() and has_numba_kernels(weight):
            return kernel.read(weight, lines, self._keys["read"], first_row)
        one_hot = nn.functional.one_hot(lines, product.shape[1]).to(weight.dtype)
        draws = Draws(self.noise["read"], torch.arange(len(lines), device=lines.device) + first_row)
        values: Tensor = product(way.matrix(weight), one_hot, self.running, draws, managed=False)[0]
        return values

    def _run(
        self,
        way: _Way,
        weight: Tensor,
        x: Rows,
        direction: str,
        patches: PatchRows | None = None,
        may_repeat: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        product, kernel, dtype = way.product, way.kernel, x.dtype
        if product.io.is_exact:
            return _placed(product.exact(way.matrix(weight).to(dtype), x.dense()), x, patches), None
        first_row, running = self._number(product.io, x, direction, may_repeat)
        if dtype is not torch.float32:
            if dtype is not torch.float64:
                x = x.cast(torch.float32)
            weight = weight.to(x.dtype)
        if kernel is not None and has_numba_kernels(weight):
            y, clipped = kernel.multiply(weight, x, running, self._keys[direction], first_row, patches)
            return y if dtype is torch.float32 else y.to(dtype), clipped
        rows = x.dense()
        draws = Draws(self.noise[direction], torch.arange(len(rows), device=rows.device) + first_row)
        with torch.autocast(x.device.type, enabled=False):  # a converter's grid needs single precision
            y, clipped = product(way.matrix(weight), rows, running, draws)
        if clipped is not None:
            clipped = _placed(clipped, x, patches)
        return _placed(y, x, patches).to(dtype), clipped

    def _number(self, io: IOParameters, x: Rows, direction: str, may_repeat: bool) -> tuple[int, Tensor]:
        """The number of the first row, and the running mean, which these rows change."""
        rows = x.shape[0]
        # Processes that share a mini-batch number their rows as a single process would.
        part, parts = share() if direction in ("forward", "backward") else (0, 1)
        first_row, running = self.rows[direction] + part * rows, self.running
        passes = self.passes.get(direction) if io.varies[self.training] else None
        if passes is not None and is_repeated():
            _, _, first_row, running = passes.find(x.source.flatten(1))
            return first_row, running.clone()
        self.rows[direction] += parts * rows
        if passes is not None and may_repeat:
            passes.remember(x.source.flatten(1), first_row, running)
        return first_row, running

    def get_extra_state(self) -> dict[str, int]:
        """The row counters, for the checkpoint."""
        return dict(self.rows)

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Take the row counters of a checkpoint."""
        self.rows = dict(state)

    def extra_repr(self) -> str:
        """The converters of both directions."""
        return f"forward: {self.forward_product.io}; backward: {self.backward_product.io}"


class _Way:
    """One direction of an array: its product in torch, and by the compiled kernel if that has all effects.

    It is not a module, because torch looks modules up last, which takes a microsecond.
    """

    def __init__(self, product: AnalogProduct, is_turned: bool) -> None:
        self.product, self.is_turned = product, is_turned
        self.kernel: CompiledProduct | None = None
        if product.io.is_common and not product.io.is_exact:
            from resbench.crossbar.periphery.compiled import CompiledProduct  # here, because Numba takes time to load

            self.kernel = CompiledProduct(product, is_turned)

    def matrix(self, weight: Tensor) -> Tensor:
        """The matrix that multiplies rows: the weight ``[out, in]``, or its transpose."""
        return weight.T if self.is_turned else weight


def _placed(rows: Tensor, x: Rows, patches: PatchRows | None) -> Tensor:
    """The result in the form for the caller: an image for ``patches``, maps if x are patches, else rows."""
    if patches is not None:
        return to_image(rows, patches)
    return to_maps(rows, x) if isinstance(x, PatchRows) else rows
