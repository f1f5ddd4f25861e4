"""Which model: the one that predicts readings best that it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resbench.fitting.estimate import Case, Estimate, estimate, sketch_of
from resbench.fitting.models import MODELS, Model
from resbench.fitting.pulses import Readings
from resbench.fitting.table import Branch, Floats

#: Branches are cut into blocks of neighbouring readings; each fold holds back every fifth block.
BLOCKS, FOLDS = 10, 5
#: Standard errors of the difference by which a model has to be better than one with fewer parameters.
SURE = 2.0
#: Difference of held-out errors that does not matter, weight units: half a per mille of the range.
NEGLIGIBLE = 1e-3


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model fitted to all readings, and its errors.

    Args:
        model: the model.
        estimates: the fit of each device.
        squares: mean squared error of held-back readings, one for each branch and fold.
    """

    model: Model
    estimates: tuple[Estimate, ...]
    squares: Floats

    @property
    def residual(self) -> float:
        """Root of the mean squared distance of readings from the curve, weight units."""
        return float(np.sqrt(np.mean(np.concatenate([one.residuals for one in self.estimates]) ** 2)))

    @property
    def held_out(self) -> float:
        """The same of readings that were held back from the fit."""
        return float(np.sqrt(self.squares.mean()))


def candidates(devices: Sequence[Sequence[Branch]]) -> list[Candidate]:
    """All models that have fewer parameters than each device has readings, the one with the fewest first."""
    laid_out = [(Readings.of(branches), sketch_of(branches)) for branches in devices]
    found = []
    for model in MODELS:
        cases = [Case(model, readings, sketch) for readings, sketch in laid_out]
        spare = [len(case.readings.values) * (1 - 1 / FOLDS) - len(case.readings.signs) for case in cases]
        if min(spare) > len(model.names):
            estimates = tuple(estimate(case) for case in cases)
            squares = [_held_out(one, fold) for i, one in enumerate(estimates) for fold in _folds(i, len(estimates))]
            found.append(Candidate(model, estimates, np.concatenate(squares)))
    return found


def _folds(device: int, devices: int) -> Sequence[int]:
    """All folds of each device, or where there are many devices one fold of each in turn."""
    return range(FOLDS) if devices < FOLDS else [device % FOLDS]


def _held_out(one: Estimate, fold: int) -> Floats:
    """Mean squared error of the readings of a fold in each branch, after a fit to the others."""
    case = one.case
    lengths = np.repeat(np.diff(case.readings.starts), np.diff(case.readings.starts))
    blocks = case.readings.places * np.minimum(lengths, BLOCKS) // lengths
    held = (blocks % FOLDS == fold) & (case.readings.places > 0)  # where a branch begins has to be known
    without = estimate(case, start=one, used=~held)
    squares = np.where(held, without.residuals**2, 0.0)
    return np.add.reduceat(squares, case.readings.first) / np.maximum(np.add.reduceat(held, case.readings.first), 1)


def choose(found: Sequence[Candidate]) -> Candidate:
    """The model with the fewest parameters of those that no other beats by two standard errors of the difference."""
    best = min(found, key=lambda candidate: candidate.held_out)
    for candidate in sorted(found, key=lambda candidate: len(candidate.model.names)):
        worse = candidate.squares - best.squares
        unsure = worse.mean() <= SURE * worse.std(ddof=1) / np.sqrt(len(worse))
        if unsure or candidate.held_out - best.held_out < NEGLIGIBLE:
            return candidate
    return best
