from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from resbench.costs import (
    REFERENCE_PERCEPTRON,
    CostModel,
    agad,
    counted_cost,
    counted_energy_nj,
    counts,
    energy,
    mixed_precision,
    residual,
    shapes,
)
from resbench.costs.counted import trains
from resbench.costs.counted_report import to_markdown
from resbench.records.schema import LayerEntry, TileEntry

MODEL = CostModel(batch_size=8)
SAMPLES = 1000


def make_tile(
    name: str = "tile0",
    pulses: tuple[int, int] = (300, 100),
    transfers: int = 0,
    max_writes: int = 5,
    histogram: tuple[int, ...] | None = (40, 8, 10, 6),
    slots: int | None = None,
) -> TileEntry:
    up, down = pulses
    return TileEntry(
        name=name, pulses_up=up, pulses_down=down, transfers=transfers, max_writes=max_writes, slots=slots,
        write_histogram=None if histogram is None else list(histogram),
    )  # fmt: skip


def make_layer(
    name: str = "fc",
    out_features: int = 8,
    in_features: int = 8,
    reuse: int = 1,
    tiles: Sequence[TileEntry] | None = None,
) -> LayerEntry:
    if tiles is None:
        tiles = [make_tile(), make_tile("tile1", (3, 1), 500, 1, (60, 4))]
    return LayerEntry(name=name, out_features=out_features, in_features=in_features, reuse=reuse, tiles=list(tiles))


def test_totals_run_over_all_tiles() -> None:
    total = counts([make_layer(), make_layer("conv", 4, 4, 9)], SAMPLES)
    assert (total.pulses, total.transfers, total.devices, total.max_writes) == (808, 1000, 2 * 64 + 2 * 16, 5)
    assert total.mean_writes == 808 / 160
    assert total.histogram == (200, 24, 20, 12)


@pytest.mark.parametrize(("share", "pulses"), [(0.5, 0), (0.8, 1), (0.9, 3), (0.99, 5), (1.0, 5)])
def test_quantiles_are_rounded_up_to_the_edges_of_the_histogram(share: float, pulses: int) -> None:
    one = make_layer(tiles=(make_tile(histogram=(70, 10, 11, 9)),))
    assert counts([one], SAMPLES).write_quantile(share) == pulses


def test_one_tile_without_a_histogram_leaves_no_distribution() -> None:
    total = counts([make_layer(tiles=(make_tile(), make_tile(histogram=None)))], SAMPLES)
    assert total.histogram is None
    with pytest.raises(ValueError, match="histogram: None is what this run recorded"):
        total.write_quantile(0.5)


def test_counted_transfers_replace_the_geometric_ones() -> None:
    # 500 transfers for 1000 vectors is what two tiles at n_s = 2 do.
    layer = make_layer()
    formula = MODEL.layer_cost(shapes([layer])[0], residual(2))
    (cost,) = counted_cost([layer], residual(2), MODEL, SAMPLES).layers
    assert cost == formula
    (reused,) = counted_cost([make_layer(reuse=10)], residual(2), MODEL, SAMPLES).layers
    assert reused.analog_ns == pytest.approx(25 + 0.05 * (25 + 40))


def test_area_keeps_the_planes_of_the_algorithm() -> None:
    for algorithm in (residual(6), agad()):
        (cost,) = counted_cost([make_layer()], algorithm, MODEL, SAMPLES).layers
        assert cost.devices == 64 * algorithm.device_planes


def test_mixed_precision_writes_its_counted_rows() -> None:
    layer = make_layer(tiles=(make_tile(transfers=1000),))
    (cost,) = counted_cost([layer], mixed_precision(), MODEL, SAMPLES).layers
    assert cost.analog_ns == 5  # as out / B rows a sample, with out = B


def test_energy_agrees_with_the_formula_where_the_counts_do() -> None:
    layers = [
        make_layer(s.name, s.out_features, s.in_features, tiles=(make_tile(), make_tile(transfers=500)))
        for s in REFERENCE_PERCEPTRON
    ]
    formula = energy(REFERENCE_PERCEPTRON, residual(2), MODEL).total_nj
    assert counted_energy_nj(layers, residual(2), MODEL, SAMPLES) == pytest.approx(formula)


