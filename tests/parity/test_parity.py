"""Weight changes on random small tiles have the distribution that the installed aihwkit gives them.

aihwkit needs an older torch than this project, so it runs in an environment of its own. Name its interpreter::

    RESBENCH_PEER=/path/to/env/bin/python pytest tests/parity
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.devices import replay_vector

PEER = os.environ.get("RESBENCH_PEER")
REPEATS = 4000
#: The peer draws its noise from a frozen table per tile, whose mean is off by up to 0.01 sigma.
TABLE = 0.02
DEVICES: list[dict[str, Any]] = [
    {"model": "ConstantStep", "dw_min": 0.05},
    {"model": "LinearStep", "dw_min": 0.05, "gamma_up": 0.4, "gamma_down": 0.7},
    {"model": "SoftBounds", "dw_min": 0.5, "w_max": 1.0, "w_min": -1.0},
    {"model": "SoftBoundsReference", "dw_min": 0.2, "w_max": 1.0, "w_min": -1.0, "reference_std": 0.1},
    {"model": "ExpStep", "dw_min": 0.05},
    {"model": "PowStep", "dw_min": 0.1, "pow_gamma": 1.5},
    {"model": "PiecewiseStep", "dw_min": 0.1, "piecewise_up": [1.0, 0.7, 0.2], "piecewise_down": [0.3, 0.8, 1.0]},
]

pytestmark = pytest.mark.skipif(PEER is None, reason="RESBENCH_PEER does not name an interpreter with aihwkit")


def random_vectors() -> list[dict[str, Any]]:
    draw = random.Random(0)
    vectors = []
    for number, device in enumerate(DEVICES):
        samples, out, columns = draw.randint(1, 4), draw.randint(1, 4), draw.randint(1, 4)
        inputs = {
            "w0": round(draw.uniform(-0.2, 0.2), 3),
            "x": [[round(draw.gauss(0, 1), 3) for _ in range(columns)] for _ in range(samples)],
            "d": [[round(draw.gauss(0, 1), 3) for _ in range(out)] for _ in range(samples)],
            "lr": 0.1,
            "fresh_devices_each_repeat": True,
        }
        config = {"device": device, "update": {}}
        vector = {"id": f"{number} {device['model']}", "kind": "update", "config": config, "inputs": inputs}
        vectors.append({**vector, "quantity": "visible weight after update", "n_repeats": REPEATS})
    return vectors


def test_distributions_agree_with_the_installed_peer() -> None:
    assert PEER is not None
    vectors = random_vectors()
    script = Path(__file__).with_name("peer.py")
    done = subprocess.run([PEER, script], input=json.dumps(vectors), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    failures = []
    for vector, peer in zip(vectors, json.loads(done.stdout), strict=True):
        error = 5 * (2 / REPEATS) ** 0.5
        vector["expected_mean"], vector["expected_std"] = peer["mean"], peer["std"]
        vector["tolerance"] = {
            "mean_abs": [[(error + TABLE) * std + 1e-5 for std in row] for row in peer["std"]],
            "std_rel": [[0.15 for _ in row] for row in peer["std"]],
        }
        result = replay_vector(vector)
        if not result.passed:
            failures.append(f"{result.id}: {result.detail}")
    assert not failures, "\n".join(failures)
