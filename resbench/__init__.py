"""In-memory training on resistive crossbars with few conductance states: simulator, algorithms, leaderboard."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resbench.training.process import set_arithmetic

__all__ = ["set_arithmetic"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What can be had from here is imported when it is asked for."""
    if name == "set_arithmetic":
        from resbench.training.process import set_arithmetic

        return set_arithmetic
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
