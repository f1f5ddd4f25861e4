"""The analog matrix-vector product; weights and inputs are multiples of 1/8 where results must be bit-equal."""

import dataclasses
import math
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from resbench.crossbar.periphery import PERFECT, IOParameters, Periphery
from resbench.crossbar.periphery.parameters import BoundManagement, NoiseManagement
from resbench.crossbar.randomness import Stream
from resbench.errors import BadValue

#: Everything random at once, on grids of powers of two and with a range that bound management has to enforce.
NOISY = IOParameters(
    inp_res=1 / 128,
    out_res=1 / 512,
    out_bound=2.0,
    inp_noise=0.03125,
    out_noise=0.0625,
    out_noise_std=0.5,
    w_noise=0.03125,
    w_noise_type="additive_constant",
    inp_sto_round=True,
    out_sto_round=True,
)
QUIET = NOISY.noiseless


def dyadic(*shape: int, seed: int) -> Tensor:
    """Multiples of 1/8 in [-1, 1]."""
    return torch.round(Stream.from_seed(seed).uniform(shape) * 16 - 8) / 8


def periphery(io: IOParameters, weight: Tensor, backward: IOParameters = PERFECT) -> Periphery:
    return Periphery((weight.shape[0], weight.shape[1]), io, backward, Stream.from_seed(7))


WEIGHT = dyadic(5, 12, seed=1)
ROWS = dyadic(40, 12, seed=2)


def one_row(weight: Tensor, x: Tensor, io: IOParameters) -> Tensor:
    """The algorithm for one row as the textbook has it, without noise and rare effects: loops and ifs."""

    def convert(values: Tensor, step: float, bound: float) -> tuple[Tensor, Tensor]:
        values = torch.round(values / step) * step if step > 0 else values
        return (values.clamp(-bound, bound) if bound > 0 else values), values

    def alpha(rule: str) -> float:
        peak = x.max() if rule == "max" else x.abs().max()
        peak = peak.clamp(max=io.nm_thres) if io.nm_thres > 0 else peak
        if rule == "abs_max_np_sum":
            needed = 0.6 * torch.maximum(x[x > 0].sum(), -x[x < 0].sum()) / (io.out_bound if io.out_bound > 0 else 1.0)
            needed = torch.minimum(needed, peak * io.max_bm_res / io.inp_step) if io.inp_step > 0 else needed
            return float(torch.maximum(peak, needed))
        return {"none": 1.0, "constant": io.nm_thres or 1.0}.get(rule, float(peak))

    scale = alpha(io.noise_management)
    if io.noise_management != "none" and scale <= 0:
        return torch.zeros(len(weight))
    rho, passes = 1.0, 0
    while True:
        passes += 1
        u, _ = convert(x / (scale * rho), io.inp_step, io.inp_bound)
        z, raw = convert(weight @ u, io.out_step, io.out_bound)
        negative_hit = io.bm_test_negative_bound and bool((raw < -io.out_bound).any())
        hit = io.out_bound > 0 and (bool((raw > io.out_bound).any()) or negative_hit)
        stopped = math.floor(rho) > io.max_bm_factor or (io.inp_step > 0 and rho > io.max_bm_res / io.inp_step)
        if io.bound_management == "none" or not hit or stopped:
            return z * io.out_scale * scale * rho
        if io.bound_management == "iterative_worst_case" and passes == 1 and io.noise_management != "abs_max_np_sum":
            scale = alpha("abs_max_np_sum")
        else:
            rho *= 2


@given(
    noise_management=st.sampled_from(["none", "abs_max", "max", "constant", "abs_max_np_sum"]),
    nm_thres=st.sampled_from([0.0, 0.5]),
    bound_management=st.sampled_from(["none", "iterative", "iterative_worst_case"]),
    out_bound=st.sampled_from([0.0, 0.5, 2.0, 12.0]),
    inp_res=st.sampled_from([0.0, 1 / 126, 1 / 14]),
    out_res=st.sampled_from([0.0, 1 / 510]),
    bm_test_negative_bound=st.booleans(),
    max_bm_factor=st.sampled_from([3.0, 1000.0]),
    out_scale=st.sampled_from([1.0, 2.5]),
)
def test_batches_follow_the_algorithm_for_one_row(**fields: Any) -> None:
    io = IOParameters(out_noise=0.0, **fields)
    weight, x = (Stream.from_seed(11).child(name).normal((30, 9)) for name in "wx")
    weight, x = weight[:4].double(), torch.cat([x, torch.zeros(1, 9)]).double()
    torch.testing.assert_close(periphery(io, weight)(weight, x), torch.stack([one_row(weight, row, io) for row in x]))


