"""From settings of an algorithm to its cost, against the algorithms themselves."""

import math
from pathlib import Path
from typing import Any

import pytest

import resbench.algorithms
from resbench.costs import (
    CostModel,
    DigitalGradient,
    Hardware,
    InMemory,
    LayerShape,
    agad,
    algorithm_columns,
    analog_sgd,
    c_tt_v2,
    configured,
    mixed_precision,
    published,
    residual,
    tt_v1,
    tt_v2,
)
from resbench.errors import BadValue

FORMULAS = {
    "AGAD": agad(),
    "AnalogSGD": analog_sgd(),
    "ChoppedTikiTaka": c_tt_v2(),
    "MixedPrecision": mixed_precision(),
    "ResidualLearning": residual(4),
    "TikiTaka": tt_v1(),
    "TikiTakaV2": tt_v2(),
}
LEAKY = """
from resbench.algorithms import TikiTakaV2
from resbench.costs import InMemory

class Leaky(TikiTakaV2):
    title = "Leaky TT-v2"
    def __init__(self, transfer_every: float = 3.0, *, leak: float = 0.1) -> None: ...

class Own:
    title = "Mine"
    cost = InMemory(tiles=2, digital_matrices=1, words_moved=3, composite=True)
    def __init__(self, gamma: float = 0.1) -> None: ...

class TikiTaka(TikiTaka):
    pass

class Wrong:
    cost = InMemory(tiles=2, matrices=1)

class Other:
    cost = print("hello")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with classes of one's own; in the working directory, and never imported."""
    (tmp_path / "own_algorithms.py").write_text(LEAKY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return "own_algorithms"


@pytest.mark.parametrize("name", FORMULAS)
def test_every_algorithm_has_its_published_formula_on_its_class(name: str) -> None:
    assert getattr(resbench.algorithms, name).cost == FORMULAS[name]
    assert published(f"resbench.algorithms.{name}", {}) == FORMULAS[name]
    assert published(name, {}) == FORMULAS[name]


def test_a_class_of_ones_own_has_what_it_says_and_else_what_it_inherits(module: str) -> None:
    assert published(f"{module}.Leaky", {}) == tt_v2()
    own, _ = configured(f"{module}.Leaky", {"leak": 0.2})
    assert isinstance(own, InMemory)
    assert own.periods == (3.0,)
    assert published(f"{module}.Own", {}) == InMemory(
        name="Mine", tiles=2, digital_matrices=1, words_moved=3, composite=True
    )
    assert configured(f"{module}.Own", {}) == (None, "")
    assert published(f"{module}.TikiTaka", {}) == tt_v1()
    assert list(algorithm_columns(f"{module}.Own", {})[0]) == ["Mine"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Wrong", "cost: InMemory of Wrong does not take these arguments: .*matrices"),
        ("Other", "cost: print of Other is none of InMemory"),
        ("Nobody", "algorithm: own_algorithms.Nobody is not found"),
    ],
)
def test_a_class_without_a_formula_says_what_to_write(module: str, name: str, complaint: str) -> None:
    with pytest.raises(BadValue, match=complaint):
        published(f"{module}.{name}", {})


def test_a_module_that_python_cannot_read_is_named(module: str) -> None:
    Path(f"{module}.py").write_text("class Broken(", encoding="utf-8")
    with pytest.raises(BadValue, match=f"class_path: {module} is no Python"):
        published(f"{module}.Broken", {})


def test_the_number_of_tiles_is_that_of_the_settings() -> None:
    assert published("ResidualLearning", {"tiles": 6}) == residual(6)
    three = published("TikiTakaV2", {"tiles": 3, "gamma": 0.5})
    assert isinstance(three, InMemory)
    assert (three.tiles, three.digital_matrices, three.forward_tiles) == (3, 2, 3)


@pytest.mark.parametrize(
    ("optimizer", "name", "matrices", "ops"),
    [
        ("torch.optim.SGD", "MP, SGD", 0, 2),
        ({"class_path": "torch.optim.SGD", "init_args": {"momentum": 0.9, "nesterov": True}}, "MP, SGD", 1, 6),
        ({"class_path": "torch.optim.AdamW", "init_args": {"amsgrad": True}}, "MP, AdamW", 3, 16),
        ({"class_path": "torch.optim.AdamW", "init_args": {"weight_decay": 0.0}}, "MP, AdamW", 2, 13),
        ({"class_path": "torch.optim.RMSprop", "init_args": {"centered": True}}, "MP, RMSprop", 2, 14),
        ({"class_path": "mine.Lion", "init_args": None}, "MP, Lion", 0, 0),
    ],
)
def test_a_digital_optimiser_costs_what_it_remembers_and_computes(
    optimizer: Any, name: str, matrices: int, ops: int
) -> None:
    formula = published("MixedPrecision", {"optimizer": optimizer})
    assert isinstance(formula, DigitalGradient)
    assert (formula.name, formula.optimizer_matrices, formula.optimizer_ops) == (name, matrices, ops)
    assert formula.derived


def test_an_optimiser_steps_once_for_all_vectors_of_a_batch() -> None:
    layer = LayerShape("layer", 10, 20, reuse=4)
    plain, adam = (
        CostModel(batch_size=8).layer_cost(layer, formula)
        for formula in (mixed_precision(), published("MixedPrecision", {"optimizer": "torch.optim.Adam"}))
    )
    assert adam.fp_ops - plain.fp_ops == 13 * 200 / (8 * 4)
    assert adam.storage_bytes - plain.storage_bytes == 2 * 200
    assert adam.memory_bits == 3 * plain.memory_bits


