"""Parameters of the analog matrix-vector product (MVM) in one direction."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from resbench.errors import BadValue, check_choice

MVType = Literal["ideal", "one_pass", "pos_neg_separate", "pos_neg_separate_digital_sum"]
WeightNoise = Literal["none", "additive_constant", "pcm_read"]
NoiseManagement = Literal["none", "abs_max", "max", "constant", "abs_max_np_sum", "average_abs_max"]
BoundManagement = Literal["none", "iterative", "iterative_worst_case"]
GradientMask = Literal["none", "saturated", "peer"]

#: A resolution above 1 and up to this number may be meant as bits, so it is refused.
LARGEST_BITS = 16


@dataclass(frozen=True)
class IOParameters:
    """Converters, noise and scaling of one direction of the analog MVM. The default is a noisy 7 bit DAC and 9 bit ADC.

    One row x becomes ``y = out_scale / s * ADC(W DAC(s x) + noise)`` with ``s = 1 / (alpha rho)``: noise management
    chooses alpha so that the row fills the input range. Bound management doubles rho until the outputs fit the output
    range. The exact order of operations is in :class:`~resbench.crossbar.periphery.product.AnalogProduct`.
    Names, units and defaults are those of IBM's aihwkit 1.1.0, enumerations in lower case. Inputs are in units of the
    DAC range, outputs in units of weight x input.

    Args:
        is_perfect: the product is exact; only ``out_scale`` is applied.
        mv_type: ``one_pass``; ``pos_neg_separate``: negative and positive inputs in two analog passes, added before
            the ADC; ``pos_neg_separate_digital_sum``: added after the ADC; ``ideal``: as ``is_perfect``.
        inp_bound: DAC range, plus or minus; 0 or below for none. Must be 1 under noise management.
        out_bound: ADC range, plus or minus; 0 or below for none.
        inp_res: DAC resolution: bin width as a fraction of the full range, or a number of steps above 16; 0 or below
            for no rounding.
        out_res: ADC resolution, as ``inp_res``.
        inp_bits: DAC resolution in bits, instead of ``inp_res``: n bits are ``inp_res = 1 / (2^n - 2)``.
        out_bits: ADC resolution in bits, instead of ``out_res``.
        inp_sto_round: unbiased stochastic rounding in the DAC.
        out_sto_round: the same in the ADC.
        inp_noise: standard deviation of the noise on each converted input. It is added after the clip, so inputs may
            leave the range.
        out_noise: standard deviation of the noise on each output before the ADC.
        out_noise_std: relative spread of ``out_noise`` over the outputs of an array.
        w_noise: read noise of the weights, referred to the output.
        w_noise_type: ``additive_constant``: standard deviation ``w_noise ||u||_2``; ``pcm_read``: ``w_noise
            sqrt(sum_j |W_ij| u_j^2)``.
        out_scale: factor on the digital result.
        noise_management: alpha of a row x. ``none``: 1; ``abs_max``: ``max |x_j|``; ``max``: ``max x_j``;
            ``constant``: ``nm_thres``; ``abs_max_np_sum``: at least as large as needed to keep the outputs of an
            assumed weight in range; ``average_abs_max``: a running mean of ``max |x_j|`` over all rows that the array
            sees, in both directions, in training and evaluation.
        nm_thres: largest alpha, if above 0. For ``constant``, it is alpha (1 if it is 0).
        nm_assumed_wmax: weight assumed by ``abs_max_np_sum``.
        nm_decay: rate of the running mean of ``average_abs_max``.
        bound_management: what happens to a row with an output beyond the ADC range: ``none`` clips; ``iterative``
            repeats the row with its input halved; ``iterative_worst_case`` takes alpha of ``abs_max_np_sum`` for the
            second pass and then halves. The backward direction and transfer reads never repeat.
        max_bm_factor: no further pass once the input is divided by more than this.
        max_bm_res: no further pass once a DAC step is more than this fraction of the reduced input.
        bm_test_negative_bound: whether outputs below the negative bound repeat a row.
        inp_asymmetry: relative loss of negative inputs.
        out_asymmetry: relative loss of negative outputs.
        ir_drop: strength of the voltage drop along the lines; 1 is physical, 0 is off.
        ir_drop_g_ratio: conductance of a wire segment over that of the largest weight.
        out_nonlinearity: output saturation ``z / (1 + n |z|)``, n in units of 1 / ``out_bound``.
        out_nonlinearity_std: its relative spread over the outputs.
        slope_calibration: fraction of the output range at which the slope is calibrated against the nonlinearity; 0
            for not at all.
        v_offset_std: spread of the voltage offset of the outputs; negative draws count as 0.
        v_offset_w_min: weight of the reference conductance on which the offset acts; 0 for no reference.
        r_series: series resistance of the output.
        w_read_asymmetry_dtod: device-to-device spread between reads of negative and positive inputs (two-pass
            ``mv_type`` only).
        grad_mask: which outputs pass no gradient to the input (forward direction only). ``none``: all pass;
            ``saturated``: those clipped by the ADC do not; ``peer``: those of magnitude ``0.999 out_scale out_bound``
            or more do not, whatever the converter did, even in a perfect periphery: aihwkit's rule, for parity runs.
        noise_in_training: whether noise and stochastic rounding are on in training mode.
        noise_in_evaluation: the same in evaluation mode.

    Raises:
        BadValue: for an unknown choice, an impossible value or a contradiction.
    """

    is_perfect: bool = False
    mv_type: MVType = "one_pass"
    inp_bound: float = 1.0
    out_bound: float = 12.0
    inp_res: float = 1 / 126
    out_res: float = 1 / 510
    inp_bits: int | None = None
    out_bits: int | None = None
    inp_sto_round: bool = False
    out_sto_round: bool = False
    inp_noise: float = 0.0
    out_noise: float = 0.06
    out_noise_std: float = 0.0
    w_noise: float = 0.0
    w_noise_type: WeightNoise = "none"
    out_scale: float = 1.0
    noise_management: NoiseManagement = "abs_max"
    nm_thres: float = 0.0
    nm_assumed_wmax: float = 0.6
    nm_decay: float = 1e-3
    bound_management: BoundManagement = "iterative"
    max_bm_factor: float = 1000.0
    max_bm_res: float = 0.25
    bm_test_negative_bound: bool = True
    inp_asymmetry: float = 0.0
    out_asymmetry: float = 0.0
    ir_drop: float = 0.0
    ir_drop_g_ratio: float = 1 / (0.35 * 5e-6)
    out_nonlinearity: float = 0.0
    out_nonlinearity_std: float = 0.0
    slope_calibration: float = 0.0
    v_offset_std: float = 0.0
    v_offset_w_min: float = -1.0
    r_series: float = 0.0
    w_read_asymmetry_dtod: float = 0.0
    grad_mask: GradientMask = "saturated"
    noise_in_training: bool = True
    noise_in_evaluation: bool = True

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        for name, number in vars(self).items():
            if isinstance(number, float) and math.isnan(number):
                raise BadValue(name, number, "is no number; write one")
        for name in NOT_NEGATIVE:
            if not ((number := getattr(self, name)) >= 0 and math.isfinite(number)):
                raise BadValue(name, number, "is impossible; write a finite number, 0 for none")
        for name in ("inp_bound", "out_bound"):
            if not math.isfinite(bound := getattr(self, name)):
                raise BadValue(name, bound, "is not finite, so a converter has no step; write 0 for no bound")
        for side in ("inp", "out"):
            _check_resolution(side, getattr(self, f"{side}_res"), getattr(self, f"{side}_bits"))
        if self.noise_management != "none" and self.inp_bound != 1:
            raise BadValue(
                "inp_bound",
                self.inp_bound,
                f"does not go with noise_management {self.noise_management}, which scales inputs to 1; write 1, or "
                "noise_management none",
            )
        if self.out_bound <= 0 and (self.out_nonlinearity > 0 or self.slope_calibration > 0):
            raise BadValue(
                "out_bound",
                self.out_bound,
                "is no range, but out_nonlinearity and slope_calibration need one; write a number above 0",
            )
        if not self.ir_drop_g_ratio > 0:
            raise BadValue("ir_drop_g_ratio", self.ir_drop_g_ratio, "is impossible; write a number above 0")

    @property
    def is_exact(self) -> bool:
        """Whether the product is exact, except for ``out_scale``."""
        return self.is_perfect or self.mv_type == "ideal"

    @property
    def is_common(self) -> bool:
        """Whether the compiled kernel has every effect; if not, torch computes the product."""
        rare = self.ir_drop, self.v_offset_std, self.r_series, self.out_nonlinearity
        return self.mv_type == "one_pass" and self.bound_management != "iterative_worst_case" and not any(rare)

    @cached_property
    def inp_step(self) -> float:
        """Step of the DAC, 0 for no rounding."""
        return _step(self.inp_bound, self.inp_res, self.inp_bits)

    @cached_property
    def out_step(self) -> float:
        """Step of the ADC, 0 for no rounding."""
        return _step(self.out_bound, self.out_res, self.out_bits)

    @cached_property
    def noiseless(self) -> IOParameters:
        """The same periphery without random effects in each pass; the fixed spread between outputs stays."""
        return dataclasses.replace(
            self, inp_noise=0.0, out_noise=0.0, w_noise=0.0, inp_sto_round=False, out_sto_round=False
        )

    @cached_property
    def varies(self) -> tuple[bool, bool]:
        """Whether two passes of the same rows differ, as (in evaluation, in training)."""
        noisy, moves = self != self.noiseless, self.noise_management == "average_abs_max"
        return (noisy and self.noise_in_evaluation) or moves, (noisy and self.noise_in_training) or moves

    @cached_property
    def unmanaged(self) -> IOParameters:
        """The same periphery without noise and bound management, as in transfer reads."""
        return dataclasses.replace(self, noise_management="none", bound_management="none")

    def __str__(self) -> str:
        """One line: levels and grids of the converters, noise, management."""
        if self.is_exact:
            return "perfect" if self.out_scale == 1 else f"perfect, out_scale {self.out_scale:g}"
        dac, adc = _converter(self.inp_bound, self.inp_step), _converter(self.out_bound, self.out_step)
        return (
            f"DAC {dac}, ADC {adc}, out_noise {self.out_noise:g}, noise management {self.noise_management}, "
            f"bound management {self.bound_management}"
        )


CHOICES: dict[str, tuple[str, ...]] = {
    "mv_type": get_args(MVType),
    "w_noise_type": get_args(WeightNoise),
    "noise_management": get_args(NoiseManagement),
    "bound_management": get_args(BoundManagement),
    "grad_mask": get_args(GradientMask),
}
NOT_NEGATIVE = (
    *("inp_noise", "out_noise", "out_noise_std", "w_noise", "nm_assumed_wmax", "nm_decay", "ir_drop"),
    *("out_nonlinearity", "out_nonlinearity_std", "slope_calibration", "v_offset_std", "r_series"),
    "w_read_asymmetry_dtod",
)
DEFAULT_RES = {"inp": 1 / 126, "out": 1 / 510}


def _check_resolution(side: str, res: float, bits: int | None) -> None:
    if bits is not None:
        if not (bits >= 2 and math.isfinite(bits) and bits == int(bits)):
            hint = f"is impossible; write a whole number of 2 or more, or {side}_res 0 for no rounding"
            raise BadValue(f"{side}_bits", bits, hint)
        if res != DEFAULT_RES[side]:
            raise BadValue(f"{side}_res, {side}_bits", f"{res:g} and {bits}", "are both given; write one of them")
    elif 1 < res <= LARGEST_BITS:
        hint = f"may mean bits or steps; write {side}_bits {res:g} for bits, or {side}_res {1 / res:.6g} for steps"
        raise BadValue(f"{side}_res", f"{res:g}", hint)
    elif not math.isfinite(res):
        raise BadValue(f"{side}_res", res, "is no resolution; write 0 for no rounding")


def _step(bound: float, res: float, bits: int | None) -> float:
    if bound <= 0:  # no range, so no levels in it, whatever the resolution
        return 0.0
    if bits is not None:
        res = 1 / (2**bits - 2)
    elif res > 1:
        res = 1 / res
    return max(2 * bound * res, 0.0)


def _converter(bound: float, step: float) -> str:
    if bound <= 0:
        return "unbounded"
    if step == 0:
        return f"+-{bound:g} without rounding"
    levels = round(2 * bound / step) + 1
    return f"+-{bound:g}, {levels} levels ({math.log2(levels):.1f} bits), step {step:.4g}"


#: The exact product.
PERFECT = IOParameters(is_perfect=True)
