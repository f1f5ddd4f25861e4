"""Data modules: data in memory, batches ordered by (seed, epoch). `resbench.data.base` is the contract of a new one."""

from resbench.data.digits import DigitsData
from resbench.data.mnist import FashionMNISTData, MNISTData

__all__ = ["DigitsData", "FashionMNISTData", "MNISTData"]
