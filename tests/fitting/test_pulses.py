"""The compiled pulses are those of a tile."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from resbench.crossbar.randomness import Stream
from resbench.crossbar.response import sweep
from resbench.fitting.estimate import Case, sketch_of
from resbench.fitting.models import MODELS, Model
from resbench.fitting.pulses import Noise, Readings, curve, simulate, surprise
from resbench.fitting.table import Floats
from tests.fitting.measured import measured
from tests.fitting.test_result import DEVICES


def case_of(model: Model) -> tuple[Case, Floats]:
    """Readings of a soft-bounds device, and coordinates at which the search of a model begins."""
    branches = measured(DEVICES["SoftBounds"], pulses=40).branches
    sketch = sketch_of(branches)
    return Case(model, Readings.of(branches), sketch), np.array(model.starts(sketch)[0])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_curve_is_what_a_tile_of_the_device_does(model: Model) -> None:
    case, x = case_of(model)
    x = x * np.linspace(0.9, 1.1, len(x))  # nothing is symmetric
    device = model.device(**model.fields(model.values(x, case.sketch)), dw_min_std=0.0).without_spread()
    weights = sweep(dataclasses.replace(device, write_noise_std=0.0), -0.5, 40, 1, Stream.from_seed(0), points=40)
    found = curve(
        model.response, case.readings, np.array([-0.5, float(weights[40, 0])]), model.constants(x, case.sketch)
    )
    assert found[:41] == pytest.approx(weights[:41, 0].numpy(), abs=1e-5)
    assert found[41:] == pytest.approx(weights[40:, 0].numpy(), abs=1e-5)


def test_the_likelihood_of_constant_steps_is_that_of_a_gaussian() -> None:
    """Two readings after one pulse each: mean, variances and covariance can be written down."""
    case, _ = case_of(MODELS[1])
    constants = MODELS[1].constants(np.array([np.log(0.1), np.log(0.1), 1.0, -1.0, 0.0, 0.0]), case.sketch)
    readings = Readings(np.array([0.0, 0.13, 0.18]), np.array([0, 1, 1]), np.array([0, 3]), np.array([1.0]))
    noise = Noise(0.5, 0.02)
    pulse, read = (0.5 * 0.1) ** 2, 0.02**2
    # The branch begins at its first reading, which is off by the noise of a reading.
    covariance = np.array([[2 * read + pulse, read + pulse], [read + pulse, 2 * read + 2 * pulse]])
    error = np.array([0.13 - 0.1, 0.18 - 0.2])
    expected = 0.5 * (np.linalg.slogdet(covariance)[1] + error @ np.linalg.solve(covariance, error))
    found = surprise(MODELS[1].response, readings, constants, noise, np.zeros(3, dtype=bool))
    assert found == pytest.approx(expected, rel=1e-6)


def test_simulated_readings_have_the_noise_that_is_asked_for() -> None:
    case, x = case_of(MODELS[1])
    x[4:] = 0.0  # constant steps
    constants = MODELS[1].constants(x, case.sketch)
    readings = Readings(np.zeros(4000), np.tile([0, 1], 2000), np.arange(0, 4001, 2), np.ones(2000))
    found = simulate(
        MODELS[1].response, readings, np.zeros(2000), constants, Noise(0.3, 0.01), np.random.default_rng(0)
    )
    step = float(np.exp(x[0]))
    assert found[1::2].mean() == pytest.approx(step, rel=0.03)
    assert found[1::2].std() == pytest.approx(((0.3 * step) ** 2 + 0.01**2) ** 0.5, rel=0.06)
    assert found[::2].std() == pytest.approx(0.01, rel=0.06)
