"""Where the tiles of a composite weight changed, so that it is recomputed only there, and when it has to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from resbench.crossbar.tile import Tile


class Changes:
    """Cells that changed in any of some tiles since somebody last collected them.

    Args:
        compose: recomputes the composite weight; called as soon as a tile has changed, but not inside a step.

    Attributes:
        cells: arrays of flat indices; None for any cell, as at the beginning.
        memory: what a compiled backend keeps of the tiles.
        in_step: whether a step is under way, which changes tiles many times and composes once, at its end.
    """

    def __init__(self, compose: Callable[[], None] | None = None) -> None:
        self.compose = compose
        self.cells: list[Any] | None = None
        self.memory: Any = None
        self.in_step = False

    def follow(self, tiles: Iterable[Tile]) -> Self:
        """Have these tiles note their changes here from now on; until they do, any cell may have changed."""
        for tile in tiles:
            tile.changes = self
        self.cells = None
        return self

    def show(self) -> None:
        """Recompute the composite weight, at once unless a step is under way."""
        if self.compose is not None and not self.in_step:
            self.compose()

    def collect(self) -> list[Any] | None:
        """The cells, of which it knows no more."""
        cells, self.cells = self.cells, []
        return cells

    def __getstate__(self) -> dict[str, Any]:
        """A copy takes all cells as changed."""
        return {**vars(self), "cells": None, "memory": None}