def test_perfect_is_a_matrix_product_times_out_scale() -> None:
    torch.testing.assert_close(periphery(PERFECT, WEIGHT)(WEIGHT, ROWS), ROWS @ WEIGHT.T, rtol=0, atol=0)
    scaled = dataclasses.replace(PERFECT, out_scale=2.5)
    torch.testing.assert_close(periphery(scaled, WEIGHT)(WEIGHT, ROWS), 2.5 * (ROWS @ WEIGHT.T))


def test_rows_are_independent_of_their_order_without_noise() -> None:
    order = torch.randperm(len(ROWS), generator=torch.Generator().manual_seed(0))
    y = periphery(QUIET, WEIGHT)(WEIGHT, ROWS)
    assert torch.equal(periphery(QUIET, WEIGHT)(WEIGHT, ROWS[order]), y[order])


def test_rows_are_independent_of_their_order_in_distribution() -> None:
    two = ROWS[:2].repeat(4000, 1)
    forward, reverse = (periphery(NOISY, WEIGHT)(WEIGHT, rows) for rows in (two, two.flip(0)))
    for row in range(2):
        here, there = forward[row::2], reverse[1 - row :: 2]
        torch.testing.assert_close(here.mean(0), there.mean(0), rtol=0, atol=0.02)
        torch.testing.assert_close(here.std(0), there.std(0), rtol=0.1, atol=0.0)


@pytest.mark.parametrize("io", [NOISY, dataclasses.replace(NOISY, mv_type="pos_neg_separate_digital_sum")])
def test_the_result_does_not_depend_on_how_rows_are_batched(io: IOParameters) -> None:
    whole = periphery(io, WEIGHT, io)
    parts = periphery(io, WEIGHT, io)
    assert torch.equal(whole(WEIGHT, ROWS), torch.cat([parts(WEIGHT, part) for part in ROWS.split(7)]))
    d = ROWS[:, :5]
    assert torch.equal(whole.backward(WEIGHT, d), torch.cat([parts.backward(WEIGHT, part) for part in d.split(3)]))


def test_running_mean_does_not_depend_on_how_rows_are_batched() -> None:
    io = IOParameters(noise_management="average_abs_max")
    rows = torch.cat([torch.zeros(2, 12), 3 * Stream.from_seed(3).normal((3000, 12))])
    whole, parts = periphery(io, WEIGHT), periphery(io, WEIGHT)
    whole(WEIGHT, rows)
    for part in rows.split(411):
        parts(WEIGHT, part)
    torch.testing.assert_close(whole.running, parts.running, rtol=1e-12, atol=0)
    mean = rows[2].abs().max().double()
    for row in rows[2:]:
        mean = 0.999 * mean + 0.001 * row.abs().max().double()
    torch.testing.assert_close(whole.running[0], mean, rtol=1e-9, atol=0)


def test_evaluation_does_not_change_the_noise_of_training() -> None:
    plain, validated = periphery(NOISY, WEIGHT), periphery(NOISY, WEIGHT)
    validated.eval()
    seen = validated(WEIGHT, ROWS)
    validated.train()
    y = plain(WEIGHT, ROWS)
    assert torch.equal(validated(WEIGHT, ROWS), y)
    assert not torch.equal(seen, y)


def test_noise_can_be_switched_off_for_evaluation() -> None:
    io = dataclasses.replace(NOISY, noise_in_evaluation=False)
    switched, quiet = periphery(io, WEIGHT), periphery(QUIET, WEIGHT)
    assert not torch.equal(switched(WEIGHT, ROWS), quiet(WEIGHT, ROWS))
    assert torch.equal(switched.eval()(WEIGHT, ROWS), quiet(WEIGHT, ROWS))


def test_a_checkpoint_continues_the_noise() -> None:
    io = dataclasses.replace(NOISY, noise_management="average_abs_max")
    straight = periphery(io, WEIGHT, io)
    straight(WEIGHT, ROWS)
    straight.backward(WEIGHT, ROWS[:, :5])
    resumed = Periphery((5, 12), io, io, Stream.from_seed(7))
    resumed.load_state_dict(straight.state_dict())
    assert torch.equal(resumed(WEIGHT, ROWS), straight(WEIGHT, ROWS))
    assert torch.equal(resumed.backward(WEIGHT, ROWS[:, :5]), straight.backward(WEIGHT, ROWS[:, :5]))


