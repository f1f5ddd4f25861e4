"""In-memory training on resistive crossbars with few conductance states: simulator, algorithms, leaderboard."""

from resbench.training.process import set_arithmetic

__all__ = ["set_arithmetic"]
__version__ = "0.1.0"
