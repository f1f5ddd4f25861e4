"""The model against numbers that its sources print, and against its own definitions."""

import math

import pytest

from resbench.costs import (
    CostModel,
    Formula,
    Hardware,
    LayerShape,
    agad,
    analog_sgd,
    c_tt_v2,
    lenet5,
    mixed_precision,
    residual,
    resnet,
    tt_v1,
    tt_v2,
)

SQUARE = [LayerShape("square", 512, 512)]
TABLE_5 = CostModel(batch_size=100)


@pytest.mark.parametrize(
    ("algorithm", "latency_ns", "storage_bytes", "memory_bits", "fp_ops"),
    [
        (analog_sgd(), 30.9, 1024, 1, 1024),
        (tt_v2(), 56.3, 263_168, 4096, 1536),
        (c_tt_v2(), 56.3, 263_168, 4608, 1536),
        (agad(), 62.1, 787_456, 12_800, 2560),
        (agad(beta_one=True), 57.7, 525_312, 8704, 1792),
        (mixed_precision(), 3024.5, 364_544, 41_943.04, 524_800),
        (residual(), 95.9, 1024, 1, 1024),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_square_layer_costs_what_the_tables_print(
    algorithm: Formula, latency_ns: float, storage_bytes: int, memory_bits: float, fp_ops: float
) -> None:
    cost = TABLE_5.cost(SQUARE, algorithm)
    assert round(cost.latency_ns, 1) == latency_ns
    assert (cost.storage_bytes, cost.memory_bits, cost.fp_ops) == (storage_bytes, memory_bits, fp_ops)


@pytest.mark.parametrize(
    ("tiles", "latency_ns"), [(1, 30.85), (2, 63.35), (3, 79.60), (4, 87.73), (6, 93.82), (8, 95.34), (10, 95.72)]
)
def test_a_finite_chain_approaches_its_bound_from_below(tiles: int, latency_ns: float) -> None:
    assert round(TABLE_5.cost(SQUARE, residual(tiles)).latency_ns, 2) == latency_ns


def test_one_tile_is_analog_sgd_and_two_are_tt_v1() -> None:
    for chain, algorithm in ((residual(1), analog_sgd()), (residual(2), tt_v1())):
        assert TABLE_5.layer_cost(SQUARE[0], chain) == TABLE_5.layer_cost(SQUARE[0], algorithm)


def test_explicit_periods_count_vectors_or_batches() -> None:
    periods = (2, 10, 50, 250, 1250)
    batches = CostModel(batch_size=8)
    assert round(batches.cost(SQUARE, residual(periods=periods)).latency_ns, 2) == 71.46
    assert round(batches.cost(SQUARE, residual(periods=periods, periods_in_batches=True)).latency_ns, 2) == 35.93


def test_periods_count_for_the_hops_that_exist() -> None:
    assert residual(3, periods=(2, 10, 50)) == residual(periods=(2, 10))
    assert residual(1, periods=(2, 10, 50)).periods == ()


def test_a_batch_of_images_is_a_batch_times_reuse_of_vectors() -> None:
    chain = residual(periods=(2,), periods_in_batches=True)
    reused = CostModel(batch_size=8).layer_cost(LayerShape("conv", 25, 16, reuse=576), chain)
    once = CostModel(batch_size=8 * 576).layer_cost(LayerShape("conv", 25, 16), chain)
    assert reused.analog_ns == once.analog_ns


def test_options_of_the_square_layer() -> None:
    two_phases = CostModel(batch_size=100, hardware=Hardware(phases=2))
    seldom = CostModel(batch_size=100, hardware=Hardware(samples_per_read=10, mean_pulses=1))
    assert round(two_phases.cost(SQUARE, tt_v2()).latency_ns, 1) == 83.8
    assert round(seldom.cost(SQUARE, agad()).latency_ns, 1) == 17.1
    assert round(TABLE_5.cost(SQUARE, residual(charge_hops=True)).latency_ns, 2) == 101.70


def test_input_loads() -> None:
    assert TABLE_5.layer_cost(SQUARE[0], mixed_precision()).input_load_bits == 8 * 1024
    assert TABLE_5.layer_cost(SQUARE[0], tt_v2()).input_load_bits == 8 * 1024 + 5 * 1024


def test_networks_have_the_published_numbers_of_weights() -> None:
    networks = [lenet5(), resnet(18, 10), resnet(18, 100), resnet(34, 10), resnet(34, 100)]
    assert [sum(layer.weights for layer in layers) for layers in networks] == [
        80_016,
        10_490_880,
        10_536_960,
        19_928_064,
        19_974_144,
    ]


def test_a_network_is_as_slow_as_its_slowest_layer_and_stores_the_sum() -> None:
    model = CostModel(batch_size=128)
    layers = resnet(18, 100)
    cost = model.cost(layers, tt_v2())
    assert round(cost.latency_ns, 1) == 126.5
    assert cost.storage_bytes == 10_587_136
    assert cost.latency_ns == model.layer_cost(LayerShape("4608 inputs", 4608, 512), tt_v2()).latency_ns


@pytest.mark.parametrize(
    ("algorithm", "microseconds"), [(analog_sgd(), 14.6), (tt_v2(), 27.6), (mixed_precision(), 9.5), (residual(), 52.0)]
)
def test_per_image_lenet5_turns_the_published_order_around(algorithm: Formula, microseconds: float) -> None:
    assert round(CostModel(batch_size=8).cost(lenet5(), algorithm).image_ns / 1000, 1) == microseconds


def test_the_conventions_differ_only_for_rectangular_layers() -> None:
    strict = CostModel(batch_size=100, convention="strict")
    rows = CostModel(batch_size=100, convention="strict", transfer="row")
    assert strict.cost(SQUARE, tt_v2()) == TABLE_5.cost(SQUARE, tt_v2())
    layer = LayerShape("fc1", 512, 128)
    words = [model.layer_cost(layer, tt_v2()).fp_ops for model in (TABLE_5, strict, rows)]
    assert words == [1024 + 512, 640 + 128, 640 + 512]


def test_area_and_devices_count_planes() -> None:
    unstacked = CostModel(batch_size=8).cost(lenet5(), residual(4))
    stacked = CostModel(batch_size=8, stack=8).cost(lenet5(), residual(4))
    assert (round(unstacked.area_mm2, 4), round(stacked.area_mm2, 4)) == (0.1024, 0.0128)
    assert unstacked.devices == 80_016 * 2 * 4
    assert CostModel(batch_size=8).cost(lenet5(), agad()).devices == 80_016 * 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: residual(0), "tiles: 0; write a whole number"),
        (lambda: residual(2.5), "tiles: 2.5"),
        (lambda: residual(3, periods=(2,)), "periods: .* with 3 tiles"),
        (lambda: residual(periods=(2, 0)), "one positive number for each hop"),
        (lambda: CostModel(batch_size=0), "batch_size: 0"),
        (lambda: CostModel(batch_size=1, convention="loose"), "convention: 'loose'; write 'paper' or 'strict'"),  # type: ignore[arg-type]
        (lambda: CostModel(batch_size=1, transfer="both"), "transfer: 'both'"),  # type: ignore[arg-type]
        (lambda: CostModel(batch_size=1, stack=0), "stack: 0"),
        (lambda: CostModel(batch_size=1, stack=math.inf), "stack: inf; write the number of stacked planes"),
        (lambda: TABLE_5.cost([], tt_v2()), "layers: none"),
        (lambda: LayerShape("fc", 0, 1), "in_features: 0 of layer fc"),
        (lambda: resnet(50, 10), "depth: 50; write 18 or 34"),
        (lambda: Hardware(pulse_ns=-1), "pulse_ns: -1; write a number above 0, as published 5"),
        (lambda: Hardware(phases=3), "phases: 3; write 1 or 2"),
        (
            lambda: CostModel(batch_size=1, hardware=Hardware(samples_per_read=1)).cost(SQUARE, residual()),
            "only converge",
        ),
    ],
)
def test_impossible_assumptions_are_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_one_sample_a_read_is_allowed_for_a_finite_chain() -> None:
    model = CostModel(batch_size=1, hardware=Hardware(samples_per_read=1))
    assert model.cost(SQUARE, residual(3)).layers[0].analog_ns == pytest.approx(25 * 3 + 40 * 2)
