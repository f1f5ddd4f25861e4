"""E-RIDER: RIDER whose gradients have a sign that flips by chance, so that the symmetric point stands out."""

from __future__ import annotations

from resbench.algorithms.rider import RIDER, Tracking
from resbench.crossbar.periphery import IOParameters
from resbench.crossbar.pulses import PulseTrain


class ERIDER(RIDER):
    """E-RIDER: RIDER whose residual tile takes gradients with a sign c that flips by chance.

    With the gradient at ``W + gamma c (P - Q)``: ``P <- P - fast_lr c d x^T``, ``W <- W + transfer_lr c (P - Q)``, and
    Q as in :class:`RIDER`. What P learns changes its sign with c, and the symmetric point does not; so Q averages the
    former out and follows the latter, also where gradients have a direction.

    Args:
        chop_prob: probability that c flips after a mini-batch.

    The other arguments are those of :class:`RIDER`.

    Raises:
        BadValue: for a parameter outside its range.
    """

    title = "E-RIDER"
    citation = "Xiao, Li, Wu, Gokmen and Chen, arXiv:2602.21321, 2026"

    def __init__(
        self,
        chop_prob: float = 0.02,
        gamma: float = 0.2,
        track_lr: float = 0.01,
        transfer_every: float = 1.0,
        transfer_lr: float = 0.01,
        scale_transfer_lr: bool = False,
        fast_lr: float | None = None,
        n_reads_per_transfer: int | None = None,
        transfer_io: IOParameters | None = None,
        pulses: PulseTrain = PulseTrain(),
        transfer_pulses: PulseTrain = PulseTrain(),
    ) -> None:
        super().__init__(
            gamma=gamma,
            track_lr=track_lr,
            transfer_every=transfer_every,
            transfer_lr=transfer_lr,
            scale_transfer_lr=scale_transfer_lr,
            fast_lr=fast_lr,
            n_reads_per_transfer=n_reads_per_transfer,
            transfer_io=transfer_io,
            pulses=pulses,
            transfer_pulses=transfer_pulses,
        )
        self.channel = Tracking(track_lr=track_lr, chop_prob=chop_prob)
