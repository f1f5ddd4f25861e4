"""Histograms of weights for the loggers that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol, runtime_checkable

from lightning.pytorch.loggers import Logger, TensorBoardLogger

#: Counts and edges of bins, by name.
Histograms = Mapping[str, tuple[Sequence[int], Sequence[float]]]


@runtime_checkable
class HistogramLogger(Protocol):
    """A logger that takes histograms."""

    def log_histograms(self, histograms: Histograms, step: int) -> None:
        """Log counts and edges of bins, by name, at an optimiser step."""


def log_histograms(logger: Logger, histograms: Histograms, step: int) -> None:
    """Log histograms at an optimiser step. Loggers that have no place for them get none."""
    if isinstance(logger, HistogramLogger):
        logger.log_histograms(histograms, step)
    elif isinstance(logger, TensorBoardLogger):
        for name, (counts, edges) in histograms.items():
            _to_tensorboard(logger, name, counts, edges, step)


def _to_tensorboard(
    logger: TensorBoardLogger, name: str, counts: Sequence[int], edges: Sequence[float], step: int
) -> None:
    """TensorBoard wants sums of the values too, for which every value is taken as the middle of its bin."""
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    logger.experiment.add_histogram_raw(
        name,
        min=edges[0],
        max=edges[-1],
        num=sum(counts),
        sum=sum(count * middle for count, middle in zip(counts, middles, strict=True)),
        sum_squares=sum(count * middle**2 for count, middle in zip(counts, middles, strict=True)),
        bucket_limits=list(edges[1:]),
        bucket_counts=list(counts),
        global_step=step,
    )
