"""Fit a device model to measured pulse responses, and what is known of the fit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from resbench.crossbar.devices import PulsedDevice
from resbench.errors import BadValue
from resbench.fitting.choice import Candidate, candidates, choose
from resbench.fitting.population import Fields, population
from resbench.fitting.table import Floats, Measurement, read
from resbench.records.text import counted, one_line

#: Readings further from the range that is weight -1 to 1, weight units, show that the range is another one.
FARTHEST = 3.0
#: Below this share of explained variance a curve is poor; above this correlation, and so many standard errors,
#: successive errors are not noise.
POOR, CORRELATED, SURE = 0.9, 0.3, 4
#: Bounds that are further apart than this times the range of the readings are extrapolated.
BEYOND = 1.5


@dataclass(frozen=True)
class DeviceFit:
    """A device model fitted to a measurement.

    Args:
        device: the device, for ``to_analog`` or a ``Tile``.
        fields: its arguments.
        errors: standard errors of those that the readings determine.
        states_error: standard error of the number of states.
        source: name of the file.
        low: conductance at weight -1.
        high: conductance at weight 1.
        residual: root mean square of the readings minus the curve, weight units.
        expected: what the noise of the device leaves of that by itself.
        held_out: root mean square error of readings that were held back from the fit, weight units.
        explained: share of the variance of the readings that the curve explains.
        scores: held-out error of every model that was tried.
        warnings: why the device should not be trusted, one sentence each.
        candidate: the fit of each device.
        measurement: readings in weights.
    """

    device: PulsedDevice
    fields: Fields
    errors: Fields
    states_error: float
    source: str
    low: float
    high: float
    residual: float
    expected: float
    held_out: float
    explained: float
    scores: dict[str, float]
    warnings: list[str]
    candidate: Candidate = field(repr=False, compare=False)
    measurement: Measurement = field(repr=False, compare=False)

    @property
    def model(self) -> str:
        """Name of the device class."""
        return type(self.device).__name__

    @property
    def summary(self) -> str:
        """What was measured, in words."""
        devices, branches = len(self.measurement.devices), len(self.measurement.branches)
        readings = sum(len(branch.readings) for branch in self.measurement.branches)
        return f"{counted(devices, 'device')}, {branches} branches, {readings} readings"

    def rows(self) -> list[tuple[str, str]]:
        """What the command prints: name and value."""
        percent = 50  # of the range from weight -1 to 1
        scores = sorted(self.scores.items(), key=lambda score: score[1])
        rows = [
            ("device", f"{self.model}: {self.summary}"),
            ("weights", f"-1 is a conductance of {self.low:.6g}, 1 is {self.high:.6g}"),
            ("states", f"{self.device.state_count:.4g} ({self.device.bits:.3g} bits) +- {self.states_error:.2g}"),
            *((name, self._shown(name)) for name in self.fields if self._is_shown(name)),
            (
                "curve",
                f"off by {percent * self.residual:.2g} % of the range (rms), of which noise explains "
                f"{percent * self.expected:.2g} %; {percent * self.held_out:.2g} % where readings were held out",
            ),
            ("held out", ", ".join(f"{name} {percent * score:.2g} %" for name, score in scores)),
        ]
        return [*rows, *(("warning", warning) for warning in self.warnings)]

    def _is_shown(self, name: str) -> bool:
        return name in self.errors or (bool(self.fields[name]) and name != "a")

    def _shown(self, name: str) -> str:
        value, error = self.fields[name], self.errors.get(name)
        if isinstance(value, bool):
            return str(value).lower()
        values = value if isinstance(value, tuple) else (value,)
        errors = error if isinstance(error, tuple) else (error,) * len(values)
        pairs = zip(values, errors, strict=True)
        return ", ".join(f"{v:.4g}" + ("" if e is None else f" +- {e:.2g}") for v, e in pairs)

    def yaml(self) -> str:
        """A config fragment with the device, for ``--config``."""
        lines = [
            f"# {self.model} fitted to {one_line(self.source)} by `resbench device --fit`: {self.summary}.",
            f"# Weight -1 is a conductance of {self.low:.6g}, weight 1 is {self.high:.6g}.",
            f"# {self.device.state_count:.4g} states; held-out error {self.held_out:.3g} weight units.",
            *(f"# {warning}" for warning in self.warnings),
            "model:",
            "  init_args:",
            "    device:",
            f"      class_path: resbench.crossbar.devices.{self.model}",
            "      init_args:",
        ]
        return "\n".join([*lines, *(f"        {line}" for line in map(self._line, self.fields))]) + "\n"

    def _line(self, name: str) -> str:
        value = json.dumps(self.fields[name])
        if name in self.errors:
            error = self.errors[name]
            shown = ", ".join(f"{e:.2g}" for e in error) if isinstance(error, tuple) else f"{error:.2g}"
            return f"{name}: {value}  # +- {shown}"
        if name.endswith("_dtod") and len(self.measurement.devices) == 1:
            return f"{name}: {value}  # one device tells nothing of the spread"
        return f"{name}: {value}" + ("  # not determined by the readings" if name in ("w_max", "w_min") else "")

    def json(self) -> str:
        """The whole result as JSON."""
        content: dict[str, Any] = {
            "source": self.source,
            "class_path": f"resbench.crossbar.devices.{self.model}",
            "init_args": self.fields,
            "standard_errors": self.errors,
            "conductance_at": {"weight_-1": self.low, "weight_1": self.high},
            "states": self.device.state_count,
            "states_standard_error": self.states_error,
            "bits": self.device.bits,
            "residual_rms": self.residual,
            "residual_rms_expected_from_noise": self.expected,
            "held_out_rms": self.held_out,
            "explained_variance": self.explained,
            "models_held_out_rms": self.scores,
            "devices": len(self.measurement.devices),
            "branches": len(self.measurement.branches),
            "readings": sum(len(branch.readings) for branch in self.measurement.branches),
            "warnings": self.warnings,
        }
        return json.dumps(content, indent=2) + "\n"


def fit_device(data: Path | str | Measurement, span: tuple[float, float] | None = None) -> DeviceFit:
    """Fit device models to conductance against pulse number, and take the one that predicts best.

    Candidates are SoftBounds, LinearStep, PowStep, ExpStep and PiecewiseStep. Curves are fitted by least squares to all
    branches of a device, each device by itself. A fifth of the readings is held back in turn; a model with more
    parameters is taken only if its error there is smaller by two standard errors. Noise of pulses (``dw_min_std``) and
    of readings (``write_noise_std``) is what makes the readings most probable, and spreads (``..._dtod``) are those
    between the devices of the file.

    Args:
        data: a CSV file as :func:`resbench.fitting.table.read` takes it, or a measurement.
        span: conductances at weight -1 and at weight 1; by default the mean ends of the branches.

    Raises:
        BadValue: for data that cannot be read or fitted.
    """
    measured = data if isinstance(data, Measurement) else read(data)
    low, high = measured.ends() if span is None else span
    if not low < high:
        hint = "is no range; write the lower conductance first" if span else "; the branches end where they begin"
        raise BadValue("range", f"{low:g} to {high:g}", hint)
    weights = measured.in_weights(low, high)
    farthest = max(float(np.abs(branch.readings).max()) for branch in weights.branches)
    if farthest > FARTHEST:
        hint = f"puts a reading at weight {farthest:.3g}; write the range of the readings"
        raise BadValue("range", f"{low:g} to {high:g}", hint)
    found = candidates(list(weights.devices.values()))
    if not found:
        raise BadValue(measured.name, "too few readings", "for any model; write at least 8 for each branch")
    best = choose(found)
    whole = population(best)
    device = best.model.device(**whole.fields)
    readings = np.concatenate([branch.readings for branch in weights.branches])
    explained = 1 - best.residual**2 / float(readings.var())
    return DeviceFit(
        device=device,
        fields=whole.fields,
        errors=whole.errors,
        states_error=whole.states_error,
        source=measured.name,
        low=low,
        high=high,
        residual=best.residual,
        expected=whole.expected,
        held_out=best.held_out,
        explained=explained,
        scores={one.model.name: one.held_out for one in found},
        warnings=_warnings(device, readings, explained, *whole.correlation),
        candidate=best,
        measurement=weights,
    )


def _warnings(device: PulsedDevice, readings: Floats, explained: float, correlation: float, sure: float) -> list[str]:
    found = []
    if explained < POOR:
        found.append(f"The curve explains {explained:.0%} of the variance only: look at the figure.")
    if correlation > max(CORRELATED, SURE * sure):
        found.append(
            f"Errors of successive readings are correlated ({correlation:.2f}): the steps have another shape than "
            "this model, or the noise lasts over some pulses."
        )
    if (span := device.w_max - device.w_min) > BEYOND * np.ptp(readings):
        found.append(
            f"The bounds are {span / np.ptp(readings):.1f} times as far apart as the readings, and states count all of "
            "that: more pulses would show the bounds."
        )
    if device.state_count < 2:
        found.append(f"{device.state_count:.2g} states: one pulse crosses the range.")
    return found
