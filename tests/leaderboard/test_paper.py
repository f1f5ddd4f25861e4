from collections.abc import Callable
from typing import Any

import pytest

from resbench.leaderboard.paper import paper_results, printed
from resbench.leaderboard.tables import METRICS, Printed
from resbench.records.schema import Record

MakeRecord = Callable[..., Record]
ACCURACY, LOSS = METRICS


@pytest.fixture
def run(make_record: MakeRecord) -> Callable[..., Record]:
    def make(algorithm: str, states: float, tiles: int, **track: Any) -> Record:
        record = make_record(states=states, tiles=tiles)
        return record.model_copy(
            update={
                "track": record.track.model_copy(
                    update={"network": "LeNet5(classes=10)", "dataset": "MNISTData"} | track
                ),
                "algorithm": record.algorithm.model_copy(update={"class_path": f"resbench.algorithms.{algorithm}"}),
            }
        )

    return make


def test_the_published_result_of_the_same_cell_stands_beside_ours(run: Callable[..., Record]) -> None:
    found = printed(run("ResidualLearning", 10, 6), ACCURACY)
    assert found
    assert (found.mean, found.deviation) == pytest.approx((0.9853, 0.0009))
    assert (found.place, found.budget) == ("arXiv:2510.02516, T1", "100 epochs")
    resnet = {
        "network": "ResNet34(classes=100)",
        "dataset": "CIFAR100Data",
        "analog_layers": ["fc", "layer3", "layer4"],
    }
    tt = printed(run("TikiTaka", 16, 2, **resnet), ACCURACY)
    assert tt
    assert tt.mean == pytest.approx(0.2669)


def test_a_loss_is_printed_without_deviation(run: Callable[..., Record]) -> None:
    network = "CharGPT(vocabulary=65, context=256, layers=6, heads=6, width=384)"
    track = {"network": network, "dataset": "CharacterData", "analog_layers": ["blocks"]}
    record = run("ResidualLearning", 4, 4, **track)
    assert printed(record, LOSS) == Printed(
        mean=2.5971, deviation=None, place="arXiv:2510.02516, T12", budget="5000 iterations"
    )
    small = {"network": network.replace("384", "64")}
    assert printed(run("ResidualLearning", 4, 4, **track | small), LOSS) is None


@pytest.mark.parametrize(
    ("algorithm", "states", "tiles", "track"),
    [
        ("ResidualLearning", 10, 5, {}),
        ("ResidualLearning", 4, 6, {}),
        ("AnalogSGD", 10, 1, {}),
        ("ResidualLearning", 10, 6, {"dataset": "DigitsData"}),
        ("ResidualLearning", 10, 6, {"analog_layers": ["fc1"]}),
    ],
)
def test_another_cell_has_none(
    run: Callable[..., Record], algorithm: str, states: float, tiles: int, track: dict[str, Any]
) -> None:
    assert printed(run(algorithm, states, tiles, **track), ACCURACY) is None


def test_every_table_has_three_peers_and_residual_learning() -> None:
    for table in paper_results()["tables"]:
        algorithms = [result["algorithm"] for result in table["results"]]
        assert algorithms[:3] == ["TikiTaka", "TikiTakaV2", "MixedPrecision"]
        assert set(algorithms[3:]) == {"ResidualLearning"}
        assert all(0 < result["mean"] < 100 for result in table["results"])
