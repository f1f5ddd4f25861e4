import math
from collections.abc import Callable
from typing import Any

import pytest

from resbench.costs import CostModel, lenet5, residual
from resbench.leaderboard.effort import cost, wear
from resbench.records.schema import Record

MakeRecord = Callable[..., Record]


def of_class(record: Record, class_path: str, **settings: Any) -> Record:
    algorithm = record.algorithm.model_copy(update={"class_path": class_path, "settings": settings})
    return record.model_copy(update={"algorithm": algorithm})


def test_latency_is_that_of_the_published_formula_and_time_counts_transfers(make_record: MakeRecord) -> None:
    record = of_class(make_record(tiles=4), "resbench.algorithms.ResidualLearning", tiles=4)
    found = cost(record)
    assert found
    formula = CostModel(batch_size=8).cost(lenet5(), residual(4))
    assert (found.latency_ns, found.storage_bytes, found.area_mm2) == pytest.approx(
        (formula.latency_ns, formula.storage_bytes, formula.area_mm2)
    )
    transfers = sum(640 >> tile for tile in range(4)) / (2500 * 8)
    conv1 = 2 * 25 / 175 * 576 + 576 * 25 + transfers * (25 + 40)
    assert found.image_ns == pytest.approx(conv1)


def test_what_has_no_cost_model_has_no_cost(make_record: MakeRecord) -> None:
    assert cost(make_record("Digital", states=None, tiles=0)) is None
    assert cost(of_class(make_record(), "mine.Algorithm")) is None
    assert cost(of_class(make_record(), "resbench.algorithms.ResidualLearning", tiles="many")) is None


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("MixedPrecision", {"optimizer": {"class_path": 5}}),
        ("MixedPrecision", {"optimizer": {"class_path": "torch.optim.SGD", "init_args": "x"}}),
        ("TikiTaka", {"tiles": 10**307}),
    ],
)
def test_settings_that_no_formula_takes_have_no_cost(
    make_record: MakeRecord, name: str, settings: dict[str, Any]
) -> None:
    record = of_class(make_record(), f"resbench.algorithms.{name}", **settings)
    large = [layer.model_copy(update={"in_features": 2**62, "out_features": 2**62}) for layer in record.layers]
    assert cost(record.model_copy(update={"layers": large})) is None


def test_a_layer_without_tiles_stops_nothing(make_record: MakeRecord) -> None:
    record = of_class(make_record(tiles=4), "resbench.algorithms.ResidualLearning", tiles=4)
    first, *others = record.layers
    bare = record.model_copy(update={"layers": [first.model_copy(update={"tiles": []}), *others]})
    found = cost(bare)
    assert found
    assert found.image_ns == pytest.approx(2 * 25 / 175 * 576 + 576 * 25)  # of conv1 without transfers
    assert wear([bare]) is None


def test_wear_is_the_worst_of_all_seeds(make_record: MakeRecord) -> None:
    found = wear([make_record(seed=seed, tiles=tiles) for seed, tiles in enumerate((2, 4))])
    assert found
    assert (found.max_writes, found.most_writes) == (90, None)
    four = 4 * sum((9000 >> k) + (8000 >> k) for k in range(4)) / (80_016 * 4)
    two = 4 * sum((9000 >> k) + (8000 >> k) for k in range(2)) / (80_016 * 2)
    assert found.mean_writes == pytest.approx((four + two) / 2)
    assert wear([make_record("Digital", states=None, tiles=0)]) is None
    assert not math.isnan(found.mean_writes)
    assert wear([make_record(states=math.inf)]) is None  # such devices change without pulses
