"""Counter-based random numbers: every draw is a pure function of (seed, path, counter).

The generator is Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A
:class:`Stream` is a 64-bit key, the hash of a path such as ``(seed, "conv1", "tile", 0, "row bits")``; a draw names
its counter. Drawing changes nothing, so there is no generator state to save. The numbers do not depend on the order of
their evaluation, on threads, or on the device.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from resbench.crossbar.functions import cos_of_turns, log, sin_of_turns, sqrt

MASK32 = 0xFFFFFFFF
ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
SCALE32 = 2.0**-32
#: Number of elements that are drawn at once: they fit the cache of a processor, and the memory of a GPU.
ELEMENTS_AT_ONCE, GPU_ELEMENTS_AT_ONCE = 2**16, 2**22

Index = Tensor | int
W = TypeVar("W", Tensor, int)


def philox(key: int, c0: Index, c1: Index = 0, c2: Index = 0, c3: Index = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox 4x32-10: four 32-bit words for each counter ``(c0, c1, c2, c3)``.

    The counters broadcast against each other and are taken modulo 2^32. Words are returned as int64 tensors in
    [0, 2^32), because torch does not have all operations for unsigned integers.
    """
    device = next((c.device for c in (c0, c1, c2, c3) if isinstance(c, Tensor)), None)
    words = torch.broadcast_tensors(*(_counter(c, device) for c in (c0, c1, c2, c3)))
    return _rounds(key, *words)


def _counter(c: Index, device: torch.device | None) -> Tensor:
    if isinstance(c, Tensor):
        return c.to(torch.int64) & MASK32
    return torch.full(
        (), c & MASK32, dtype=torch.int64, device=device
    )  # made on the device, because a copy would have to be waited for


def _rounds(key: int, w0: W, w1: W, w2: W, w3: W) -> tuple[W, W, W, W]:
    """The ten rounds, for tensors or plain integers."""
    k0, k1 = key & MASK32, (key >> 32) & MASK32
    for _ in range(ROUNDS):
        # A 32 x 32 bit product may wrap int64; the masked shift still yields its true high word.
        p0, p1 = w0 * MULTIPLIERS[0], w2 * MULTIPLIERS[1]
        w0, w1, w2, w3 = (
            ((p1 >> 32) & MASK32) ^ w1 ^ k0,
            p1 & MASK32,
            ((p0 >> 32) & MASK32) ^ w3 ^ k1,
            p0 & MASK32,
        )
        k0, k1 = (k0 + WEYL[0]) & MASK32, (k1 + WEYL[1]) & MASK32
    return w0, w1, w2, w3


def signed(key: int) -> int:
    """A 64-bit key as a signed number: Triton takes large unsigned ones for another type."""
    return key - (1 << 64) if key >> 63 else key


def gaussian(w0: Tensor, w1: Tensor) -> Tensor:
    """Standard normal float32 of two words (Box-Muller).

    ``xi = sqrt(-2 ln u0) cos(2 pi u1)`` with u0 in (0, 1] and u1 in [0, 1).
    """
    u0 = (w0 + 1).to(torch.float32) * SCALE32
    u1 = w1.to(torch.float32) * SCALE32
    return sqrt(log(u0).mul_(-2.0)).mul_(cos_of_turns(u1))


def gaussian_lane(words: tuple[Tensor, Tensor, Tensor, Tensor], lane: Tensor) -> Tensor:
    """One of the four standard normals of four words, float32 (Box-Muller of words 0 and 1, and of words 2 and 3).

    Lanes 0 and 2 are the cosines, as in :func:`gaussian`, lanes 1 and 3 the sines.
    """
    w0, w1 = torch.where(lane < 2, words[0], words[2]), torch.where(lane < 2, words[1], words[3])
    u0, u1 = (w0 + 1).to(torch.float32) * SCALE32, w1.to(torch.float32) * SCALE32
    return sqrt(log(u0).mul_(-2.0)) * torch.where(lane % 2 == 0, cos_of_turns(u1), sin_of_turns(u1))


