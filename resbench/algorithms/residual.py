"""Multi-tile residual learning: every faster tile learns what the slower ones could not represent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from resbench.algorithms.transfer import TransferChain
from resbench.crossbar.pulses import PulseTrain


class ResidualLearning(TransferChain):
    """Residual learning on N+1 tiles: each tile tracks the residual that the slower ones leave, at gamma times their scale.

    The forward pass sees ``W = sum_n gamma^n W^(n)``; the fastest tile ``W^(N)`` follows the gradient of the
    composite loss, and ``W^(n) <- W^(n) + beta_n W^(n+1)`` column by column every ``T_{n+1}`` mini-batches (Algorithm
    1, equations 8 to 12). Tiles are listed fast first, as in the released code; names carry both indices,
    ``tile0_W3`` is the fastest of four.

    Args:
        tiles: number of tiles, N + 1.
        gamma: ratio of scale from a tile to the next faster one, in (0, 1]; or one share for each tile, fast first.
        transfer_every: period of the fastest tile in mini-batches, or one for each tile, fast first (the last is not
            used).
        transfer_every_growth: ratio of the period from a tile to the next slower one.
        transfer_lr: beta of the slowest transfer, or one for each tile, fast first.
        transfer_lr_growth: ratio of beta from a tile to the next faster one.
        scale_transfer_lr: multiply beta by the optimiser's rate.
        fast_lr: rate of the fastest tile; null takes the optimiser's rate, as the paper's theory does (alpha); the
            released code leaves it at 1.0, where the optimiser and its schedule reach the biases only.
        units_in_mbatch: count periods in mini-batches; false counts vectors.
        n_reads_per_transfer: columns in one transfer.
        pulses: pulse trains of the fastest tile.
        transfer_pulses: pulse trains of the transfers.

    Raises:
        ValueError: for a parameter outside its range or a list of the wrong length.
    """

    citation = "arXiv:2510.02516, 2025"

    def __init__(
        self,
        tiles: int = 4,
        gamma: float | Sequence[float] = 0.5,
        transfer_every: float | Sequence[float] = 2.0,
        transfer_every_growth: float = 5.0,
        transfer_lr: float | Sequence[float] = 0.1,
        transfer_lr_growth: float = 1.2,
        scale_transfer_lr: bool = False,
        fast_lr: float | None = None,
        units_in_mbatch: bool = True,
        n_reads_per_transfer: int = 1,
        pulses: PulseTrain = PulseTrain(),
        transfer_pulses: PulseTrain = PulseTrain(),
    ) -> None:
        if tiles < 1:
            raise ValueError(f"tiles: {tiles} is not a number of tiles; write 1 or more")
        gammas = _series("gamma", gamma, tiles, lambda g, k: g ** (tiles - 1 - k))
        if not all(0 < share <= 1 for share in gammas):
            raise ValueError(f"gamma: {gamma} is outside (0, 1]; the paper uses 0.1 to 0.5")
        periods = _series("transfer_every", transfer_every, tiles, lambda t, k: t * transfer_every_growth**k)
        rates = _series("transfer_lr", transfer_lr, tiles, lambda b, k: b * transfer_lr_growth ** (tiles - 1 - k))
        super().__init__(
            fast_lr, periods[0], rates, scale_transfer_lr, units_in_mbatch, n_reads_per_transfer,
            pulses=pulses, transfer_pulses=transfer_pulses,
        )  # fmt: skip
        self.tile_gammas = gammas
        self.tile_periods = periods

    def allocate(self) -> None:
        n = len(self.tile_gammas)
        self.allocate_chain([f"tile{k}_W{n - 1 - k}" for k in range(n)], self.tile_gammas)

    def periods(self) -> list[float]:
        return self.tile_periods


def _series(name: str, value: float | Sequence[float], tiles: int, rule: Callable[[float, int], float]) -> list[float]:
    """One value for each tile: as given, or the first by ``rule``."""
    if isinstance(value, (int, float)):
        return [rule(float(value), k) for k in range(tiles)]
    if len(value) != tiles:
        raise ValueError(f"{name}: {len(value)} values for {tiles} tiles; write one number, or one for each tile")
    return [float(v) for v in value]
