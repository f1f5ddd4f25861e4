"""What watches a training: tile state, history of metrics, progress, time to go, and stopping at a signal."""

from resbench.callbacks.estimate import TimeEstimate
from resbench.callbacks.history import History
from resbench.callbacks.progress import EpochLines
from resbench.callbacks.stop import Interrupted, StopOnSignal
from resbench.callbacks.tile_state import TileState

__all__ = ["EpochLines", "History", "Interrupted", "StopOnSignal", "TileState", "TimeEstimate"]
