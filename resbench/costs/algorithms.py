"""What each training algorithm asks of the hardware for one training vector pair (x, δ), layer by layer.

There are two kinds of formula. :class:`InMemory` is for algorithms that update the crossbar by pulse trains and carry
weight from tile to tile by transfers. :class:`DigitalGradient` is for those that sum the gradient digitally and write
it row by row. The functions below give the formulas of the published algorithms.
"""

import math
from dataclasses import dataclass, replace

from resbench.costs.hardware import Hardware
from resbench.errors import BadValue

_DIVERGES = "with infinitely many tiles; the transfers only converge above 1"


@dataclass(frozen=True, kw_only=True)
class InMemory:
    """An algorithm that updates tiles by pulses, parallel over the whole array.

    Let S be the number of transfers for each sample, u the words of a transferred vector, and v the words of x and δ.
    A layer stores ``q (digital_matrices · in · out + v)`` bytes, moves ``S u (words_moved q + flag_bits)`` bits and
    does ``v + S u ops_per_word`` operations. Its pulses take ``(l_avg + S pulses_per_transfer) t_sp``, its reads
    ``S t_M``.

    Args:
        name: Name in tables. If the class of an algorithm leaves it out, its title is used.
        tiles: Tiles that hold one weight: 1 for no transfer, ``inf`` for the limit of many tiles.
        digital_matrices: Digital matrices of the shape of the weights.
        words_moved: Words that are read or written for each word of a transferred vector.
        flag_bits: Bits that are moved with each of these words.
        ops_per_word: Floating-point operations for each word of a transferred vector.
        pulses_per_transfer: Pulses of a write to the next tile; None for a train of mean length.
        periods: Samples between the transfers of each hop, fast tile first; None for n_s, n_s², ...
        periods_in_batches: Periods count mini-batches instead of vectors: ``ceil(period n)`` vectors for a mini-batch
            of n vectors (batch size times reuse).
        reads: Columns in one transfer.
        planes: Planes of devices; None for a differential pair for each tile.
        composite: Whether every tile takes part in the forward and backward pass, or only one.
        derived: Why no source prints the figures; empty if one does.
        planes_derived: Why no source prints the number of planes; empty if one does.

    Raises:
        BadValue: for a number of tiles that is not whole, or another number of periods than of hops.
    """

    name: str = ""
    tiles: float
    digital_matrices: int = 0
    words_moved: int = 0
    flag_bits: int = 0
    ops_per_word: int = 0
    pulses_per_transfer: float | None = None
    periods: tuple[float, ...] | None = None
    periods_in_batches: bool = False
    reads: int = 1
    planes: float | None = None
    composite: bool = False
    derived: str = ""
    planes_derived: str = ""

    def __post_init__(self) -> None:
        if not (self.tiles >= 1 and (self.tiles == math.inf or float(self.tiles).is_integer())):
            raise BadValue("tiles", self.tiles, "; write a whole number from 1, or inf")
        if self.periods is not None and (len(self.periods) != self.tiles - 1 or min(self.periods, default=1) <= 0):
            raise BadValue(
                "periods", self.periods, f"with {self.tiles:g} tiles; write one positive number for each hop"
            )

    def transfers_per_sample(self, hardware: Hardware, vectors_per_batch: float) -> float:
        """S = Σ_{k=1}^{N-1} n_s^-k, 1/(n_s - 1) for N → ∞; with explicit periods of T_k vectors Σ reads/T_k."""
        if self.periods is not None:
            counted = (
                math.ceil(period * vectors_per_batch) if self.periods_in_batches and period < math.inf else period
                for period in self.periods
            )
            return sum(self.reads / vectors for vectors in counted)
        n_s = hardware.samples_per_read
        if n_s != 1:
            if n_s < 1 and self.tiles == math.inf:
                raise BadValue("samples_per_read", n_s, _DIVERGES)
            return (1 - math.pow(n_s, 1 - self.tiles)) / (n_s - 1)
        if self.tiles == math.inf:
            raise BadValue("samples_per_read", n_s, _DIVERGES)
        return self.tiles - 1

    @property
    def device_planes(self) -> float:
        """Planes of devices, infinite for infinitely many tiles."""
        return 2 * self.tiles if self.planes is None else self.planes

    @property
    def forward_tiles(self) -> float:
        """Tiles that a forward or backward pass reads."""
        return self.tiles if self.composite else 1

    def with_tiles(self, tiles: float) -> "InMemory":
        """The same algorithm with another number of tiles at geometric periods."""
        return replace(self, tiles=tiles, periods=None)


