"""The file of the states of tiles."""

import json
from pathlib import Path

import pytest

from resbench.report.tiles import read_tiles
from tests.report.runs import tile_line, write_run


def test_shares_and_pulses_by_epoch(tmp_path: Path) -> None:
    lines = [
        tile_line(epoch, tile=name, pulses=pulses, share=share)
        for epoch, counts in ((1, (40, 8)), (3, (60, 8)))  # every second epoch is logged
        for name, pulses, share in zip("AB", counts, (3.0, -1.0), strict=True)
    ]
    (layer,), notes = read_tiles(write_run(tmp_path / "run", None, lines) / "tiles.jsonl")
    assert notes == []
    assert layer.epochs == [2, 4]
    assert layer.shares() == [[0.75, 0.75], [0.25, 0.25]]
    assert [tile.pulse_rate for tile in layer.tiles] == [[5.0, 2.5], [1.0, 0.0]]  # four devices, two epochs


@pytest.mark.parametrize(
    "damage",
    [
        '{"epoch": 2, "step"',  # killed while it wrote
        "null",
        '{"epoch": 1}',
        json.dumps(tile_line(2, histogram=[])),
        json.dumps(tile_line(2, histogram=[0, 0])),
        json.dumps(tile_line(-1)),
        json.dumps(tile_line(10**30)),
        json.dumps(tile_line(2, pulses_up="many")),
    ],
)
def test_a_line_that_cannot_be_read_is_left_out_and_said(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "tiles.jsonl"
    path.write_text("\n".join([json.dumps(tile_line(0)), damage]))
    (layer,), notes = read_tiles(path)
    assert layer.epochs == [1]
    assert notes == ["tiles.jsonl: 1 of 2 lines cannot be read and are left out"]


def test_an_epoch_counts_if_all_tiles_of_the_layer_have_it_and_the_last_line_of_it_wins(tmp_path: Path) -> None:
    lines = [tile_line(0), tile_line(0, tile="B"), tile_line(1, pulses=4), tile_line(0, pulses=8)]
    (layer,), _ = read_tiles(write_run(tmp_path / "run", None, lines) / "tiles.jsonl")
    assert [tile.epochs for tile in layer.tiles] == [[1], [1]]
    assert layer.tiles[0].pulse_rate == [2.0]


def test_a_missing_file_has_no_layers(tmp_path: Path) -> None:
    assert read_tiles(tmp_path / "tiles.jsonl") == ([], [])
