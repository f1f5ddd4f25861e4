"""Benchmarks, in processes that are set up as those of the command line are."""

from resbench.cli import share_cores

share_cores()
