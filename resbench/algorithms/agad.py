"""AGAD (TT-v4): chopped Tiki-Taka that learns the symmetric point of the fast tile during training."""

from __future__ import annotations

from typing import Any

from resbench.algorithms.chopped_tiki_taka import ChoppedTikiTaka
from resbench.algorithms.chopping import Dynamic
from resbench.costs import agad


class AGAD(ChoppedTikiTaka):
    """Analog gradient accumulation with dynamic reference (AGAD): subtracts what A held in the last phase.

    Chopped Tiki-Taka with ``h = H[:, j] + L a_j b (A[:, j] - R[:, j]) / Theta``. M is a running mean of the reads,
    ``M <- (1 - lambda) M + lambda A[:, j]``. After a flip of a_j, the reference R takes the value of M. The flip
    changes the sign of the gradient; what does not change its sign is the offset of the device. Source: behaviour of
    aihwkit 1.1.0 (``DynamicTransferCompound``, CPU).

    Args:
        in_chop_prob: a column flips every ``n = max(ceil(1 / in_chop_prob), 2)`` sweeps.
        in_chop_random: flip with probability ``in_chop_prob`` after a read too.
        tail_weightening: ``lambda = min(tail_weightening / n, 1)``.
        buffer_cap: bound of the buffer in pulse trains, if ``forget_buffer`` is false; 0 for none.

    The other arguments are those of :class:`~resbench.algorithms.ChoppedTikiTaka`.

    Raises:
        BadValue: for a parameter outside its range.
    """

    title = "AGAD"
    citation = "Rasch, Carta, Fagbohungbe and Gokmen, Nat. Commun. 15:7133, 2024"
    cost = agad()
    settled = ("out_chop_prob", "no_buffer", "gamma", "with_reset_prob")

    def __init__(
        self, in_chop_random: bool = False, tail_weightening: float = 5.0, buffer_cap: float = 0.0, **inherited: Any
    ) -> None:
        super().__init__(in_chop_random=in_chop_random, out_chop_prob=0.0, no_buffer=False, **inherited)
        self.channel = Dynamic(**vars(self.channel), tail_weightening=tail_weightening, buffer_cap=buffer_cap)
