"""Benchmarks, in processes that are set up as those of the command line are."""

from resbench.training.process import share_cores

share_cores()
