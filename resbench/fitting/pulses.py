# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Pulses on single devices, compiled by Numba: mean curves, noisy readings, and how probable readings are.

A pulse moves the weight w of a device, ``w <- clip(w + f(w)(1 + sigma xi))`` with f the response of its model, and a
reading is ``w + rho eta``; xi and eta are N(0, 1). This is what a device of resbench does, with sigma its
``dw_min_std`` and rho its write noise. Noise of pulses adds up and noise of readings does not: a Kalman filter tells
one from the other. Where f bends, it is linearised at the mean (extended Kalman filter).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload
from numpy.typing import NDArray

from resbench.crossbar.devices.arithmetic import TINY
from resbench.crossbar.devices.curves import exp_step, piecewise_step, pow_step
from resbench.crossbar.devices.pulsed import Response
from resbench.crossbar.devices.steps import linear_step
from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.views import FORMS, Form
from resbench.fitting.table import Branch, Floats

#: Where f is differentiated, as a share of the range of the bounds.
NUDGE = 1e-4


@dataclass(frozen=True, eq=False)
class Readings:
    """Branches laid out one after the other for compiled code.

    Args:
        values: weights that were read.
        gaps: pulses since the reading before.
        starts: index of the first reading of each branch, and the end of the last one.
        signs: direction of each branch.
    """

    values: Floats
    gaps: NDArray[np.int64]
    starts: NDArray[np.int64]
    signs: Floats

    @classmethod
    def of(cls, branches: Sequence[Branch]) -> Readings:
        """The readings of branches in weights."""
        starts = np.cumsum([0, *(len(branch.readings) for branch in branches)])
        gaps = np.concatenate([np.diff(branch.pulses, prepend=branch.pulses[0]) for branch in branches])
        values = np.concatenate([branch.readings for branch in branches])
        return cls(values, gaps, starts, np.array([float(branch.sign) for branch in branches]))

    @property
    def first(self) -> NDArray[np.int64]:
        """Indices of the readings that begin a branch."""
        return self.starts[:-1]

    @property
    def places(self) -> NDArray[np.int64]:
        """Number of each reading in its branch."""
        return np.arange(len(self.values)) - np.repeat(self.first, np.diff(self.starts))


class Constants(NamedTuple):
    """What the response of one device reads.

    Args:
        up: numbers in the order of the response, up to its noise.
        down: likewise.
        tables: nodes of a table up and down, ``[2, nodes]``.
        w_min: lower bound.
        w_max: upper bound.
    """

    up: Floats
    down: Floats
    tables: Floats
    w_min: float
    w_max: float


class Noise(NamedTuple):
    """Noise of a device.

    Args:
        sigma: of a pulse, relative to its step.
        rho: of a reading, weight units.
    """

    sigma: float
    rho: float


NO_NOISE = Noise(0.0, 0.0)


@njit
def _interpolate(nodes, position):
    at = min(max(position, 0.0), 1.0) * (nodes.size - 1)
    left = min(int(at), nodes.size - 2)
    return nodes[left] + (nodes[left + 1] - nodes[left]) * (at - left)


@njit
def _power(base, exponent):
    return base**exponent


#: The names of :mod:`resbench.crossbar.devices.arithmetic`, for single numbers in double precision.
ARITHMETIC: dict[str, Any] = {
    "exp": np.exp,
    "absolute": abs,
    "maximum": max,
    "power": _power,
    "interpolate": _interpolate,
    "TINY": TINY,
}


def _scalar(response: Response) -> Callable[..., Any]:
    """A response for single numbers in double precision, from the code that torch runs."""
    assert isinstance(response, FunctionType)
    return njit(FunctionType(response.__code__, ARITHMETIC, response.__name__))


linear, power = _scalar(linear_step), _scalar(pow_step)
exponential, piecewise = _scalar(exp_step), _scalar(piecewise_step)


def call(form, w, sign, c, table):
    """The change of one pulse without noise, of devices of a form, from the numbers and the table of the direction."""


@overload(call)
def _call(form, w, sign, c, table):
    """How ``call`` is compiled, by the type of the form."""
    return CHANGES[form.instance_class]


