"""Plain torch networks. Layers become analog later, by name patterns such as `conv*`; nothing here knows of it."""

from resbench.networks.lenet import LeNet5
from resbench.networks.mlp import MLP

__all__ = ["MLP", "LeNet5"]
