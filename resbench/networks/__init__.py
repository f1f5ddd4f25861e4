"""Plain torch networks. Layers become analog later, by name patterns such as `conv*`; nothing here depends on that."""

from resbench.networks.gpt import CharGPT
from resbench.networks.lenet import LeNet5
from resbench.networks.lstm import CharLSTM, RowLSTM
from resbench.networks.mlp import MLP
from resbench.networks.resnet import ResNet18, ResNet20, ResNet34
from resbench.networks.resnet9 import ResNet9

__all__ = ["MLP", "CharGPT", "CharLSTM", "LeNet5", "ResNet9", "ResNet18", "ResNet20", "ResNet34", "RowLSTM"]
