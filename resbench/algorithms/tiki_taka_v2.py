"""Tiki-Taka, version 2: digital buffers between the tiles, which pass on whole pulses only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from resbench.algorithms.memory import Sieve, collect, pass_on
from resbench.algorithms.tiki_taka import TikiTaka
from resbench.algorithms.transfer import Order
from resbench.crossbar.periphery import IOParameters
from resbench.crossbar.pulses import PulseTrain


class TikiTakaV2(TikiTaka):
    """Tiki-Taka with a buffer (TT-v2): what is read from the fast tile A is summed in a digital buffer H.

    ``A <- A - fast_lr d x^T``; every ``transfer_every`` mini-batches, for the next column j: ``h = H[:, j] + L
    A[:, j]`` with ``L = transfer_lr`` (times the optimiser's rate), ``s = trunc(h / theta)`` with ``theta =
    thres_scale dw_min``, s pulses on ``C[:, j]``, and where s is not 0 ``h <- momentum h``. The buffer filters the
    noise of A and of its reads. Behaviour of aihwkit's ``BufferedTransferCompound``; defaults are those of the released
    MNIST script of arXiv:2510.02516.

    Args:
        tiles: number of tiles.
        gamma: share of tile k in the weight that the forward pass sees, ``gamma^(n-1-k)``; 0 hides all but the last.
            Or one share for each tile, fast tile first. Where two tiles are visible the transfer from one to the
            other is multiplied by ``gamma_from / gamma_to``.
        transfer_every: mini-batches between two transfers, each tile waiting for a full sweep of the one before; or
            one period for each tile, fast tile first; the last is not used.
        transfer_lr: factor on the values that are read; or one for each tile, fast tile first; the last is not used.
        scale_transfer_lr: multiply it by the optimiser's rate.
        fast_lr: rate of the fast tile; null takes the optimiser's rate.
        thres_scale: threshold of the buffer in steps of the receiving tile.
        momentum: share of the buffer that stays after a pulse.
        forget_buffer: keep ``momentum`` of the whole buffer; false subtracts what was passed on, but for ``momentum``.
        step: pulses for each crossing of the threshold, in steps of the receiving tile.
        units_in_mbatch: count periods in mini-batches; false counts vectors.
        n_reads_per_transfer: columns in one transfer; null for all.
        transfer_columns: transfer columns; false transfers rows.
        random_selection: start at a random column instead of the next one.
        transfer_io: periphery of the transfer reads; null is perfect.
        order: order of the peer's CPU code (exact) or of its GPU code; see :class:`TikiTaka`.
        pulses: pulse trains of the fast tile.
        transfer_pulses: pulse trains of the transfers; with the default exactly one pulse for each crossing.

    Raises:
        ValueError: for a parameter outside its range or a list of the wrong length.
    """

    citation = "Gokmen, Front. Artif. Intell. 4:699148, 2021"

    def __init__(
        self,
        tiles: int = 2,
        gamma: float | Sequence[float] = 0.0,
        transfer_every: float | Sequence[float] = 1.0,
        transfer_lr: float | Sequence[float] = 1.0,
        scale_transfer_lr: bool = True,
        fast_lr: float | None = 0.1,
        thres_scale: float = 1.0,
        momentum: float = 0.1,
        forget_buffer: bool = True,
        step: float = 1.0,
        units_in_mbatch: bool = True,
        n_reads_per_transfer: int | None = 1,
        transfer_columns: bool = True,
        random_selection: bool = False,
        transfer_io: IOParameters | None = None,
        order: Order = "cpu",
        pulses: PulseTrain = PulseTrain(desired_bl=10),
        transfer_pulses: PulseTrain = PulseTrain(desired_bl=1, update_management=False, update_bl_management=False),
    ) -> None:
        super().__init__(
            tiles=tiles,
            gamma=gamma,
            transfer_every=transfer_every,
            transfer_lr=transfer_lr,
            scale_transfer_lr=scale_transfer_lr,
            fast_lr=fast_lr,
            units_in_mbatch=units_in_mbatch,
            n_reads_per_transfer=n_reads_per_transfer,
            transfer_columns=transfer_columns,
            random_selection=random_selection,
            transfer_io=transfer_io,
            order=order,
            pulses=pulses,
            transfer_pulses=transfer_pulses,
        )
        if not thres_scale > 0:
            raise ValueError(f"thres_scale: {thres_scale} must be above 0; 1 is one step of the receiving tile")
        if not step > 0:
            raise ValueError(f"step: {step} must be above 0; 1 is one pulse for each crossing")
        self.thres_scale = thres_scale
        self.momentum = momentum
        self.forget_buffer = forget_buffer
        self.write_step = step

    def allocate(self) -> None:
        super().allocate()
        for k in range(len(self.tiles) - 1):
            self.register_buffer(f"buffer_{k}", torch.zeros(self.shape))
        self.is_collected = self.moves_by(TikiTakaV2.write)

    def start(self) -> None:
        super().start()
        for k in range(len(self.tiles) - 1):
            self.get_buffer(f"buffer_{k}").zero_()

    def transfer_rate(self, source: int, lr: float) -> float:
        ratio = self.gammas[source] / self.gammas[source + 1] if self.gammas[source + 1] > 0 else 0.0
        return super().transfer_rate(source, lr) * (ratio or 1.0)

    def write(self, source: int, target: int, lines: Tensor, values: Tensor, rate: float) -> None:
        s = pass_on(self._buffer(source), lines, values, rate, self._sieve(target))
        if s is not None:
            self._send(target, lines, s)

    def carry(self, source: int, target: int, first: int, last: int, rate: float) -> None:
        if not self.is_collected or last > self.lines:
            super().carry(source, target, first, last, rate)
            return
        s = collect(self._buffer(source), self.tiles[source], first, last, self.axis, rate, self._sieve(target))
        if s is not None:
            self._send(target, torch.arange(first, last, device=s.device), s)

    def _buffer(self, source: int) -> Tensor:
        """The buffer behind a tile, ``[lines, across]``."""
        buffer = cast(Tensor, self._buffers[f"buffer_{source}"])
        return buffer.t() if self.axis == "column" else buffer

    def _sieve(self, target: int) -> Sieve:
        """What a buffer passes on to a tile."""
        longest = None if self.tiles[target].is_continuous else self.transfer_pulses.desired_bl
        return Sieve(self.thres_scale * self.step_of(target), self.momentum, self.forget_buffer, longest)

    def _send(self, target: int, lines: Tensor, s: Tensor) -> None:
        """Pulse a tile with what a buffer passed on."""
        self.tiles[target].write(lines, s, self.write_step * self.step_of(target), self.transfer_pulses, self.axis)
