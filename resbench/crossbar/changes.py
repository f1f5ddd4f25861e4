"""Where the tiles of a composite weight changed, so that it is recomputed only there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from resbench.crossbar.tile import Tile


class Changes:
    """Cells that changed in any of some tiles since somebody last collected them.

    Attributes:
        cells: arrays of flat indices; None for any cell, as at the beginning.
        memory: what a compiled backend keeps of the tiles.
    """

    def __init__(self) -> None:
        self.cells: list[Any] | None = None
        self.memory: Any = None

    def follow(self, tiles: Iterable[Tile]) -> Self:
        """Have these tiles note their changes here from now on; until they do, any cell may have changed."""
        for tile in tiles:
            tile.changes = self
        self.cells = None
        return self

    def collect(self) -> list[Any] | None:
        """The cells, of which it knows no more."""
        cells, self.cells = self.cells, []
        return cells

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        """A copy takes all cells as changed."""
        return type(self), ()
