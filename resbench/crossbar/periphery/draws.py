"""Noise of the rows of a matrix-vector product, as a function of stream, row number, attempt and element."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from resbench.crossbar.functions import cos_of_turns, log, sin_of_turns, sqrt
from resbench.crossbar.kernels import has_triton
from resbench.crossbar.randomness import SCALE32, Stream, philox

#: Purposes of the random numbers of a row; each has its own stream.
PURPOSES = ("input rounding", "input noise", "read noise", "output noise", "output rounding")


@dataclass(frozen=True)
class Draws:
    """Random numbers for some rows in one pass.

    A counter (block, attempt, row number low, row number high) gives four numbers for a row, so a row gets the same
    numbers whatever batch it is in. Number q of block b is for element ``q * blocks + b`` of the row.

    Args:
        stream: stream of the direction.
        rows: int64 ``[n]``, running number of each row since the array was made.
        attempt: number of times that bound management has repeated these rows.
    """

    stream: Stream
    rows: Tensor
    attempt: int = 0

    def again(self, selected: Tensor) -> Draws:
        """The draws of the next attempt for the rows that are repeated."""
        return replace(self, rows=self.rows[selected], attempt=self.attempt + 1)

    def normal(self, purpose: str, like: Tensor, part: int = 0) -> Tensor:
        """Standard normals of the shape and dtype of ``like``, ``[n, width]``; part 1 is a second read.

        Box-Muller of two pairs of uniforms: ``sqrt(-2 ln u0) (cos, sin)(2 pi u1)``.
        """
        normals = self._by_triton(purpose, like.shape[1], part, normal=True)
        if normals is None:
            uniforms = self._uniforms(purpose, like.shape[1], part)
            radius = sqrt(log(uniforms[:, :2]).mul_(-2.0))
            turns = uniforms[:, 2:]
            normals = torch.cat([radius * cos_of_turns(turns), radius * sin_of_turns(turns)], dim=1)
        return normals.flatten(1)[:, : like.shape[1]].to(like.dtype)

    def centred_uniform(self, purpose: str, like: Tensor, part: int = 0) -> Tensor:
        """Uniforms in (-1/2, 1/2], otherwise as :meth:`normal`."""
        return (self._uniforms(purpose, like.shape[1], part).flatten(1)[:, : like.shape[1]] - 0.5).to(like.dtype)

    def _uniforms(self, purpose: str, width: int, part: int) -> Tensor:
        """Uniforms float32 in (0, 1], ``[n, 4, blocks]`` with at least ``width`` for each row."""
        key, blocks, read = self.stream.child(purpose).key, (width + 3) // 4, 2 * self.attempt + part
        if self.rows.device.type == "cpu":
            from resbench.crossbar.kernels.uniform import row_uniforms  # here, because it compiles

            return row_uniforms(key, blocks, read, self.rows)
        uniforms = self._by_triton(purpose, width, part, normal=False)
        if uniforms is not None:
            return uniforms
        row = self.rows[:, None]
        words = philox(key, torch.arange(blocks, device=row.device), read, row, row >> 32)
        return (torch.stack(words, dim=1) + 1).to(torch.float32) * SCALE32

    def _by_triton(self, purpose: str, width: int, part: int, normal: bool) -> Tensor | None:
        """Uniforms or normals ``[n, 4, blocks]`` by one launch; None on the CPU and without Triton."""
        if not self.rows.is_cuda or not has_triton():
            return None
        from resbench.crossbar.kernels.cuda_noise import row_numbers  # here, because Triton is not everywhere

        return row_numbers(self.stream.child(purpose).key, (width + 3) // 4, 2 * self.attempt + part, self.rows, normal)
