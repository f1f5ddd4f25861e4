"""Least squares for the curve of one device, and maximum likelihood for its noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize

from resbench.fitting.models import Model, Sketch
from resbench.fitting.pulses import Constants, Noise, Readings, curve, innovations, simulate, surprise
from resbench.fitting.table import Branch, Floats

Mask = NDArray[np.bool_]
#: Limits of the noise of a pulse, relative to its step, and of a reading, weight units.
SIGMA, RHO = (1e-3, 100.0), (1e-6, 2.0)
#: Noise of pulses is what adds up over this share of a branch; noise that fades sooner counts as noise of readings.
WINDOWS = 50
#: At most so many of the ways to keep every k-th reading are used.
OFFSETS = 4


@dataclass(frozen=True, eq=False)
class Case:
    """One model and the readings of one device.

    Args:
        model: what is fitted.
        readings: weights.
        sketch: first impression of them.
    """

    model: Model
    readings: Readings
    sketch: Sketch

    @property
    def all(self) -> Mask:
        """A mask of all readings."""
        return np.ones(len(self.readings.values), dtype=bool)


@dataclass(frozen=True, eq=False)
class Estimate:
    """The curve that is closest to the readings of one device.

    Args:
        case: what was fitted.
        x: coordinates of the model.
        begin: where each branch begins, weight units.
        determined: which coordinates the curve depends on.
    """

    case: Case
    x: Floats
    begin: Floats
    determined: Mask

    @property
    def constants(self) -> Constants:
        """What the response of the device reads."""
        return self.case.model.constants(self.x, self.case.sketch)

    @property
    def curve(self) -> Floats:
        """The weight at each reading, without noise."""
        return curve(self.case.model.response, self.case.readings, self.begin, self.constants)

    @property
    def residuals(self) -> Floats:
        """Readings minus the curve."""
        return self.case.readings.values - self.curve

    def simulated(self, noise: Noise, draw: np.random.Generator) -> Case:
        """The same pulses on the fitted device with noise."""
        case = self.case
        values = simulate(case.model.response, case.readings, self.begin, self.constants, noise, draw)
        return replace(case, readings=replace(case.readings, values=values))


def sketch_of(branches: Sequence[Branch]) -> Sketch:
    """First impression of readings: straight lines through the steps over a tenth of each branch."""
    values = np.concatenate([branch.readings for branch in branches])
    steps, slopes = [], []
    for sign in (1, -1):
        at, change = [], []
        for branch in branches:
            if branch.sign == sign:
                stride = max(1, len(branch.readings) // 10)
                pulses = branch.pulses[stride:] - branch.pulses[:-stride]
                change.append(sign * (branch.readings[stride:] - branch.readings[:-stride]) / pulses)
                at.append((branch.readings[stride:] + branch.readings[:-stride]) / 2)
        w, step = np.concatenate(at), np.concatenate(change)
        slope, at_zero = np.polyfit(w, step, 1) if np.ptp(w) > 0 else (0.0, step.mean())
        mean = max(float(step.mean()), 1e-6)
        steps.append(float(at_zero) if at_zero > 0.2 * mean else mean)
        slopes.append(float(slope) if at_zero > 0.2 * mean else 0.0)
    low, high = np.quantile(values, [0.01, 0.99])
    return Sketch(min(float(low), -1e-3), max(float(high), 1e-3), (steps[0], steps[1]), (slopes[0], slopes[1]))


def estimate(
    case: Case, start: Estimate | None = None, used: Mask | None = None, fixed: Sequence[str] = ()
) -> Estimate:
    """Fit the curve of a model by least squares.

    Args:
        case: model and readings.
        start: where to begin; None tries the starts of the model.
        used: readings that count; None for all of them.
        fixed: names of coordinates that stay as in ``start``.
    """
    used = case.all if used is None else used
    free = np.array([i for i, name in enumerate(case.model.names) if name not in fixed])
    first = case.readings.values[case.readings.first]
    if start is not None:
        return _least_squares(case, start.x, start.begin, used, free)
    found = [_least_squares(case, np.array(x), first, used, free) for x in case.model.starts(case.sketch)]
    return min(found, key=lambda one: float((one.residuals[used] ** 2).sum()))


def _least_squares(case: Case, x: Floats, begin: Floats, used: Mask, free: NDArray[np.int64]) -> Estimate:
    """The nearest minimum. The last coordinates of the search are where branches begin."""
    model, readings = case.model, case.readings
    limits = np.array(model.limits)
    owner = np.repeat(np.arange(len(begin)), np.diff(readings.starts))[used]
    size = max(float(np.ptp(readings.values)), 1e-6)

    def residuals(z: Floats) -> Floats:
        moved = x.copy()
        moved[free] = z[: len(free)]
        found = curve(model.response, readings, z[len(free) :], model.constants(moved, case.sketch))
        return np.nan_to_num((found - readings.values)[used], nan=1e3, posinf=1e3, neginf=-1e3)

    def jacobian(z: Floats) -> Floats:
        columns = np.zeros((int(used.sum()), len(z)))
        for i in range(len(free)):
            step = np.zeros_like(z)
            step[i] = 1e-5 * max(abs(z[i]), 0.1)
            columns[:, i] = (residuals(z + step) - residuals(z - step)) / (2 * step[i])
        step = np.zeros_like(z)
        step[len(free) :] = 1e-5 * size  # branches do not touch each other, so all beginnings move at once
        change = (residuals(z + step) - residuals(z - step)) / (2 * 1e-5 * size)
        columns[np.arange(len(owner)), len(free) + owner] = change
        return columns

    lower = np.concatenate([limits[free, 0], np.full(len(begin), -np.inf)])
    upper = np.concatenate([limits[free, 1], np.full(len(begin), np.inf)])
    inside = np.clip(np.concatenate([x[free], begin]), lower + 1e-9, upper - 1e-9)
    found = least_squares(
        residuals, inside, jacobian, bounds=(lower, upper), x_scale="jac", xtol=1e-6, ftol=1e-6, max_nfev=100
    )
    best = x.copy()
    best[free] = found.x[: len(free)]
    determined = np.zeros(len(x), dtype=bool)
    determined[free] = np.linalg.norm(np.asarray(found.jac)[:, : len(free)], axis=0) > 1e-6 * np.sqrt(len(owner))
    at_limit = (best < limits[:, 0] + 1e-6) | (best > limits[:, 1] - 1e-6)
    one = Estimate(case, best, found.x[len(free) :], determined & ~at_limit)
    return one if model.soft else _at_the_ends(one)


def _at_the_ends(one: Estimate) -> Estimate:
    """Hard bounds that the curve does not reach are put where the readings end."""
    x, weights = one.x.copy(), one.curve
    high, low = max(weights.max(), one.case.sketch.high), min(weights.min(), one.case.sketch.low)
    for name, end in (("w_max", high), ("w_min", low)):
        place = one.case.model.names.index(name)
        if not one.determined[place]:
            x[place] = end
    return replace(one, x=x)


def noise_of(estimates: Sequence[Estimate], start: Noise | None = None) -> Noise:
    """The noise that makes the readings of devices most probable, given their curves.

    Readings of long branches are thinned, so that only noise which adds up over many pulses counts as noise of pulses.
    """
    cases = [
        (one.case.model.response, one.case.readings, one.constants, held)
        for one in estimates
        for held in _thinned(one.case.readings)
    ]
    low, high = np.log(np.array([SIGMA, RHO]).T)

    def loss(z: Floats) -> float:
        inside = np.clip(z, low, high)
        noise = Noise(*map(float, np.exp(inside)))
        found = sum(
            surprise(response, readings, constants, noise, held) for response, readings, constants, held in cases
        )
        return float(np.nan_to_num(found, nan=1e12, posinf=1e12)) + 1e3 * float(np.abs(z - inside).sum())

    if start is not None:
        starts = [np.log(np.maximum(start, np.array([2 * SIGMA[0], 2 * RHO[0]])))]
    else:
        jumps = np.concatenate([np.diff(one.residuals) for one in estimates])
        size = max(float(np.std(jumps)), 3e-6)
        step = float(np.mean([one.case.sketch.steps for one in estimates]))
        starts = [np.log(np.array(pair)) for pair in ((0.3, size / 1.5), (max(size / step, 0.05), size / 30))]
    found = [minimize(loss, np.clip(z, low, high), method="Nelder-Mead", options={"xatol": 1e-3}) for z in starts]
    best = np.clip(min(found, key=lambda one: float(one.fun)).x, low, high)
    return Noise(*(0.0 if z < floor + 0.1 else float(np.exp(z)) for z, floor in zip(best, low, strict=True)))


def _thinned(readings: Readings) -> list[Mask]:
    """What to hold back so that about :data:`WINDOWS` readings of a branch are left, in a few ways."""
    keep = max(1, int(np.median(np.diff(readings.starts))) // WINDOWS)
    offsets = np.unique(np.linspace(0, keep - 1, min(keep, OFFSETS)).round().astype(int))
    return [readings.places % keep != offset for offset in offsets]


def correlation(estimates: Sequence[Estimate], noise: Noise) -> tuple[float, float]:
    """Correlation of the errors of successive predictions, and its standard error if there is none.

    The errors are independent where the device has the shape of the model and its noise.
    """
    products, squares, count = 0.0, 0.0, 0
    for one in estimates:
        readings = one.case.readings
        branch = np.repeat(np.arange(len(readings.signs)), np.diff(readings.starts))
        held = _thinned(readings)[0]
        errors = innovations(one.case.model.response, readings, one.constants, noise, held)
        left = ~np.isnan(errors)
        errors, branch = errors[left], branch[left]
        together = branch[1:] == branch[:-1]
        products += float((errors[1:] * errors[:-1])[together].sum())
        squares += float((errors**2).sum())
        count += int(together.sum())
    return products / max(squares, 1e-300), max(count, 1) ** -0.5
