"""Callbacks of a training: the state of every tile, the history of metrics for the record, and time that passes."""

from resbench.callbacks.history import History
from resbench.callbacks.pass_time import PassTime, TimeBeforeTest
from resbench.callbacks.tile_state import TileState

__all__ = ["History", "PassTime", "TileState", "TimeBeforeTest"]
