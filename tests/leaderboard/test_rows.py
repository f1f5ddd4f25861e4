import pytest

from resbench.leaderboard.rows import row_labels
from tests.records.factory import make_record


@pytest.mark.parametrize(
    ("tiles", "labels"),
    [
        ((2,), {"RL"}),
        ((4,), {"RL, 4 tiles"}),
        ((2, 4), {"RL, 2 tiles", "RL, 4 tiles"}),
        ((1, 2), {"RL, 1 tile", "RL, 2 tiles"}),
    ],
)
def test_tiles_are_named_where_they_are_many_or_differ(tiles: tuple[int, ...], labels: set[str]) -> None:
    assert set(row_labels(make_record("RL", tiles=count) for count in tiles).values()) == labels
