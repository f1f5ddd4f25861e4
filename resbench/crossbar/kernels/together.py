"""Updates of several arrays that a GPU starts together, at the end of a step."""

from __future__ import annotations

from collections.abc import Callable


class Together:
    """A context in which updates on a GPU may wait until its end.

    Whatever reads or changes an array in another way starts them before; see ``DeviceArray.finish``.

    Attributes:
        is_on: whether updates may wait.
        finish: starts those that wait; None if there are none.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.finish: Callable[[], None] | None = None

    def __enter__(self) -> None:
        self.is_on = True

    def __exit__(self, *_: object) -> None:
        self.is_on = False
        if self.finish is not None:
            self.finish()


TOGETHER = Together()
