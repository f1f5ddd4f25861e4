import math

import pytest

from resbench.costs import (
    REFERENCE_PERCEPTRON,
    CostModel,
    Hardware,
    InMemory,
    agad,
    analog_sgd,
    break_even_tiles,
    energy,
    lenet5,
    mixed_precision,
    residual,
    tt_v1,
    tt_v2,
)

MODEL = CostModel(batch_size=8)


def test_the_reference_perceptron_costs_what_table_8_prints() -> None:
    spent = energy(REFERENCE_PERCEPTRON, residual(1), MODEL, update_tiles=math.inf)
    printed = (0.1107, 5.53, 7.29, 12.82, 9.44)
    computed = (round(spent.power_w, 4), spent.pulse_nj, spent.transfer_nj, spent.update_nj, spent.propagate_nj)
    assert tuple(round(value, 4 if index == 0 else 2) for index, value in enumerate(computed)) == printed
    assert spent.approximate == ""
    assert energy(REFERENCE_PERCEPTRON, mixed_precision(), MODEL).total_nj == pytest.approx(83.24)


@pytest.mark.parametrize(
    ("algorithm", "total_nj"), [(analog_sgd(), 12.21), (tt_v1(), 17.23), (tt_v2(), 16.13), (agad(), 16.13)]
)
def test_what_no_source_prints_is_marked(algorithm: InMemory, total_nj: float) -> None:
    spent = energy(REFERENCE_PERCEPTRON, algorithm, MODEL)
    assert round(spent.total_nj, 2) == total_nj
    assert spent.approximate == "derived, no source prints it"


def test_another_network_is_scaled_and_marked() -> None:
    mixed = energy(lenet5(), mixed_precision(), MODEL)
    chain = energy(lenet5(), residual(4), MODEL, update_tiles=math.inf)
    assert (round(mixed.total_nj, 1), round(chain.total_nj, 1)) == (45.5, 48.9)
    assert mixed.approximate == chain.approximate == "scaled from the reference perceptron"


def test_the_update_is_costed_for_its_own_tiles_or_for_the_bound() -> None:
    own = energy(REFERENCE_PERCEPTRON, residual(2), MODEL)
    bound = energy(REFERENCE_PERCEPTRON, residual(2), MODEL, update_tiles=math.inf)
    assert own.transfer_nj == pytest.approx(bound.transfer_nj / 2)
    assert own.propagate_nj == bound.propagate_nj


def test_more_lines_draw_more_power() -> None:
    counted = energy(REFERENCE_PERCEPTRON, residual(1), MODEL, update_tiles=math.inf, lines=1296)
    assert round(counted.pulse_nj, 3) == 5.537


def test_eight_tiles_are_the_first_to_cost_more_than_mixed_precision() -> None:
    assert round(break_even_tiles(Hardware()), 2) == 7.46
    totals = [energy(REFERENCE_PERCEPTRON, residual(n), MODEL, update_tiles=math.inf).total_nj for n in (7, 8)]
    assert totals[0] < energy(REFERENCE_PERCEPTRON, mixed_precision(), MODEL).total_nj < totals[1]
