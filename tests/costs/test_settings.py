"""From settings of an algorithm to its cost, against the algorithms themselves."""

import inspect
import math
from typing import Any

import pytest

import resbench.algorithms
from resbench.costs import CostModel, InMemory, LayerShape, configured, published, residual
from resbench.costs.settings import DEFAULTS, TRANSFER_DEFAULTS

WITH_COST = [
    "AGAD",
    "AnalogSGD",
    "ChoppedTikiTaka",
    "MixedPrecision",
    "ResidualLearning",
    "TikiTaka",
    "TikiTakaV2",
]


@pytest.mark.parametrize("name", WITH_COST)
def test_every_published_algorithm_has_a_cost_with_its_own_defaults(name: str) -> None:
    parameters = inspect.signature(getattr(resbench.algorithms, name)).parameters
    assert published(f"resbench.algorithms.{name}", {})
    for key, value in DEFAULTS.get(name, {}).items():
        assert parameters[key].default == value, key
    if name in ("TikiTaka", "TikiTakaV2", "ChoppedTikiTaka", "AGAD"):
        assert {key: parameters[key].default for key in TRANSFER_DEFAULTS} == TRANSFER_DEFAULTS


def test_the_number_of_tiles_is_that_of_the_settings() -> None:
    assert published("ResidualLearning", {"tiles": 6}) == residual(6)
    three = published("TikiTakaV2", {"tiles": 3, "gamma": 0.5})
    assert isinstance(three, InMemory)
    assert (three.tiles, three.digital_matrices, three.forward_tiles) == (3, 2, 3)


@pytest.mark.parametrize(
    ("name", "settings", "periods", "in_batches"),
    [
        ("ResidualLearning", {"tiles": 3, "transfer_every_growth": 4.0}, (2, 8), True),
        ("ResidualLearning", {"tiles": 4, "transfer_every": [2, 5, 0, 7]}, (2, 5, math.inf), True),
        ("ResidualLearning", {"tiles": 3, "transfer_every": [2, 5, 1], "count": "local"}, (2, 10), True),
        ("TikiTaka", {"n_reads_per_transfer": 2, "units_in_mbatch": False}, (0.5,), False),
        ("AGAD", {"transfer_every": 3.0}, (3,), True),
    ],
)
def test_own_periods_follow_the_settings(
    name: str, settings: dict[str, Any], periods: tuple[float, ...], in_batches: bool
) -> None:
    own, line = configured(name, settings)
    assert isinstance(own, InMemory)
    assert (own.periods, own.periods_in_batches) == (periods, in_batches)
    assert line.startswith("periods of the config")
    assert CostModel(batch_size=8).cost([LayerShape("fc", 8, 8)], own).latency_ns > 0


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("ResidualLearning", {"n_reads_per_transfer": None}, "whole matrices"),
        ("TikiTaka", {"tiles": 3}, "full sweeps"),
        ("ChoppedTikiTaka", {"transfer_every": -1.0}, "negative period"),
        ("AnalogSGD", {}, ""),
        ("MixedPrecision", {}, ""),
    ],
)
def test_what_no_constant_period_describes_is_said(name: str, settings: dict[str, Any], reason: str) -> None:
    own, line = configured(name, settings)
    assert own is None
    assert reason in line


def test_a_digital_algorithm_has_no_cost() -> None:
    with pytest.raises(ValueError, match="algorithm: DigitalSGD has no cost model; write one of AnalogSGD"):
        published("resbench.algorithms.DigitalSGD", {})
