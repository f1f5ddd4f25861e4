"""E-RIDER: RIDER whose gradients have a sign that flips by chance, so that Q finds the symmetric point."""

from __future__ import annotations

import dataclasses
from typing import Any

from resbench.algorithms.rider import RIDER


class ERIDER(RIDER):
    """E-RIDER: RIDER whose residual tile takes gradients with a sign c that flips by chance.

    With the gradient at ``W + gamma c (P - Q)``: ``P <- P - fast_lr c d x^T``, ``W <- W + transfer_lr c (P - Q)``, and
    Q as in :class:`RIDER`. What P learns changes its sign with c, but the symmetric point does not. So the former
    averages out in Q, and Q follows the latter, even if gradients have a direction.

    Args:
        chop_prob: probability that c flips after a mini-batch.

    The other arguments are those of :class:`RIDER`.

    Raises:
        BadValue: for a parameter outside its range.
    """

    title = "E-RIDER"
    citation = "Xiao, Li, Wu, Gokmen and Chen, arXiv:2602.21321, 2026"

    def __init__(self, chop_prob: float = 0.02, **inherited: Any) -> None:
        super().__init__(**inherited)
        self.channel = dataclasses.replace(self.channel, chop_prob=chop_prob)
