"""Scales and split of a weight matrix."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resbench.crossbar.mapping import ONE_ARRAY, MappingParameters, TilePlan, mapping_scale, split_sizes


@given(size=st.integers(1, 10000), limit=st.integers(0, 2000))
def test_blocks_are_few_even_and_within_the_limit(size: int, limit: int) -> None:
    sizes = split_sizes(size, limit)
    assert sum(sizes) == size
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1
    assert len(sizes) == (-(-size // limit) if limit else 1)


def test_scale_fits_the_weight_to_omega() -> None:
    weight = torch.tensor([[0.5, -0.2], [0.05, 0.02], [0.0, 0.0]])
    assert mapping_scale(weight, ONE_ARRAY) is None
    whole = mapping_scale(weight, MappingParameters(weight_scaling_omega=0.6))
    assert whole is not None
    assert (weight / whole).abs().max() == pytest.approx(0.6)
    rows = mapping_scale(weight, MappingParameters(weight_scaling_omega=0.6, weight_scaling_columnwise=True))
    assert rows is not None
    torch.testing.assert_close((weight / rows[:, None]).abs().amax(1), torch.tensor([0.6, 0.6, 0.0]))
    assert rows[2] == 1
    assert mapping_scale(torch.zeros(2, 2), MappingParameters(weight_scaling_omega=0.6)) == torch.ones(1)


def test_plan_of_a_large_convolution() -> None:
    plan = TilePlan.of((512, 4608), MappingParameters(max_input_size=512, max_output_size=512), bias=True)
    assert plan.arrays == [(512, 512)] * 9
    assert str(plan) == "512 x 4608, 9 arrays of at most 512 x 512"


def test_plan_of_one_array_has_the_bias_column_and_a_split_layer_has_none() -> None:
    analog_bias = MappingParameters(digital_bias=False, max_input_size=512)
    assert TilePlan.of((10, 512), analog_bias, bias=True).arrays == [(10, 513)]
    assert TilePlan.of((10, 513), analog_bias, bias=True).arrays == [(10, 257), (10, 256)]
    assert str(TilePlan.of((10, 4), ONE_ARRAY)) == "10 x 4, 1 array"


@pytest.mark.parametrize(
    "flag", ["weight_scaling_columnwise", "weight_scaling_lr_compensation", "out_scaling_columnwise"]
)
def test_flags_without_effect_warn(flag: str) -> None:
    with pytest.warns(UserWarning, match=f"{flag}: true has no effect without"):
        MappingParameters(**{flag: True})


@pytest.mark.parametrize("field", ["weight_scaling_omega", "max_input_size", "max_output_size"])
def test_negative_values_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field}: -1 is negative; write 0 for none"):
        dataclasses.replace(ONE_ARRAY, **{field: -1})  # type: ignore[arg-type]