def test_energy_of_mixed_precision_is_its_quoted_figures_for_each_vector() -> None:
    layers = [
        make_layer(s.name, s.out_features, s.in_features, tiles=(make_tile(transfers=7),)) for s in REFERENCE_PERCEPTRON
    ]
    weights = 785 * 250 + 250 * 10  # the quoted synapses count the bias of the hidden layer too
    expected = 62.03 * weights / 198_760 + 21.21
    assert counted_energy_nj(layers, mixed_precision(), MODEL, SAMPLES) == pytest.approx(expected)
    reused = [make_layer(layer.name, layer.out_features, layer.in_features, 9, layer.tiles) for layer in layers]
    assert counted_energy_nj(reused, mixed_precision(), MODEL, SAMPLES) == pytest.approx(9 * expected)
    assert "counted writes cannot enter" in to_markdown(layers, mixed_precision(), MODEL, SAMPLES)


def test_counted_trains_replace_the_published_mean() -> None:
    # 1000 vectors at 1.2 slots, 500 transferred lines at 3 slots: 2.7 slots a vector.
    layer = make_layer(tiles=(make_tile(slots=1200), make_tile(transfers=500, slots=1500)))
    (cost,) = counted_cost([layer], residual(2), MODEL, SAMPLES).layers
    assert cost.analog_ns == pytest.approx(2.7 * 5 + 0.5 * 40)
    (published,) = counted_cost([make_layer()], residual(2), MODEL, SAMPLES).layers
    assert cost == replace(published, analog_ns=cost.analog_ns, image_ns=cost.image_ns)
    spent, assumed = (counted_energy_nj([one], residual(2), MODEL, SAMPLES) for one in (layer, make_layer()))
    assert assumed - spent == pytest.approx(0.7 * 16 / 8192 * (7.5 - 2.7) * 5)
    text = to_markdown([layer], residual(2), MODEL, SAMPLES)
    assert " 1.2 |" in text
    assert " 3 |" in text
    assert "not counted" not in text
    (rows,) = counted_cost(
        [make_layer(tiles=(make_tile(transfers=1000, slots=3000),))], mixed_precision(), MODEL, SAMPLES
    ).layers
    assert rows.analog_ns == 3 * 5


def test_devices_that_change_without_trains_take_the_published_mean() -> None:
    continuous = make_layer(tiles=(make_tile(slots=0), make_tile(transfers=500, slots=0)))
    assert counted_cost([continuous], residual(2), MODEL, SAMPLES) == counted_cost(
        [make_layer()], residual(2), MODEL, SAMPLES
    )


def test_a_layer_without_tiles_takes_the_published_mean_and_no_transfers() -> None:
    assert trains(make_layer(tiles=()), SAMPLES) is None
    for algorithm in (residual(2), mixed_precision()):
        (cost,) = counted_cost([make_layer(tiles=())], algorithm, MODEL, SAMPLES).layers
        assert cost.analog_ns == (25 if algorithm == residual(2) else 0)


@pytest.mark.parametrize(("layers", "samples"), [([], 1), ([make_layer(tiles=())], 1), ([make_layer()], 0)])
def test_a_run_without_pulses_or_samples_has_no_counts(layers: list[Any], samples: int) -> None:
    with pytest.raises(ValueError, match=r"digital run|at least one"):
        counts(layers, samples)


def test_the_report_names_what_was_counted_and_what_assumed() -> None:
    text = to_markdown([make_layer()], residual(2), MODEL, SAMPLES)
    for part in (
        "404",
        "3.156",
        "fc.tile1",
        "99% of devices at most",
        "~57.5914 ns",
        "trains were not counted in any layer",
    ):
        assert part in text
    unknown = to_markdown([make_layer(tiles=(make_tile(histogram=None),))], residual(2), MODEL, SAMPLES)
    assert "was not recorded" in unknown
