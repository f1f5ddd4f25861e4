"""From fitted devices to one device model: means, spreads between devices, noise, and their standard errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resbench.fitting.choice import Candidate
from resbench.fitting.estimate import Estimate, correlation, estimate, noise_of
from resbench.fitting.models import Model
from resbench.fitting.pulses import Noise

#: Data sets that are simulated and fitted again; over several devices at least 10 each.
SIMULATED = 40
RESAMPLED = 400

Fields = dict[str, Any]


@dataclass(frozen=True)
class Population:
    """The device that the devices of a measurement are samples of.

    Args:
        fields: arguments of the device class.
        errors: their standard errors; those that the readings do not determine are missing.
        states_error: standard error of the number of states.
        correlation: of the errors of successive predictions, and its standard error if there is none.
        expected: root mean square of residuals that the noise of this device leaves by itself, weight units.
    """

    fields: Fields
    errors: Fields
    states_error: float
    correlation: tuple[float, float]
    expected: float


def population(candidate: Candidate) -> Population:
    """Mean device, spreads and standard errors.

    Spreads are the standard deviations between devices minus what the errors of their fits explain; with one device
    they are 0. Standard errors are those of fits to simulated readings of the same device; with several devices,
    those of samples of the devices.
    """
    model, estimates = candidate.model, list(candidate.estimates)
    if model.shared and len(estimates) > 1:
        estimates = _with_shared(model, estimates)
    noise = noise_of(estimates)
    draw = np.random.default_rng(0)
    count = max(10, SIMULATED // len(estimates))
    again = [[_again(one, noise, draw, len(estimates) > 1) for one in estimates] for _ in range(count)]
    expected = float(np.mean([np.mean(one.residuals**2) for turn in again for one in turn]) ** 0.5)
    noises = [noise_of(turn, start=noise) for turn in again]
    values = [model.values(one.x, one.case.sketch) for one in estimates]
    errors = [
        {name: float(np.std([_values(turn[i])[name] for turn in again])) for name in values[0]}
        for i in range(len(values))
    ]
    fields = _fields(model, values, errors, noise)
    if len(estimates) == 1:
        samples = [_fields(model, [_values(turn[0])], errors, one) for turn, one in zip(again, noises, strict=True)]
        spread = _deviations(samples)
    else:
        picks = draw.integers(len(values), size=(RESAMPLED, len(values)))
        samples = [_fields(model, [values[i] for i in pick], [errors[i] for i in pick], noise) for pick in picks]
        unbiased = (len(values) / (len(values) - 1)) ** 0.5
        spread = {name: np.asarray(error) * unbiased for name, error in _deviations(samples).items()}
        of_noise = _deviations([_fields(model, values, errors, one) for one in noises])
        spread |= {name: of_noise[name] for name in ("dw_min_std", "write_noise_std")}
    states_error = float(np.std([model.device(**sample).state_count for sample in samples]))
    unknown = _undetermined(model, estimates) | {
        name for name in fields if (len(estimates) == 1 and name.endswith("_dtod")) or isinstance(fields[name], bool)
    }
    kept = {name: _plain(error) for name, error in spread.items() if name not in unknown and np.any(error)}
    return Population(
        {name: _plain(value) for name, value in fields.items()},
        kept,
        states_error,
        correlation(estimates, noise),
        expected,
    )


def _again(one: Estimate, noise: Noise, draw: np.random.Generator, several: bool) -> Estimate:
    return estimate(one.simulated(noise, draw), start=one, fixed=one.case.model.shared if several else ())


def _with_shared(model: Model, estimates: Sequence[Estimate]) -> list[Estimate]:
    """Devices fitted again with the median of the coordinates that they share."""
    places = [model.names.index(name) for name in model.shared]
    middle = np.median([one.x[places] for one in estimates], axis=0)
    again = []
    for one in estimates:
        x = one.x.copy()
        x[places] = middle
        again.append(estimate(one.case, start=Estimate(one.case, x, one.begin, one.determined), fixed=model.shared))
    return again


def _values(one: Estimate) -> dict[str, float]:
    return one.case.model.values(one.x, one.case.sketch)


def _fields(
    model: Model, values: Sequence[Mapping[str, float]], errors: Sequence[Mapping[str, float]], noise: Noise
) -> Fields:
    mean = {name: float(np.mean([one[name] for one in values])) for name in values[0]}
    between = dict.fromkeys(mean, 0.0)
    if len(values) > 1:
        for name in mean:
            excess = np.var([one[name] for one in values], ddof=1) - np.mean([one[name] ** 2 for one in errors])
            between[name] = max(float(excess), 0.0) ** 0.5
    fields = model.fields(mean)
    return {
        **fields,
        **model.spreads(mean, between),
        "dw_min_std": noise.sigma,
        "write_noise_std": noise.rho / fields["dw_min"],
    }


def _deviations(samples: Sequence[Fields]) -> Fields:
    return {name: np.std([sample[name] for sample in samples], axis=0) for name in samples[0]}


def _undetermined(model: Model, estimates: Sequence[Estimate]) -> set[str]:
    """Arguments that come from coordinates on which the curves of most devices do not depend."""
    share = np.mean([one.determined for one in estimates], axis=0)
    lost = {name for name, part in zip(model.names, share, strict=True) if part < 0.5 and name not in model.shared}
    return lost | {"a", "b"} | {name.replace("slope_", "gamma_") for name in lost}


def _plain(value: Any) -> Any:
    """Six digits, as plain numbers."""
    if isinstance(value, bool):
        return value
    if np.ndim(value):
        return tuple(_plain(one) for one in value)
    return float(f"{float(value):.6g}")