def unit(word: Tensor) -> Tensor:
    """Uniform float32 in [0, 1) of one word. It uses the 24 high bits, so that the conversion is exact."""
    return (word >> 8).to(torch.float32) * 2.0**-24


@dataclass(frozen=True)
class Stream:
    """A keyed family of random numbers. Streams with different paths are independent.

    Args:
        key: 64-bit key; use :meth:`from_seed` and :meth:`child` rather than writing one.
    """

    key: int

    @classmethod
    def from_seed(cls, seed: int) -> Stream:
        """The root stream of a run. Every whole number is a seed, including 0."""
        return cls(_hash("seed", seed))

    def child(self, *path: str | int) -> Stream:
        """The stream of a longer path: ``stream.child("conv1", "tile", 0)``."""
        return Stream(_hash(self.key, *path))

    def line_words(self, lines: int, slot: Tensor, sample: Tensor, update: int) -> Tensor:
        """One word for each crossbar line and (slot, sample) pair.

        Args:
            lines: number of lines of the side (rows or columns) that is driven.
            slot: int64 ``[p]``, the time slot in the pulse train.
            sample: int64 ``[p]``, the sample in the mini-batch.
            update: the update counter of the tile.

        Returns:
            int64 ``[p, lines]``: word ``line % 4`` of counter ``(line // 4, slot, sample, update)``.
        """
        block = torch.arange((lines + 3) // 4, device=slot.device)
        words = philox(self.key, block, slot[:, None], sample[:, None], update)
        return torch.stack(words, dim=-1).flatten(1)[:, :lines]

    def pulse_normals(
        self, row: Tensor, number: Tensor, columns: int, slot: Index, sample: Index, update: int
    ) -> Tensor:
        """Noise of pulses, standard normals float32: one counter serves four neighbouring pulses of a row.

        The pulses of a row in one slot are numbered by column, from 0 on; number k has normal ``k % 4`` of counter
        ``(row * ceil(columns / 4) + k // 4, slot, sample, update)``.

        Args:
            row: int64, row of each pulse.
            number: int64, its number.
            columns: columns of the array.
            slot: time slot in the pulse train.
            sample: sample in the mini-batch.
            update: update counter of the array.
        """
        block = row * ((columns + 3) // 4) + torch.div(number, 4, rounding_mode="floor")
        return gaussian_lane(philox(self.key, block, slot, sample, update), number % 4)

    def normal(
        self, shape: tuple[int, ...], c1: int = 0, c2: int = 0, c3: int = 0, device: torch.device | None = None
    ) -> Tensor:
        """Standard normals float32 of ``shape``, one counter for each element in row-major order, drawn on a device."""
        draws = [gaussian(w0, w1) for w0, w1, _, _ in self._elements(shape, c1, c2, c3, device)]
        return torch.cat(draws).reshape(shape)

    def uniform(
        self, shape: tuple[int, ...], c1: int = 0, c2: int = 0, c3: int = 0, device: torch.device | None = None
    ) -> Tensor:
        """Uniforms float32 in [0, 1) of ``shape``, otherwise as :meth:`normal`."""
        return torch.cat([unit(w0) for w0, _, _, _ in self._elements(shape, c1, c2, c3, device)]).reshape(shape)

    def _elements(
        self, shape: tuple[int, ...], c1: int, c2: int, c3: int, device: torch.device | None
    ) -> Iterator[tuple[Tensor, ...]]:
        """The words of each element, in pieces that fit the cache, which is four times as fast for large arrays."""
        counters = torch.arange(math.prod(shape), device=device)
        for piece in counters.split(ELEMENTS_AT_ONCE if counters.device.type == "cpu" else GPU_ELEMENTS_AT_ONCE):
            yield philox(self.key, piece, c1, c2, c3)

    def number(self, c0: int = 0, c1: int = 0, c2: int = 0, c3: int = 0) -> float:
        """One uniform in [0, 1): that of :meth:`uniform` at this counter, without the cost of tensors."""
        word, *_ = _rounds(self.key, c0 & MASK32, c1 & MASK32, c2 & MASK32, c3 & MASK32)
        return (word >> 8) * 2.0**-24


def _hash(*path: str | int) -> int:
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in path)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
