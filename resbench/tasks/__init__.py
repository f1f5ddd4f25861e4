"""What a network is trained for. `resbench.tasks.base` is the contract of a new task."""

from resbench.tasks.classification import Classification

__all__ = ["Classification"]
