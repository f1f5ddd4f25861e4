"""Notes of where the arrays of a composite weight changed, so that it is recomputed only there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from resbench.crossbar.views import CompositeViews

#: Flat indices of crosspoints. Kernels on a GPU do not note them: there it takes no longer to compose all of a weight.
Crosspoints = NDArray[np.int64]


class Noting(Protocol):
    """An array that notes its changes."""

    changes: Changes | None


class Changes:
    """The crosspoints of a group of arrays that changed since the last :meth:`collect`.

    As a context manager, it delays :meth:`show`. A step uses this because it changes arrays many times and recomputes
    the composite weight at its end.

    Args:
        compose: recomputes the composite weight; called as soon as an array has changed.

    Attributes:
        crosspoints: the crosspoints that changed, piece by piece; None if any crosspoint may have, as at the beginning.
        views: NumPy views cached by the Numba kernels; None until they are first needed.
        is_put_off: whether :meth:`show` waits.
    """

    def __init__(self, compose: Callable[[], None] | None = None) -> None:
        self.compose = compose
        self.crosspoints: list[Crosspoints] | None = None
        self.views: CompositeViews | None = None
        self.is_put_off = False

    def __enter__(self) -> None:
        self.is_put_off = True

    def __exit__(self, *_: object) -> None:
        self.is_put_off = False

    def follow(self, arrays: Iterable[Noting]) -> Self:
        """Let these arrays note their changes here from now on; any crosspoint may have changed before."""
        for array in arrays:
            array.changes = self
        self.crosspoints = None
        return self

    def show(self) -> None:
        """Recompute the composite weight, unless this is delayed."""
        if self.compose is not None and not self.is_put_off:
            self.compose()

    def collect(self) -> list[Crosspoints] | None:
        """The crosspoints that changed. After this, only later changes are noted."""
        crosspoints, self.crosspoints = self.crosspoints, []
        return crosspoints

    def __getstate__(self) -> dict[str, Any]:
        """A copy takes any crosspoint as changed."""
        return {**vars(self), "crosspoints": None, "views": None}