@pytest.mark.parametrize(
    ("name", "settings", "periods", "in_batches"),
    [
        ("ResidualLearning", {"tiles": 3, "transfer_every_growth": 4.0}, (2, 8), True),
        ("ResidualLearning", {"tiles": 4, "transfer_every": [2, 5, 0, 7]}, (2, 5, math.inf), True),
        ("ResidualLearning", {"tiles": 3, "transfer_every": [1, 2.5, 1], "count": "local"}, (1, 3), True),
        ("TikiTaka", {"transfer_every": 2.5, "units_in_mbatch": False}, (3,), False),
        ("TikiTaka", {"transfer_every": 0.2, "units_in_mbatch": False}, (1,), False),
        ("TikiTaka", {"transfer_every": 0, "units_in_mbatch": False}, (math.inf,), False),
        ("ResidualLearning", {"tiles": 3, "transfer_every": [2, 5, 1], "count": "local"}, (2, 10), True),
        ("TikiTaka", {"n_reads_per_transfer": 2, "units_in_mbatch": False}, (1,), False),
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
    ("every", "in_batches", "vectors"),
    [(0.3, True, 3), (1.0, True, 8), (2.5, False, 3), (2.4, False, 2), (0.1, False, 1), (4.5, False, 5)],
)
def test_periods_are_whole_vectors_as_the_algorithm_counts_them(every: float, in_batches: bool, vectors: int) -> None:
    """Of a mini-batch of 8 vectors, so 0.3 mini-batches are 2.4, which is 3."""
    settings = {"transfer_every": every, "units_in_mbatch": in_batches}
    own, _ = configured("TikiTaka", settings)
    assert isinstance(own, InMemory)
    assert own.transfers_per_sample(Hardware(), vectors_per_batch=8) == 1 / vectors
    assert resbench.algorithms.TikiTaka(**settings).schedule.periods(8)[0] == vectors  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("ResidualLearning", {"tiles": "4"}, "tiles: '4' is no number; write a whole number from 1"),
        ("ResidualLearning", {"tiles": True}, "tiles: True is no number"),
        ("ResidualLearning", {"tiles": [4]}, r"tiles: \[4\] is no number"),
        ("ResidualLearning", {"tiles": None}, "tiles: None is no number"),
        ("ResidualLearning", {"tiles": "nan"}, "tiles: 'nan' is no number"),
        ("ResidualLearning", {"tiles": math.nan}, "tiles: nan is no number"),
        ("ResidualLearning", {"tiles": -3}, "tiles: -3; write a whole number from 1"),
        ("ResidualLearning", {"tiles": "x" * 5000}, r"tiles: 'x{76}\.\.\. is no number"),
        ("ResidualLearning", {"transfer_every": "ab"}, "transfer_every: 'ab' is no number; write one"),
        ("TikiTaka", {"transfer_every": {}}, "transfer_every: {} is no number; write one"),
        ("ResidualLearning", {"transfer_every": []}, r"transfer_every: \[\] are no periods; write one number"),
        ("ResidualLearning", {"transfer_every": [1, "b"]}, r"transfer_every: \[1, 'b'\] are no periods"),
        ("ResidualLearning", {"transfer_every_growth": None}, "transfer_every_growth: None is no number"),
        ("TikiTaka", {"n_reads_per_transfer": -1}, "n_reads_per_transfer: -1 is no number of columns; write a whole"),
        ("TikiTaka", {"n_reads_per_transfer": "x"}, "n_reads_per_transfer: 'x' is no number of columns"),
        ("TikiTaka", {"units_in_mbatch": "no"}, "units_in_mbatch: 'no' is neither; write true or false"),
        (
            "MixedPrecision",
            {"optimizer": {"class_path": 5}},
            "optimizer: {'class_path': 5} names no class; write class",
        ),
        ("MixedPrecision", {"optimizer": 5}, "optimizer: 5 names no class"),
        ("MixedPrecision", {"optimizer": ["torch.optim.SGD"]}, r"optimizer: \['torch.optim.SGD'\] names no class"),
        (
            "MixedPrecision",
            {"optimizer": {"class_path": "torch.optim.SGD", "init_args": "x"}},
            "optimizer.init_args: 'x' is no mapping; write its arguments",
        ),
    ],
)
def test_settings_of_another_type_are_refused_by_name(name: str, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadValue, match=f"^{complaint}"):
        configured(name, settings)


def test_a_chain_too_long_to_have_periods_is_said() -> None:
    own, line = configured("ResidualLearning", {"tiles": 10**9, "transfer_every_growth": 1.0})
    assert own is None
    assert line == "tiles: 1e+09 are too many for a period of each: not costed"


@pytest.mark.parametrize(
    ("class_path", "message"),
    [
        ("resbench.algorithms.DigitalSGD", "DigitalSGD has no devices, and so no cost on crossbars"),
        ("resbench.algorithms.base.Algorithm", "Algorithm has no cost model; write cost = InMemory"),
    ],
)
def test_an_algorithm_without_cost(class_path: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"algorithm: {message}"):
        published(class_path, {})