def test_a_row_of_zeros_gives_zeros_where_noise_management_finds_no_scale() -> None:
    zeros = torch.zeros(3, 12)
    assert not periphery(IOParameters(), WEIGHT)(WEIGHT, zeros).any()
    assert periphery(IOParameters(noise_management="none"), WEIGHT)(WEIGHT, zeros).any()
    assert periphery(IOParameters(inp_noise=0.1), WEIGHT)(WEIGHT, zeros).any()


@pytest.mark.parametrize("kind", get_args(NoiseManagement))
@pytest.mark.parametrize("bound_management", get_args(BoundManagement))
def test_a_nan_stays_one_in_its_row_and_in_no_other(kind: NoiseManagement, bound_management: BoundManagement) -> None:
    io = IOParameters(out_noise=0.0, out_bound=1.0, noise_management=kind, bound_management=bound_management)
    rows = ROWS[:6].clone()
    rows[2, 3] = math.nan
    one, other = periphery(io, WEIGHT, io), periphery(io, WEIGHT, io)
    keep = [0, 1, 3, 4, 5]
    y, d = one(WEIGHT, rows), one.backward(WEIGHT, rows[:, :5])
    assert y[2].isnan().all()
    assert d[2].isnan().all()
    torch.testing.assert_close(y[keep], other(WEIGHT, rows[keep]))
    torch.testing.assert_close(d[keep], other.backward(WEIGHT, rows[keep, :5]))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_running_mean_passes_over_rows_that_are_not_finite(value: float) -> None:
    io = IOParameters(out_noise=0.0, noise_management="average_abs_max")
    array, rows = periphery(io, WEIGHT), ROWS[1:4].clone()
    rows[0, 0] = rows[2, 5] = value
    y = array(WEIGHT, rows)
    assert y.isfinite().all(dim=1).tolist() == [False, True, False]
    assert array.running.item() == rows[1].abs().max().item()
    assert array(WEIGHT, rows[1:2]).isfinite().all()


def test_a_zero_error_gives_a_zero_gradient_whatever_the_noise() -> None:
    d = torch.tensor([[0.0] * 5, [1.0] * 5])
    io = IOParameters(noise_management="none", inp_noise=0.1)
    gradient = periphery(PERFECT, WEIGHT, io).backward(WEIGHT, d)
    assert not gradient[0].any()
    assert gradient[1].any()


def test_no_rows_give_no_outputs() -> None:
    assert periphery(NOISY, WEIGHT)(WEIGHT, torch.zeros(0, 12)).shape == (0, 5)


def test_bound_management_repeats_only_rows_that_hit_the_bound() -> None:
    clipped = dataclasses.replace(NOISY, bound_management="none")
    managed, (plain, masked) = periphery(NOISY, WEIGHT)(WEIGHT, ROWS), periphery(clipped, WEIGHT).multiply(WEIGHT, ROWS)
    assert masked is not None
    hit = masked.any(dim=1)
    assert 0 < hit.sum() < len(ROWS)
    assert torch.equal(managed[~hit], plain[~hit])
    exact = ROWS @ WEIGHT.T
    assert ((managed - exact)[hit]).abs().max() < ((plain - exact)[hit]).abs().max()


def test_backward_ignores_bound_management() -> None:
    d = torch.full((1, 5), 1.0)
    io = IOParameters(out_noise=0.0, out_bound=0.25)
    assert periphery(PERFECT, WEIGHT, io).backward(WEIGHT, d).abs().max() <= 0.25


def test_double_precision_agrees_with_single() -> None:
    io = dataclasses.replace(
        NOISY, inp_res=0.0, out_res=0.0, out_bound=0.0, ir_drop=1.0, ir_drop_g_ratio=50.0, r_series=0.1
    )
    rows = Stream.from_seed(4).normal((20, 12))
    single, double = (periphery(io, WEIGHT)(WEIGHT, x) for x in (rows, rows.double()))
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-5)


def test_half_precision_is_computed_in_single() -> None:
    rows = ROWS.to(torch.bfloat16)
    y = periphery(QUIET, WEIGHT)(WEIGHT, rows)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, periphery(QUIET, WEIGHT)(WEIGHT, ROWS).to(torch.bfloat16))


