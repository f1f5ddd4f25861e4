"""Vectors in the published format, with numbers from runs and formulas of aihwkit. The files need not contain them."""

from typing import Any

import pytest

from tests.conformance.devices import replay_vector

QUIET = {"dw_min_dtod": 0.0, "dw_min_std": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0, "up_down_dtod": 0.0}
WIDE = {"model": "ConstantStep", "dw_min": 0.001, "w_max": 1e4, "w_min": -1e4, **QUIET}
ONE_PULSE = {"desired_bl": 1, "update_bl_management": False, "update_management": False}
UNMANAGED = {"update_bl_management": False, "update_management": False}
X, D = [[0.5, -0.2, 0.0, 0.05]], [[-0.3, 0.1]]
REPEATS = 4000


def pulsed(lr: float, options: dict[str, Any], cells: dict[tuple[int, int], tuple[float, float]]) -> dict[str, Any]:
    """An update vector with mean and spread of some counts of the 2 x 4 array. The others may have any value."""
    mean = [[0.0] * 4 for _ in range(2)]
    std = [[0.0] * 4 for _ in range(2)]
    room = [[1e9] * 4 for _ in range(2)]
    spread = [[1e9] * 4 for _ in range(2)]
    for (i, j), (expected, deviation) in cells.items():
        mean[i][j], std[i][j] = expected, deviation
        room[i][j], spread[i][j] = 4.5 * deviation / REPEATS**0.5 + 1e-6, 0.12
        std[i][j] = deviation
    for i in range(2):
        for j in range(4):
            if (i, j) not in cells:
                std[i][j] = 1.0
    return {
        "id": "u",
        "kind": "update",
        "description": "",
        "config": {"device": WIDE, "update": options},
        "inputs": {"w0": 0.0, "x": X, "d": D, "lr": lr, "fresh_devices_each_repeat": False},
        "quantity": "signed coincidence count: (w_after-w0)/dw_min",
        "n_repeats": REPEATS,
        "expected_mean": mean,
        "expected_std": std,
        "tolerance": {"mean_abs": room, "std_rel": spread},
    }


@pytest.mark.parametrize(
    ("lr", "options", "cells"),
    [
        (0.3, {"desired_bl": 10}, [(10, 0), (-4, 1.5492), (1, 0.9487), (-10, 0)]),
        (0.015, UNMANAGED, [(2.25, 1.4445), (-0.9, 0.9348), (0.225, 0.4726), (-0.75, 0.8555)]),
        (0.95, UNMANAGED, [(31, 0), (-31, 0), (8.5805, 2.4911), (-17.161, 2.7679)]),
        (
            0.1005,
            {**UNMANAGED, "fixed_bl": False},
            [(15.15, 3.5885), (-6.06, 2.3867), (1.515, 1.2216), (-5.05, 2.1903)],
        ),
        (0.015, {"um_grad_scale": 0.5}, [(1.5, 0.6124), (-0.6, 0.6481), (0.15, 0.3725), (-0.75, 0.6847)]),
        (0.015, {"pulse_type": "Stochastic"}, [(2.25, 0.75), (-0.9, 0.7937), (0.225, 0.4562), (-0.75, 0.75)]),
        (0.0, {}, [(0, 0), (0, 0), (0, 0), (0, 0)]),
    ],
    ids=["cut", "no management", "saturated", "longer trains", "grad scale", "split trains", "zero rate"],
)
def test_pulse_statistics(lr: float, options: dict[str, Any], cells: list[tuple[float, float]]) -> None:
    positions = ((0, 0), (0, 1), (0, 3), (1, 0))
    result = replay_vector(pulsed(lr, options, dict(zip(positions, cells, strict=True))))
    assert result.passed, result.detail


def test_covariances_of_shared_lines() -> None:
    vector = pulsed(0.015, {}, {})
    vector["inputs"]["pairs"] = [[[0, 0], [0, 1]], [[0, 0], [1, 0]], [[0, 0], [1, 1]]]
    vector |= {"quantity": "covariance of counts", "n_repeats": 10000, "expected_mean": [-0.10442, -0.08702, 0.0]}
    vector["tolerance"] = {"mean_abs": 0.03}
    result = replay_vector(vector)
    assert result.passed, result.detail


def sequence(
    device: dict[str, Any],
    w0: float,
    pulses: list[list[Any]],
    after: list[int],
    mean: list[float],
    std: list[float] | None = None,
) -> dict[str, Any]:
    repeats = 1 if std is None else REPEATS
    return {
        "id": "d",
        "kind": "pulse_sequence",
        "description": "",
        "config": {"device": {**QUIET, **device}, "update": ONE_PULSE},
        "inputs": {"w0": w0, "pulses": pulses, "record_after": after},
        "quantity": "visible weight after the pulse numbers in inputs.record_after",
        "n_repeats": repeats,
        "expected_mean": mean,
        "expected_std": std or [0.0] * len(mean),
        "tolerance": {"mean_abs": [4.5 * s / repeats**0.5 + 2e-5 for s in std or [0.0] * len(mean)], "std_rel": 0.12},
    }