CHANGES: dict[type[Form], Callable[..., Any]] = {
    FORMS[linear_step]: lambda form, w, sign, c, table: linear(w, sign, c[0], c[1], 0.0, 0.0),
    FORMS[pow_step]: lambda form, w, sign, c, table: power(w, sign, c[0], c[1], c[2], c[3], 0.0, 0.0),
    FORMS[exp_step]: lambda form, w, sign, c, table: exponential(w, sign, c[0], c[1], c[2], c[3], c[4], 0.0, 0.0),
    FORMS[piecewise_step]: lambda form, w, sign, c, table: piecewise(w, sign, c[0], c[1], c[2], table, 0.0, 0.0),
}


@compiled
def run(form, values, gaps, starts, signs, begin, held, constants, noise, xi, means):
    """Follow each branch from where it begins; means receives the weight at each reading, before it is known."""
    up, down, tables, w_min, w_max = constants
    sigma, rho = noise
    nudge, total, drawn = NUDGE * (w_max - w_min), 0.0, 0
    for branch in range(signs.size):
        sign = signs[branch]
        c, table = (up, tables[0]) if sign > 0 else (down, tables[1])
        w, variance = begin[branch], rho * rho
        means[starts[branch]] = w
        for i in range(starts[branch] + 1, starts[branch + 1]):
            for _ in range(gaps[i]):
                step, gain = call(form, w, sign, c, table), 1.0
                if variance > 0:
                    gain += (call(form, w + nudge, sign, c, table) - call(form, w - nudge, sign, c, table)) / (
                        2 * nudge
                    )
                if xi.size > 0:
                    w += step * (1 + sigma * xi[drawn])
                    drawn += 1
                else:
                    w += step
                if w > w_max or w < w_min:
                    w, gain = min(max(w, w_min), w_max), 0.0
                variance = gain * gain * variance + (sigma * step) ** 2
            means[i] = w
            if not held[i]:
                of_reading, error = variance + rho * rho, values[i] - w
                total += 0.5 * (np.log(of_reading) + error * error / of_reading)
                w += variance / of_reading * error
                variance -= variance * variance / of_reading
    return total


_NONE = np.zeros(0)


def curve(response: Response, readings: Readings, begin: Floats, constants: Constants) -> Floats:
    """Weights without noise at each reading, from where each branch begins."""
    means, held = np.empty_like(readings.values), np.ones(len(readings.values), dtype=bool)
    run(FORMS[response](), *_parts(readings), begin, held, constants, NO_NOISE, _NONE, means)
    return means


def surprise(
    response: Response, readings: Readings, constants: Constants, noise: Noise, held: NDArray[np.bool_]
) -> float:
    """Negative log-likelihood of the readings that are not held back, each given those before it in its branch."""
    begin, means = readings.values[readings.first], np.empty_like(readings.values)
    return float(run(FORMS[response](), *_parts(readings), begin, held, constants, noise, _NONE, means))


def innovations(
    response: Response, readings: Readings, constants: Constants, noise: Noise, held: NDArray[np.bool_]
) -> Floats:
    """Readings minus their predictions from those before them in their branch; NaN where held back or first."""
    begin, means = readings.values[readings.first], np.empty_like(readings.values)
    run(FORMS[response](), *_parts(readings), begin, held, constants, noise, _NONE, means)
    errors = np.where(held, np.nan, readings.values - means)
    errors[readings.first] = np.nan
    return errors


def simulate(
    response: Response,
    readings: Readings,
    begin: Floats,
    constants: Constants,
    noise: Noise,
    draw: np.random.Generator,
) -> Floats:
    """Readings of a device with noise, at the same pulses."""
    means, held = np.empty_like(readings.values), np.ones(len(readings.values), dtype=bool)
    xi = draw.standard_normal(int(readings.gaps.sum()) + 1)
    run(FORMS[response](), *_parts(readings), begin, held, constants, noise, xi, means)
    return means + noise.rho * draw.standard_normal(len(means))


def _parts(readings: Readings) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64], Floats]:
    return readings.values, readings.gaps, readings.starts, readings.signs
