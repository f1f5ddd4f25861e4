"""The device models that are fitted: coordinates to search in, and the device that they stand for."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from resbench.crossbar.devices import ExpStep, LinearStep, PiecewiseStep, PowStep, PulsedDevice, SoftBounds
from resbench.crossbar.devices.curves import exp_step, piecewise_step, pow_step
from resbench.crossbar.devices.pulsed import Response
from resbench.crossbar.devices.steps import linear_step
from resbench.fitting.pulses import Constants
from resbench.fitting.table import Floats

#: Limits of the logarithm of a step and of the bounds, weight units; the measured range is about -1 to 1.
STEP, UPPER, LOWER = (-14.0, 3.0), (1e-3, 4.0), (-4.0, -1e-3)
NO_TABLES = np.zeros((2, 2))
#: Nodes of the table of a piecewise device in each direction.
NODES = 5

Values = Mapping[str, float]


@dataclass(frozen=True)
class Sketch:
    """First impression of readings: where they lie, and straight lines through their steps.

    Args:
        low: about the smallest reading, weight units, below 0.
        high: about the largest, above 0.
        steps: step at weight 0, up and down.
        slopes: its change with the weight, up and down.
    """

    low: float
    high: float
    steps: tuple[float, float]
    slopes: tuple[float, float]


class Model(ABC):
    """A device model with coordinates x, an array; steps are logarithms there."""

    device: ClassVar[type[PulsedDevice]]
    response: ClassVar[Response]
    #: Names of the coordinates.
    names: ClassVar[tuple[str, ...]] = ("log_up", "log_down", "w_max", "w_min")
    #: Their limits.
    limits: ClassVar[tuple[tuple[float, float], ...]] = (STEP, STEP, UPPER, LOWER)
    #: Coordinates of which the devices of an array have no spread.
    shared: ClassVar[tuple[str, ...]] = ()
    #: Whether bounds shape the step, so that readings tell of them from afar; else they only stop the weight.
    soft: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """Name of the device class."""
        return self.device.__name__

    @abstractmethod
    def starts(self, sketch: Sketch) -> list[list[float]]:
        """Where to begin the search."""

    @abstractmethod
    def constants(self, x: Floats, sketch: Sketch) -> Constants:
        """What the response of the device reads."""

    @abstractmethod
    def shape(self, values: Values) -> dict[str, Any]:
        """Arguments of the device but for steps and bounds."""

    def values(self, x: Floats, sketch: Sketch) -> dict[str, float]:
        """What is averaged over devices: steps instead of logarithms, and half their sum and difference."""
        values = dict(zip(self.names, map(float, x), strict=True))
        up, down = (float(np.exp(values.pop(f"log_{side}"))) for side in ("up", "down"))
        return {"up": up, "down": down, "half_sum": (up + down) / 2, "half_difference": (up - down) / 2, **values}

    def fields(self, values: Values) -> dict[str, Any]:
        """Arguments of a device without noise and spread."""
        step, up_down = larger_and_asymmetry(values["up"], values["down"])
        bounds = {"w_max": values["w_max"], "w_min": values["w_min"]}
        return {"dw_min": step, "up_down": up_down, **bounds, **self.shape(values)}

    def spreads(self, values: Values, between: Values) -> dict[str, float]:
        """Spreads of the device from the standard deviations of the values between devices."""
        step = max(values["up"], values["down"])
        return {
            "dw_min_dtod": between["half_sum"] / step,
            "up_down_dtod": between["half_difference"] / step,
            "w_max_dtod": between["w_max"] / values["w_max"],
            "w_min_dtod": between["w_min"] / -values["w_min"],
        }


def larger_and_asymmetry(up: float, down: float) -> tuple[float, float]:
    """The larger one, and ``up_down`` of a device: a positive one shrinks the down step, a negative one the up step."""
    larger = max(up, down)
    return larger, 0.0 if larger == 0 else 1 - down / up if up > down else up / down - 1


class SoftBoundsModel(Model):
    """Step that vanishes at the bound ahead: ``S (1 - w / w_bound)``."""

    device, response = SoftBounds, staticmethod(linear_step)

    def starts(self, sketch: Sketch) -> list[list[float]]:
        bounds = []
        for step, slope, end in zip(
            sketch.steps, (-sketch.slopes[0], sketch.slopes[1]), (sketch.high, -sketch.low), strict=True
        ):
            bounds.append(float(np.clip(step / slope if slope > 0 else 5, 0.8 * end + 0.05, 5)))
        return [[*np.log(sketch.steps), bounds[0], -bounds[1]]]

    def constants(self, x: Floats, sketch: Sketch) -> Constants:
        up, down = np.exp(x[:2])
        high, low = x[2], x[3]
        return Constants(np.array([up, -up / high]), np.array([down, -down / low]), NO_TABLES, low, high)

    def shape(self, values: Values) -> dict[str, Any]:
        return {}


class LinearStepModel(Model):
    """Step linear in the weight, up to hard bounds: ``S (1 - k w)`` upward, with ``k = gamma_up / w_max``."""

    soft = False
    device, response = LinearStep, staticmethod(linear_step)
    names = (*Model.names, "slope_up", "slope_down")
    limits = (*Model.limits, (-5.0, 20.0), (-5.0, 20.0))

    def starts(self, sketch: Sketch) -> list[list[float]]:
        slopes = -sketch.slopes[0] / sketch.steps[0], sketch.slopes[1] / sketch.steps[1]
        return [[*np.log(sketch.steps), sketch.high, sketch.low, *np.clip(slopes, -0.5, 2)]]

    def constants(self, x: Floats, sketch: Sketch) -> Constants:
        up, down = np.exp(x[:2])
        return Constants(np.array([up, -up * x[4]]), np.array([down, down * x[5]]), NO_TABLES, x[3], x[2])

    def shape(self, values: Values) -> dict[str, Any]:
        up, down = values["slope_up"] * values["w_max"], values["slope_down"] * -values["w_min"]
        return {"gamma_up": up, "gamma_down": down, "allow_increasing": min(up, down) < 0}

    def spreads(self, values: Values, between: Values) -> dict[str, float]:
        gammas = {
            "gamma_up_dtod": between["slope_up"] * values["w_max"],
            "gamma_down_dtod": between["slope_down"] * -values["w_min"],
        }
        return {**super().spreads(values, between), **gammas}


class PowStepModel(Model):
    """Step that is a power of the distance to the bound ahead: ``S (distance / range)^gamma``."""

    device, response = PowStep, staticmethod(pow_step)
    names = (*Model.names, "gamma_up", "gamma_down")
    limits = (*Model.limits, (0.0, 6.0), (0.0, 6.0))

    def starts(self, sketch: Sketch) -> list[list[float]]:
        return [[*np.log(np.array(sketch.steps) * 2), sketch.high * 1.1, sketch.low * 1.1, 1.0, 1.0]]

    def constants(self, x: Floats, sketch: Sketch) -> Constants:
        up, down = np.exp(x[:2])
        high, low = x[2], x[3]
        return Constants(np.array([up, high, low, x[4]]), np.array([down, high, low, x[5]]), NO_TABLES, low, high)

    def values(self, x: Floats, sketch: Sketch) -> dict[str, float]:
        gammas = {"gamma_half_sum": float(x[4] + x[5]) / 2, "gamma_half_difference": float(x[4] - x[5]) / 2}
        return {**super().values(x, sketch), **gammas}

    def shape(self, values: Values) -> dict[str, Any]:
        gamma, up_down = larger_and_asymmetry(values["gamma_up"], values["gamma_down"])
        return {"pow_gamma": gamma, "pow_up_down": up_down}

    def spreads(self, values: Values, between: Values) -> dict[str, float]:
        gamma = max(values["gamma_up"], values["gamma_down"], 1e-6)
        gammas = {
            "pow_gamma_dtod": between["gamma_half_sum"] / gamma,
            "pow_up_down_dtod": between["gamma_half_difference"] / gamma,
        }
        return {**super().spreads(values, between), **gammas}


class ExpStepModel(Model):
    """Exponential step, up to hard bounds: ``S max(1 - A e^(+- gamma w), 0)``."""

    soft = False
    device, response = ExpStep, staticmethod(exp_step)
    shared = ("A_up", "A_down", "gamma_up", "gamma_down")
    names = (*Model.names, *shared)
    limits = (*Model.limits, *((-1e3, 0.999),) * 2, *((-30.0, 30.0),) * 2)

    def starts(self, sketch: Sketch) -> list[list[float]]:
        steps, bounds = np.array(sketch.steps), (sketch.high, sketch.low)
        falling = [*np.log(steps / 0.7), *bounds, 0.3, 0.3, 1.0, 1.0]
        decaying = [*np.log(steps / 2), *bounds, -1.0, -1.0, -1.0, -1.0]
        return [falling, decaying]

    def constants(self, x: Floats, sketch: Sketch) -> Constants:
        up, down = np.exp(x[:2])
        above, below = np.array([up, 1.0, x[4], x[6], 0.0]), np.array([down, 1.0, x[5], -x[7], 0.0])
        return Constants(above, below, NO_TABLES, x[3], x[2])

    def shape(self, values: Values) -> dict[str, Any]:
        # With a = half of the range and b = 0, the exponent of the device is gamma w.
        half = (values["w_max"] - values["w_min"]) / 2
        return {**{name: values[name] for name in self.shared}, "a": half, "b": 0.0}


class PiecewiseStepModel(Model):
    """Step from a table of five nodes between the bounds."""

    device, response = PiecewiseStep, staticmethod(piecewise_step)
    names = (*(f"log_{side}_{n}" for side, n in itertools.product(("up", "down"), range(NODES))), "w_max", "w_min")
    limits = (*(STEP,) * (2 * NODES), UPPER, LOWER)

    def starts(self, sketch: Sketch) -> list[list[float]]:
        nodes = np.linspace(sketch.low, sketch.high, NODES)
        lines = zip(sketch.steps, sketch.slopes, strict=True)
        table = [float(np.log(max(step + slope * w, 0.1 * step))) for step, slope in lines for w in nodes]
        return [[*table, sketch.high, sketch.low]]

    def constants(self, x: Floats, sketch: Sketch) -> Constants:
        numbers = np.array([1.0, x[-2], x[-1]])
        return Constants(numbers, numbers, np.exp(x[:-2]).reshape(2, NODES), x[-1], x[-2])

    def values(self, x: Floats, sketch: Sketch) -> dict[str, float]:
        steps = np.exp(x[:-2])
        nodes = {name.removeprefix("log_"): float(step) for name, step in zip(self.names, steps, strict=False)}
        up, down = steps.reshape(2, NODES).mean(axis=1)
        halves = {"half_sum": float(up + down) / 2, "half_difference": float(up - down) / 2}
        return {"up": float(up), "down": float(down), **halves, "w_max": float(x[-2]), "w_min": float(x[-1]), **nodes}

    def fields(self, values: Values) -> dict[str, Any]:
        step = values[f"up_{NODES // 2}"]  # the middle node of the up table is the granularity
        return {
            "dw_min": step,
            "up_down": 0.0,
            "w_max": values["w_max"],
            "w_min": values["w_min"],
            **self.shape({name: value / step for name, value in values.items()}),
        }

    def shape(self, values: Values) -> dict[str, Any]:
        return {f"piecewise_{side}": tuple(values[f"{side}_{n}"] for n in range(NODES)) for side in ("up", "down")}


#: In the order of their number of parameters.
MODELS: tuple[Model, ...] = (SoftBoundsModel(), LinearStepModel(), PowStepModel(), ExpStepModel(), PiecewiseStepModel())
