"""The analog matrix-vector product by the compiled kernel, which reads rows and writes outputs where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar.kernels import product as kernel
from resbench.crossbar.periphery.images import maps_shape
from resbench.crossbar.periphery.noise_management import alpha_of
from resbench.crossbar.rows import MapRows, PatchRows, Rows
from resbench.errors import BadValue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from resbench.crossbar.periphery.product import AnalogProduct

#: Noise management that the kernel does itself. For others, it is given the alpha of each row.
IN_KERNEL = ("none", "constant", "abs_max")


class CompiledProduct:
    """An analog product by the compiled kernel: float32 on the CPU, for parameters with ``IOParameters.is_common``.

    Args:
        product: the product in torch, which has the constants of the outputs.
        is_turned: whether the product is ``W^T d``, so that weights come as ``[inputs, outputs]``.
    """

    def __init__(self, product: AnalogProduct, is_turned: bool) -> None:
        self.product, self.is_turned = product, is_turned
        self.io, (self.outputs, self.inputs) = product.io, product.shape
        self.weight_shape = product.shape[::-1] if is_turned else product.shape
        self.has_spread = product.out_sigma is not None
        self.sigmas = np.full(self.outputs, self.io.out_noise, np.float32)
        self.records: dict[tuple[bool, bool], np.void] = {}
        self.masks = not is_turned and self.io.grad_mask == "saturated" and self.io.out_bound > 0
        self.gives_alphas = self.io.noise_management not in IN_KERNEL

    def multiply(
        self,
        weight: Tensor,
        x: Rows,
        running: Tensor,
        keys: NDArray[np.uint64],
        first_row: int,
        patches: PatchRows | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Product of every row.

        Args:
            weight: ``[outputs, inputs]``, or ``[inputs, outputs]`` if it is turned.
            x: rows ``[n, inputs]``.
            running: running mean of ``average_abs_max``, changed in place.
            keys: keys of the streams of the direction, in the order of ``PURPOSES``.
            first_row: running number of the first row.
            patches: the patches to which the outputs of a backward product belong.

        Returns:
            y ``[n, outputs]``: maps if x are patches, and an image for ``patches``. And a bool of the shape of y, where
            the ADC clipped a value that was kept; None if it clipped none, or if saturated outputs pass gradients.
        """
        if x.shape[1] != self.inputs or weight.shape != self.weight_shape:
            rows, array = list(x.shape), list(weight.shape)
            raise BadValue("x", f"rows {rows}", f"do not fit a weight {array}; write [n, {self.inputs}]")
        shape: tuple[int, ...]
        if isinstance(x, PatchRows):
            source = x.source
            sources = kernel.patches_layout(tuple(source.shape[1:]), x.geometry)
            shape = maps_shape(x, self.outputs)
            targets = kernel.maps_layout(self.outputs, shape[2] * shape[3])
        elif isinstance(x, MapRows) and patches is not None:
            source, shape = x.source, tuple(patches.source.shape)
            sources = kernel.maps_layout(self.inputs, source.shape[2] * source.shape[3])
            targets = kernel.patches_layout(tuple(shape[1:]), patches.geometry)
        else:
            source = x.dense()
            sources, targets = kernel.rows_layout(self.inputs), kernel.rows_layout(self.outputs)
            shape = (source.shape[0], self.outputs)
        adds = patches is not None
        y = np.zeros(shape, np.float32) if adds else np.empty(shape, np.float32)
        mask = np.zeros(shape, np.bool_) if self.masks else None
        any_clipped = kernel.multiply(
            source.detach().numpy().ravel(),
            sources,
            self._weights(weight),
            y,
            targets,
            x.shape[0],
            adds,
            self._converters(managed=True),
            kernel.Noise(keys, first_row, self._sigmas()),
            self._alphas(x, running) if self.gives_alphas else None,
            mask,
        )
        return torch.from_numpy(y), torch.from_numpy(mask) if any_clipped and mask is not None else None

    def read(self, weight: Tensor, lines: Tensor, keys: NDArray[np.uint64], first_row: int) -> Tensor:
        """Read lines ``[k]`` of a weight one at a time, ``[k, outputs]``, without noise and bound management."""
        chosen = np.ascontiguousarray(lines.numpy(), np.int64)
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < self.inputs:
            raise BadValue("lines", chosen.tolist(), f"are not all there; write numbers from 0 to {self.inputs - 1}")
        y = np.empty((chosen.size, self.outputs), np.float32)
        noise = kernel.Noise(keys, first_row, self._sigmas())
        kernel.read(self._weights(weight), chosen, y, self._converters(managed=False), noise)
        return torch.from_numpy(y)

    def reads(self) -> bool:
        """Whether :meth:`read` supports these parameters. If not, each line is a row for the product in torch."""
        io = self.product.effective(managed=False)
        return io.inp_noise == 0 and not io.inp_sto_round

    def _weights(self, weight: Tensor) -> kernel.Weights:
        out_step, in_step = (1, self.outputs) if self.is_turned else (self.inputs, 1)
        return kernel.Weights(weight.detach().numpy().ravel(), out_step, in_step)

    def _converters(self, managed: bool) -> np.void:
        record = self.records.get((managed, self.product.training))
        if record is None:
            io, zeros_are_off = self.product.effective(managed), self.product.zeros_are_off and managed
            record = self.records[managed, self.product.training] = kernel.converters(io, zeros_are_off)
        return record

    def _sigmas(self) -> NDArray[np.float32]:
        spread = self.product.out_sigma if self.has_spread else None
        return self.sigmas if spread is None else spread.numpy()

    def _alphas(self, x: Rows, running: Tensor) -> NDArray[np.float32]:
        io, rows = self.product.effective(managed=True), x.dense()
        with torch.autocast("cpu", enabled=False):
            alphas: NDArray[np.float32] = alpha_of(io.noise_management, rows, io, running).numpy()
        return alphas
