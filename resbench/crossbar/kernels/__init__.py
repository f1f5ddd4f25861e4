"""The pulsed update, one function with several backends that draw the same random numbers.

``reference`` is the readable truth, sample by sample and slot by slot; ``events`` finds all pulses of a mini-batch
first and applies only those. Both give the same pulses; weights agree to float rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import Tensor

from resbench.crossbar.devices import Ideal
from resbench.crossbar.kernels import events, exact, reference

if TYPE_CHECKING:
    from resbench.crossbar.pulses import PulseTrain
    from resbench.crossbar.tile import Tile

Backend = Literal["auto", "events", "reference"]
BACKENDS: tuple[Backend, ...] = ("auto", "events", "reference")
_backend: Backend = "auto"


def use(backend: Backend) -> None:
    """Choose the backend of all tiles of this process; ``auto`` takes the fastest that is available."""
    global _backend
    if backend not in BACKENDS:
        raise ValueError(f"backend: {backend!r} is unknown; write one of {', '.join(BACKENDS)}")
    _backend = backend


def update(tile: Tile, x: Tensor, d: Tensor, lr: float, pulses: PulseTrain, granularity: float) -> None:
    """Apply the rank-1 updates of a mini-batch to a tile, in place; see :meth:`resbench.crossbar.tile.Tile.update`."""
    if lr == 0 or x.shape[0] == 0:
        return
    x, d = x.to(tile.weight.dtype), d.to(tile.weight.dtype)
    if isinstance(tile.device, Ideal):
        exact.ideal(tile, x, d, lr)
    elif tile.device.is_continuous:
        exact.flow(tile, x, d, lr)
    elif pulses.pulse_type == "exact":
        exact.rank_one(tile, x, d, lr)
    elif _backend == "reference" or pulses.pulse_type != "stochastic":
        reference.update(tile, x, d, lr, pulses, granularity)
    else:
        events.update(tile, x, d, lr, pulses, granularity)
