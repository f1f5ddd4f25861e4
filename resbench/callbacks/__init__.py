"""What watches a training: the state of every tile, and the history of metrics that a record is made of."""

from resbench.callbacks.history import History
from resbench.callbacks.tile_state import TileState

__all__ = ["History", "TileState"]
