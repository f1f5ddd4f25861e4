"""In-memory training on resistive crossbars with few conductance states: simulator, algorithms, leaderboard."""

__version__ = "0.1.0"