@dataclass(frozen=True, kw_only=True)
class DigitalGradient:
    """Mixed precision (MP): outer products are summed digitally for a mini-batch, then rows are written in turn.

    A layer stores ``q (in · out + v B)`` bytes, moves ``2 q in out / B`` bits, does ``ops_per_weight · in · out + in``
    operations, and writes for ``(out / B) t_sp``. Table 7 of P follows only with one operation for each weight, while
    the text and Table 5 of P say two.

    An optimiser between the gradient and the writes stores ``q optimizer_matrices in out`` bytes more. For each
    mini-batch it moves them twice and does ``optimizer_ops in out`` operations. The gradient needs no matrix of its
    own: each entry is summed from the stored vectors when the optimiser needs it.

    Args:
        name: Name in tables.
        ops_per_weight: Operations for each weight and vector pair.
        optimizer_matrices: Digital matrices that the optimiser keeps.
        optimizer_ops: Operations for each weight in one step of the optimiser.
        device_planes: Planes of devices.
        derived: Why no source prints the figures; empty if one does.
        planes_derived: Why no source prints the number of planes; empty if one does.
    """

    name: str = "MP"
    ops_per_weight: int = 2
    optimizer_matrices: int = 0
    optimizer_ops: int = 0
    device_planes: float = 2
    derived: str = ""
    planes_derived: str = ""


Formula = InMemory | DigitalGradient


def analog_sgd() -> InMemory:
    """Analog SGD: one tile, no transfers."""
    return InMemory(name="Analog SGD", tiles=1)


def tt_v1() -> InMemory:
    """Tiki-Taka, version 1: the cost of residual learning with two tiles."""
    return InMemory(name="TT-v1", tiles=2, derived="costed as residual learning with 2 tiles")


def tt_v2() -> InMemory:
    """Tiki-Taka, version 2: transfers pass through a digital matrix."""
    return InMemory(name="TT-v2", tiles=2, digital_matrices=1, words_moved=2, ops_per_word=2, pulses_per_transfer=1)


def c_tt_v2() -> InMemory:
    """Chopped TT-v2. As in R, the vector of signs is not counted."""
    return replace(tt_v2(), name="c-TTv2", flag_bits=2)


def agad(*, beta_one: bool = False) -> InMemory:
    """AGAD: three digital matrices, with the dynamic references among them; β = 1 saves one."""
    note = "3, since R needs no programmable reference for the fast array; 4 if that pair is kept"
    three_matrices = replace(
        c_tt_v2(), name="AGAD", digital_matrices=3, words_moved=6, ops_per_word=6, planes=3, planes_derived=note
    )
    if not beta_one:
        return three_matrices
    return replace(
        three_matrices,
        name="AGAD, β=1",
        digital_matrices=2,
        words_moved=4,
        ops_per_word=3,
        derived="no row printed for β=1",
    )


def mixed_precision() -> DigitalGradient:
    """Mixed precision with two operations a weight."""
    return DigitalGradient()


def residual(
    tiles: float | None = None,
    *,
    periods: tuple[float, ...] | None = None,
    periods_in_batches: bool = False,
    charge_hops: bool = False,
) -> InMemory:
    """Residual learning: pulse trains for each hop, no digital storage, and every tile in the forward pass.

    Args:
        tiles: Tiles that hold one weight. None for one more than there are periods; without periods this is ``inf``,
            the bound that P prints.
        periods: Samples between the transfers of each hop, fast tile first; more than there are hops are ignored. None
            for n_s, n_s², ...
        periods_in_batches: Periods count mini-batches.
        charge_hops: Count the digital operations of a TT-v2 transfer for each hop; P does not count them.
    """
    if tiles is None:
        tiles = math.inf if periods is None else len(periods) + 1
    elif periods is not None and 1 <= tiles <= len(periods):
        periods = periods[: int(tiles) - 1]
    return InMemory(
        name="Residual learning",
        tiles=tiles,
        periods=periods,
        periods_in_batches=periods_in_batches,
        ops_per_word=2 if charge_hops else 0,
        composite=True,
        derived="hops charged with digital operations" if charge_hops else "",
    )
