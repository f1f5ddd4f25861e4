"""Where the tiles of a composite weight changed, so that it is recomputed only there, and when it has to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from resbench.crossbar.tile import Tile


class Changes:
    """Cells that changed in any of some tiles since somebody last collected them.

    As a context it puts off what :meth:`show` does, for a step or whatever else changes tiles many times and composes
    at its end.

    Args:
        compose: recomputes the composite weight; called as soon as a tile has changed.

    Attributes:
        cells: arrays of flat indices; None for any cell, as at the beginning.
        memory: what a compiled backend keeps of the tiles.
        is_put_off: whether composing waits.
    """

    def __init__(self, compose: Callable[[], None] | None = None) -> None:
        self.compose = compose
        self.cells: list[Any] | None = None
        self.memory: Any = None
        self.is_put_off = False

    def __enter__(self) -> None:
        self.is_put_off = True

    def __exit__(self, *_: object) -> None:
        self.is_put_off = False

    def follow(self, tiles: Iterable[Tile]) -> Self:
        """Have these tiles note their changes here from now on; until they do, any cell may have changed."""
        for tile in tiles:
            tile.changes = self
        self.cells = None
        return self

    def show(self) -> None:
        """Recompute the composite weight, at once unless that is put off."""
        if self.compose is not None and not self.is_put_off:
            self.compose()

    def collect(self) -> list[Any] | None:
        """The cells, of which it knows no more."""
        cells, self.cells = self.cells, []
        return cells

    def __getstate__(self) -> dict[str, Any]:
        """A copy takes all cells as changed."""
        return {**vars(self), "cells": None, "memory": None}