def test_outputs_lie_on_the_grid_of_the_converter() -> None:
    io = IOParameters(out_bits=5, noise_management="none")
    y = periphery(io, WEIGHT)(WEIGHT, ROWS / 4)
    assert io.out_step == pytest.approx(24 / 30)
    torch.testing.assert_close(y / io.out_step, torch.round(y / io.out_step))


@pytest.mark.parametrize("io", [PERFECT, IOParameters(out_noise=0.0, inp_res=0.0, out_res=0.0, out_bound=0.5)])
def test_lines_are_read_one_at_a_time_without_management(io: IOParameters) -> None:
    lines = torch.tensor([3, 0, 3])
    reader = periphery(io, WEIGHT, io)
    bound = 0.5 if io.out_bound == 0.5 else 1.0
    assert torch.equal(reader.read_columns(WEIGHT, lines), WEIGHT[:, lines].T.clamp(-bound, bound))
    assert torch.equal(reader.read_rows(WEIGHT, lines), WEIGHT[lines].clamp(-bound, bound))


def test_repeated_reads_have_fresh_noise() -> None:
    reader = periphery(IOParameters(), WEIGHT)
    line = torch.tensor([3])
    assert not torch.equal(reader.read_columns(WEIGHT, line), reader.read_columns(WEIGHT, line))


def test_masks_of_the_gradient() -> None:
    weight, row = torch.tensor([[1.0], [0.25]]), torch.tensor([[0.5]])
    io = IOParameters(out_noise=0.0, out_bound=0.5, bound_management="none")

    def mask(rule: Any, x: Tensor) -> list[bool] | None:
        _, masked = periphery(dataclasses.replace(io, grad_mask=rule), weight).multiply(weight, x)
        return None if masked is None else masked[0].tolist()

    assert mask("none", row) is None
    assert mask("saturated", row) == [True, False]  # the ADC sees 1.0 and 0.25 ...
    assert mask("peer", row) == [False, False]  # ... and the layer 0.25 and 0.125
    assert mask("peer", 8 * row) == [True, True]


def test_voltage_offsets_are_never_negative() -> None:
    product = Periphery((20000, 1), IOParameters(v_offset_std=0.2), PERFECT, Stream.from_seed(1)).forward_product
    assert product.v_offset is not None
    assert product.v_offset.min() == 0
    assert (product.v_offset == 0).float().mean() == pytest.approx(0.5, abs=0.02)
    assert product.v_offset.square().mean() == pytest.approx(0.02, rel=0.05)


def test_two_pass_reads_see_other_weights_for_negative_inputs() -> None:
    io = IOParameters(out_noise=0.0, mv_type="pos_neg_separate", w_read_asymmetry_dtod=0.2, inp_res=0.0, out_res=0.0)
    x = dyadic(1, 12, seed=5).abs()
    reader = periphery(io, WEIGHT)
    torch.testing.assert_close(reader(WEIGHT, x), x @ WEIGHT.T)
    assert reader.forward_product.read_asymmetry is not None
    torch.testing.assert_close(reader(WEIGHT, -x), -x @ (WEIGHT * reader.forward_product.read_asymmetry).T)


def test_voltage_offset_and_series_resistance_follow_their_formulas() -> None:
    x = dyadic(3, 12, seed=6)
    scale = x.abs().amax(dim=1, keepdim=True)
    z, q = (x / scale) @ WEIGHT.T, (x / scale).sum(dim=1, keepdim=True)

    def outputs(**fields: float) -> tuple[Tensor, Tensor | None]:
        io = dataclasses.replace(IOParameters(out_noise=0.0, inp_res=0.0, out_bound=0.0), **fields)  # type: ignore[arg-type]
        reader = periphery(io, WEIGHT)
        return reader(WEIGHT, x) / scale, reader.forward_product.v_offset

    y, v = outputs(v_offset_std=0.1)
    torch.testing.assert_close(y, z * (1 - v) - 2 * v * q)  # type: ignore[operator]
    y, _ = outputs(r_series=0.1)
    torch.testing.assert_close(y, (z + q) / (1 + 0.1 * (z + q).abs()) - q / (1 + 0.1 * q.abs()))
    y, v = outputs(v_offset_std=0.1, r_series=0.1, v_offset_w_min=0.0)
    torch.testing.assert_close(y, z * (1 - v) / (1 + 0.1 * z.abs()))  # type: ignore[operator]


