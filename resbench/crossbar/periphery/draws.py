"""Noise of the rows of a matrix-vector product, a pure function of (stream, row number, pass, element)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from resbench.crossbar.randomness import SCALE32, Stream, philox, unit


@dataclass(frozen=True)
class Draws:
    """Random numbers for some rows in one pass.

    The counter is (element // 4, pass, row number low, row number high), so a row gets the same numbers in whatever
    batch it comes.

    Args:
        stream: stream of the direction.
        rows: int64 ``[n]``, running number of each row since the array was made.
        attempt: how often bound management has repeated these rows.
    """

    stream: Stream
    rows: Tensor
    attempt: int = 0

    def again(self, selected: Tensor) -> Draws:
        """The draws of the next attempt, for the rows that repeat."""
        return replace(self, rows=self.rows[selected], attempt=self.attempt + 1)

    def normal(self, purpose: str, like: Tensor, part: int = 0) -> Tensor:
        """Standard normals of the shape and dtype of ``like``, ``[n, width]``; part 1 is a second read."""
        w0, w1, w2, w3 = self._words(purpose, like.shape[1], part)
        normals = (*_box_muller(w0, w1), *_box_muller(w2, w3))
        return torch.stack(normals, dim=-1).flatten(1)[:, : like.shape[1]].to(like.dtype)

    def centred_uniform(self, purpose: str, like: Tensor, part: int = 0) -> Tensor:
        """Uniforms in [-1/2, 1/2), otherwise as :meth:`normal`."""
        words = self._words(purpose, like.shape[1], part)
        return (torch.stack([unit(w) for w in words], dim=-1).flatten(1)[:, : like.shape[1]] - 0.5).to(like.dtype)

    def _words(self, purpose: str, width: int, part: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        block = torch.arange((width + 3) // 4, device=self.rows.device)
        row = self.rows[:, None]
        return philox(self.stream.child(purpose).key, block, 2 * self.attempt + part, row, row >> 32)


def _box_muller(w0: Tensor, w1: Tensor) -> tuple[Tensor, Tensor]:
    """Two independent standard normals float32 of two words."""
    radius = torch.sqrt(-2.0 * torch.log((w0 + 1).to(torch.float32) * SCALE32))
    angle = w1.to(torch.float32) * (2.0 * math.pi * SCALE32)
    return radius * torch.cos(angle), radius * torch.sin(angle)
