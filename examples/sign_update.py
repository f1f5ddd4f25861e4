"""Updates by the sign of the gradient, as a plug-in: one pulse at a time, on one device of each pair.

Check it from this folder with ``resbench check sign_update.SignUpdate``; ``docs/add-an-algorithm.md`` tells the rest.
"""

from __future__ import annotations

from resbench.algorithms import Algorithm
from resbench.costs import DigitalGradient
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.rows import Rows

ONE_PULSE = PulseTrain(desired_bl=1, update_management=False, update_bl_management=False)


class SignUpdate(Algorithm):
    """Sign update: a weight is a pair of devices, one is fixed, the other gets a pulse against the gradient's sign.

    The gradient ``G = sum_m d_m x_m^T`` of a mini-batch is summed digitally. Where ``|G| > dead_zone max|G|``, the
    device gets one pulse in the direction of ``-sign(G)``. A device without granularity moves by the learning rate.

    Args:
        dead_zone: share of the largest gradient below which a device gets no pulse, in [0, 1).
    """

    title = "Sign update"
    citation = "After arXiv:2511.03858, an example of resbench"
    cost = DigitalGradient(name="Sign update")

    def __init__(self, dead_zone: float = 0.8) -> None:
        super().__init__()
        self.dead_zone = dead_zone

    def allocate(self) -> None:
        self.add_tile("W")

    def update(self, x: Rows, d: Rows, lr: float) -> None:
        gradient, tile = x.dense().T @ d.dense(), self.tiles[0]
        signs = gradient.sign() * (gradient.abs() > self.dead_zone * gradient.abs().max())
        columns = signs.any(dim=1).nonzero().flatten()
        tile.write(columns, signs[columns], -(tile.device.granularity or lr), ONE_PULSE)
