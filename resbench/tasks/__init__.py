"""Tasks: what a network is trained for. `resbench.tasks.base` is the contract of a new task."""

from resbench.tasks.classification import Classification
from resbench.tasks.language import LanguageModelling
from resbench.tasks.regression import Regression

__all__ = ["Classification", "LanguageModelling", "Regression"]