#: Every way to write a range or a resolution that is not there.
OFF = st.sampled_from([0.0, -0.0, -1.0, -0.25, -12.0, -1e-9])


@given(
    bounds=st.tuples(OFF, OFF),
    resolutions=st.tuples(OFF, OFF),
    bits=st.tuples(st.sampled_from([None, 2, 7]), st.sampled_from([None, 2, 7])),
    bound_management=st.sampled_from(get_args(BoundManagement)),
    rounding=st.booleans(),
)
def test_converters_that_are_off_leave_the_product_alone(
    bounds: tuple[float, float],
    resolutions: tuple[float, float],
    bits: tuple[int | None, int | None],
    bound_management: BoundManagement,
    rounding: bool,
) -> None:
    """A side without a range has no levels, whatever its resolution says."""
    fields: dict[str, Any] = {}
    for side, bound, res, width in zip(("inp", "out"), bounds, resolutions, bits, strict=True):
        fields[f"{side}_bound"] = bound
        fields |= {f"{side}_res": res} if width is None else {f"{side}_bits": width}
    io = IOParameters(
        out_noise=0.0,
        noise_management="none",
        bound_management=bound_management,
        inp_sto_round=rounding,
        out_sto_round=rounding,
        **fields,
    )
    weight, x = torch.tensor([[0.3, -0.7], [2.0, 5.0]]), torch.tensor([[3.7, -0.01], [0.0, 40.0]])
    assert torch.equal(Periphery((2, 2), io, PERFECT)(weight, x), x @ weight.T)


@given(st.sampled_from(["inp", "out"]), OFF, st.floats(0.5, 20.0))
def test_a_range_without_resolution_clips_and_does_not_round(side: str, res: float, bound: float) -> None:
    fields: dict[str, Any] = {"inp_bound": 0.0, "out_bound": 0.0, f"{side}_bound": bound, f"{side}_res": res}
    io = IOParameters(out_noise=0.0, noise_management="none", bound_management="none", **fields)
    x = torch.linspace(-30.0, 30.0, 101)[:, None]
    torch.testing.assert_close(Periphery((1, 1), io, PERFECT)(torch.ones(1, 1), x), x.clamp(-bound, bound))


def test_bits_are_counted_without_the_sign_symmetric_zero() -> None:
    assert IOParameters(inp_bits=7, out_bits=9) == dataclasses.replace(IOParameters(), inp_bits=7, out_bits=9)
    assert IOParameters(inp_bits=7).inp_step == pytest.approx(1 / 63)
    assert IOParameters(inp_res=126).inp_step == pytest.approx(1 / 63)
    assert IOParameters(inp_res=-1).inp_step == 0
    assert IOParameters(out_bound=0.0).out_step == 0


def test_a_description_names_levels_and_steps() -> None:
    assert str(PERFECT) == "perfect"
    assert "DAC +-1, 127 levels (7.0 bits), step 0.01587" in str(IOParameters())
    assert "unbounded" in str(IOParameters(out_bound=0.0))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bound_management": "shift"}, "bound_management: 'shift' is unknown; write one of none, iterative"),
        ({"mv_type": "bit_wise"}, "mv_type: 'bit_wise' is unknown"),
        ({"noise_management": "ABS_MAX"}, "write one of none, abs_max"),
        ({"inp_bound": 2.0}, "inp_bound: 2.0 does not go with noise_management abs_max"),
        ({"out_bound": float("inf")}, "out_bound: inf .* write 0 for no bound"),
        ({"inp_res": 7}, "inp_res: 7 may mean bits or steps; write inp_bits 7 for bits, or inp_res 0.142857 for steps"),
        ({"inp_res": 0.1, "inp_bits": 4}, "inp_res, inp_bits: 0.1 and 4 are both given; write one"),
        ({"out_bits": 1}, "out_bits: 1 is impossible"),
        ({"inp_bits": math.inf}, "inp_bits: inf is impossible"),
        ({"max_bm_factor": math.nan}, "max_bm_factor: nan is no number"),
        ({"out_noise": -0.1}, "out_noise: -0.1 is impossible"),
        ({"out_bound": 0.0, "out_nonlinearity": 0.1}, "need one"),
        ({"ir_drop_g_ratio": 0.0}, "ir_drop_g_ratio"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadValue, match=message):
        IOParameters(**fields)