SEQUENCES = {
    "soft bounds with noise": sequence(
        {"model": "SoftBounds", "dw_min": 0.5, "w_max": 1.0, "w_min": -1.0, "dw_min_std": 0.3},
        0.0,
        [["up", 3], ["down", 3]],
        [1, 2, 3, 4, 6],
        [0.5, 0.7502, 0.8751, -0.0623, -0.7657],
        [0.1499, 0.1081, 0.0676, 0.2833, 0.1275],
    ),
    "soft bounds with a reference": sequence(
        {"model": "SoftBoundsReference", "dw_min": 0.05, "w_max": 0.6, "w_min": -0.6, "reference_mean": 0.2},
        0.6,
        [["up", 1], ["down", 200], ["up", 10]],
        [1, 2, 11, 51, 201, 211],
        [0.4, 0.3, -0.297315, -0.784521, -0.8, -0.102685],
    ),
    "exponential steps": sequence(
        {"model": "ExpStep", "dw_min": 0.001, "w_max": 0.6, "w_min": -0.6},
        0.0,
        [["up", 1500], ["down", 1500]],
        [100, 500, 1500, 1600, 2000, 3000],
        [0.097860, 0.465443, 0.6, 0.500096, 0.101742, -0.6],
    ),
    "tabulated steps": sequence(
        {
            "model": "PiecewiseStep",
            "dw_min": 0.02,
            "w_max": 0.6,
            "w_min": -0.4,
            "piecewise_up": [1.5, 1.0, 0.7, 0.2],
            "piecewise_down": [0.1, 0.6, 1.0, 1.2],
        },
        -0.4,
        [["up", 60], ["down", 60]],
        [1, 10, 40, 60, 70, 120],
        [-0.37, -0.137424, 0.356881, 0.528621, 0.309292, -0.290269],
    ),
    "range crossed upward": sequence({"model": "SoftBoundsPmax"}, -1.0, [["up", 1000]], [1000], [1.355868]),
    "range crossed downward": sequence({"model": "SoftBoundsPmax"}, 1.0, [["down", 1000]], [1000], [-0.264609]),
    "all elements of a cell": sequence(
        {
            "model": "Vector",
            "update_policy": "All",
            "gamma_vec": [1.0, 1.0],
            "unit_cell_devices": [{**WIDE, "dw_min": 0.01}, {**WIDE, "dw_min": 0.03}],
        },
        0.0,
        [["up", 2], ["down", 1]],
        [2, 3],
        [0.08, 0.04],
    ),
    "one element at random": sequence(
        {
            "model": "Vector",
            "update_policy": "SingleRandom",
            "unit_cell_devices": [{**WIDE, "dw_min": 0.01}, {**WIDE, "dw_min": 0.03}],
        },
        0.0,
        [["up", 4]],
        [1, 4],
        [0.01, 0.04],
        [0.005, 0.01],
    ),
    "reference cell": sequence(
        {"model": "Reference", "unit_cell_devices": [{**WIDE, "dw_min": 0.01}, {**WIDE, "dw_min": 0.03}]},
        0.3,
        [["down", 2]],
        [1, 2],
        [0.29, 0.28],
    ),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_pulse_sequences(name: str) -> None:
    result = replay_vector(SEQUENCES[name])
    assert result.passed, result.detail


def test_every_repeat_of_a_cell_begins_anew() -> None:
    vector = pulsed(1000.0, ONE_PULSE, {})
    elements = [{**WIDE, "dw_min": 0.01}, {**WIDE, "dw_min": 0.03}]
    vector["config"]["device"] = {"model": "Vector", "update_policy": "SingleSequential", "unit_cell_devices": elements}
    vector["inputs"] |= {"x": [[1.0]] * 3, "d": [[-1.0]] * 3}
    vector |= {"quantity": "visible weight after update", "n_repeats": 20}
    vector |= {"expected_mean": [[0.035]], "expected_std": [[0.0]], "tolerance": {"mean_abs": 1e-5, "std_rel": 0.0}}
    result = replay_vector(vector)
    assert result.passed, result.detail


def operation(text: str, device: dict[str, Any], w0: float, expected: float, **inputs: Any) -> dict[str, Any]:
    return {
        "id": "o",
        "kind": "operation",
        "description": text,
        "config": {"device": {"model": "ConstantStep", "w_max": 0.6, "w_min": -0.6, **QUIET, **device}},
        "inputs": {"w0": w0, **inputs},
        "quantity": "visible weight",
        "n_repeats": 100,
        "expected_mean": expected,
        "expected_std": 0.0,
        "tolerance": {"mean_abs": 1e-6, "std_rel": 0.0},
    }


@pytest.mark.parametrize(
    "vector",
    [
        operation("Two decay calls", {"lifetime": 10.0, "reset": 0.1}, 0.4, 0.343),
        operation("Clip call with c=0.3", {}, 0.5, 0.3),
        operation("Clip to 0.2.", {}, -0.5, -0.2),
        operation("Reset", {"reset": 0.1, "reset_std": 0.0}, 0.4, 0.1),
        operation("anything", {"reset": 0.1, "reset_std": 0.0}, 0.4, 0.4, operation="reset", prob=0.0),
        operation("set_weights(0.7) clips", {}, 0.7, 0.6),
    ],
    ids=lambda vector: vector["description"],
)
def test_operations(vector: dict[str, Any]) -> None:
    result = replay_vector(vector)
    assert result.passed, result.detail


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expected_mean": 0.2}, "mean 0.3, expected 0.2"),
        ({"description": "Anneal"}, "cannot be interpreted: CannotInterpret(\"operation 'Anneal'\")"),
        ({"config": {"device": {"model": "Memtransistor"}}}, "'MemtransistorDevice', 'has no counterpart;"),
    ],
)
def test_what_a_failure_says(change: dict[str, Any], reason: str) -> None:
    result = replay_vector(operation("Clip call with c=0.3", {}, 0.5, 0.3) | change)
    assert not result.passed
    assert reason in result.detail
