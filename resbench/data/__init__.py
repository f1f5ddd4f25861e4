"""Data modules: data in memory, batches ordered by (seed, epoch). `resbench.data.base` is the contract of a new one."""

from resbench.data.augmentation import Augmentation
from resbench.data.characters import CharacterData
from resbench.data.cifar import CIFAR10Data, CIFAR100Data
from resbench.data.digits import DigitsData
from resbench.data.folders import ImageFolderData
from resbench.data.least_squares import LeastSquaresData
from resbench.data.mnist import FashionMNISTData, MNISTData
from resbench.data.tables import CSVData

__all__ = [
    "Augmentation",
    "CIFAR10Data",
    "CIFAR100Data",
    "CSVData",
    "CharacterData",
    "DigitsData",
    "FashionMNISTData",
    "ImageFolderData",
    "LeastSquaresData",
    "MNISTData",
]
