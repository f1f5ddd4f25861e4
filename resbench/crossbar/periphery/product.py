"""The analog matrix-vector product in one direction, in torch: the readable reference of the compiled kernel.

``compiled.py`` does the same operations in the same order in one call of a kernel, for float32 on the CPU. Rare
effects, double precision and GPUs are computed here.

Source: behaviour of IBM's aihwkit 1.1.0 on its CPU backend, which is the reference if its backends differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from resbench.crossbar.functions import sqrt
from resbench.crossbar.periphery.draws import Draws
from resbench.crossbar.periphery.noise_management import alpha_of
from resbench.crossbar.periphery.parameters import IOParameters
from resbench.crossbar.randomness import Stream


class AnalogProduct(nn.Module):
    """``y = W x`` through converters, for each row of a batch separately.

    Noise management gives each row x an alpha. The order is: ``u = DAC(x / (alpha rho))`` (round, clip), input noise,
    input asymmetry; ``z = W u``, IR drop, voltage offset and series resistance, read noise; output nonlinearity, output
    asymmetry, output noise, ADC (round, clip); ``y = out_scale alpha rho z``. If an output is beyond the range of the
    ADC before the clip, bound management repeats this row, and only this row, with twice the rho and new noise. A row
    with an alpha of 0 gives exactly 0, and one with a NaN gives NaN in every output.

    Args:
        io: parameters of the direction.
        shape: ``(outputs, inputs)`` of the product.
        stream: random stream of the direction.
        zeros_are_off: whether a row of zeros gives zeros whatever the noise.

    Attributes:
        out_sigma: standard deviation of the output noise, ``[outputs]``; only with a spread.
        v_offset: voltage offset, ``[outputs]``; only with ``v_offset_std``.
        saturation: nonlinearity n, ``[outputs]``; only with ``out_nonlinearity``.
        read_asymmetry: factor on the weights for negative inputs, ``[outputs, inputs]``; only with
            ``w_read_asymmetry_dtod`` in a two-pass read.
    """

    out_sigma: Tensor | None
    v_offset: Tensor | None
    saturation: Tensor | None
    read_asymmetry: Tensor | None

    def __init__(self, io: IOParameters, shape: tuple[int, int], stream: Stream, zeros_are_off: bool = False) -> None:
        super().__init__()
        self.io = io
        self.shape = shape
        self.zeros_are_off = zeros_are_off
        two_pass = io.mv_type.startswith("pos_neg")

        def fix(name: str, used: bool, shape: tuple[int, ...], value: Callable[[Tensor], Tensor]) -> None:
            used = used and not io.is_exact
            self.register_buffer(name, value(stream.child(name).normal(shape)) if used else None)

        outputs = shape[:1]
        fix("out_sigma", io.out_noise_std > 0, outputs, lambda xi: (io.out_noise * (1 + io.out_noise_std * xi)).abs())
        fix("v_offset", io.v_offset_std > 0, outputs, lambda xi: (io.v_offset_std * xi).clamp(min=0.0))
        fix(
            "saturation",
            io.out_nonlinearity > 0,
            outputs,
            lambda xi: (io.out_nonlinearity / io.out_bound * (1 + io.out_nonlinearity_std * xi)).abs(),
        )
        has_asymmetry = two_pass and io.w_read_asymmetry_dtod > 0
        fix("read_asymmetry", has_asymmetry, shape, lambda xi: 1 + io.w_read_asymmetry_dtod * xi)

    def exact(self, weight: Tensor, x: Tensor) -> Tensor:
        """The product of a perfect periphery, ``out_scale W x``."""
        y = x @ weight.T
        return y if self.io.out_scale == 1 else y * self.io.out_scale

    def effective(self, managed: bool) -> IOParameters:
        """The parameters that apply in this mode, training or evaluation; ``managed`` as in :meth:`forward`."""
        io = self.io if managed else self.io.unmanaged
        return io if (io.noise_in_training if self.training else io.noise_in_evaluation) else io.noiseless

    def forward(
        self, weight: Tensor, x: Tensor, running: Tensor, draws: Draws, managed: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Product of every row.

        Args:
            weight: ``[outputs, inputs]``.
            x: rows ``[n, inputs]``; n may be 0.
            running: running mean of ``average_abs_max``, changed in place.
            draws: random numbers of the rows.
            managed: False switches noise and bound management off.

        Returns:
            y ``[n, outputs]``, and bool ``[n, outputs]`` where the ADC clipped the value that was kept, or None if
            nothing can clip.
        """
        if not len(x):
            return x.new_zeros(0, weight.shape[0]), None
        io = self.effective(managed)
        alpha = alpha_of(io.noise_management, x, io, running)
        off = alpha <= 0  # False for NaN, so that a row with a NaN stays one and a network that diverged is seen
        on = ~off if io.inp_noise == 0 else torch.ones_like(off)
        if self.zeros_are_off:
            on &= x.any(dim=1)
        scale = torch.where(off, 1.0, alpha)[:, None]
        worst_case = io.bound_management == "iterative_worst_case" and io.noise_management != "abs_max_np_sum"
        rho = 1.0
        z, clipped, repeat = self._attempt(io, weight, x, scale, draws)
        y = z * (io.out_scale * scale)
        repeat &= on
        rows = torch.arange(len(x), device=x.device)
        while io.bound_management != "none" and not _stops(io, rho):
            again = torch.nonzero(repeat)[:, 0]
            if not len(again):
                break
            rows, x, scale, draws = rows[again], x[again], scale[again], draws.again(again)
            if worst_case and draws.attempt == 1:
                alpha = alpha_of("abs_max_np_sum", x, io, running)
                scale = torch.where(alpha <= 0, 1.0, alpha)[:, None]
            else:
                rho *= 2
            z, clipped[rows], repeat = self._attempt(io, weight, x, scale * rho, draws)
            y[rows] = z * (io.out_scale * rho * scale)
        y = torch.where(on[:, None], y, 0.0)
        return y, clipped & on[:, None] if io.out_bound > 0 else None

    def _attempt(
        self, io: IOParameters, weight: Tensor, x: Tensor, scale: Tensor, draws: Draws
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One pass: outputs of the ADC, where it clipped ``[n, outputs]``, and which rows to repeat ``[n]``."""
        u = self._convert_inputs(io, x, scale, draws)
        if io.mv_type == "one_pass":
            return self._convert_outputs(io, self._array(io, weight, u, draws, 0), draws, 0)
        negative_weight = weight if self.read_asymmetry is None else weight * self.read_asymmetry
        z_negative = self._array(io, negative_weight, u.clamp(max=0), draws, 0)
        z_positive = self._array(io, weight, u.clamp(min=0), draws, 1)
        if io.mv_type == "pos_neg_separate":
            return self._convert_outputs(io, z_negative + z_positive, draws, 0)
        z_negative, clipped_negative, repeat_negative = self._convert_outputs(io, z_negative, draws, 0)
        z_positive, clipped_positive, repeat_positive = self._convert_outputs(io, z_positive, draws, 1)
        return z_negative + z_positive, clipped_negative | clipped_positive, repeat_negative | repeat_positive

    def _convert_inputs(self, io: IOParameters, x: Tensor, scale: Tensor, draws: Draws) -> Tensor:
        """DAC. Rounding is before the clip, so a bound that is not on the grid is one more level; noise is after it."""
        if io.inp_step > 0:
            u = x / (scale * io.inp_step)
            if io.inp_sto_round:
                u += draws.centred_uniform("input rounding", u)
            u = u.round_().mul_(io.inp_step)
        else:
            u = x / scale
        if io.inp_bound > 0:
            u = u.clamp_(-io.inp_bound, io.inp_bound)
        if io.inp_noise > 0:
            u += io.inp_noise * draws.normal("input noise", u)
        return _damp_negative(u, io.inp_asymmetry)

    def _array(self, io: IOParameters, weight: Tensor, u: Tensor, draws: Draws, part: int) -> Tensor:
        """The array itself: the product, with effects on its lines, before the output stage."""
        z = u @ weight.T
        if io.ir_drop > 0:
            z = z - io.ir_drop * _voltage_drop(weight, u, io.ir_drop_g_ratio)
        if self.v_offset is not None or io.r_series > 0:
            z = self._offset_and_series_resistance(io, z, u)
        if io.w_noise > 0 and io.w_noise_type == "additive_constant":
            z = z + io.w_noise * sqrt(u.square().sum(dim=1, keepdim=True)) * draws.normal("read noise", z, part)
        elif io.w_noise > 0 and io.w_noise_type == "pcm_read":
            z = z + io.w_noise * sqrt(u.square() @ weight.abs().T) * draws.normal("read noise", z, part)
        return z

    def _offset_and_series_resistance(self, io: IOParameters, z: Tensor, u: Tensor) -> Tensor:
        v = 0.0 if self.v_offset is None else self.v_offset
        if io.v_offset_w_min == 0:
            return z * (1 - v) / (1 + io.r_series * z.abs())
        reference = -io.v_offset_w_min * u.sum(dim=1, keepdim=True)
        if io.r_series == 0:
            return z * (1 - v) - 2 * v * reference
        device = (z + reference) / (1 + io.r_series * (z + reference).abs())
        return (1 - v) * device - (1 + v) * reference / (1 + io.r_series * reference.abs())

    def _convert_outputs(self, io: IOParameters, z: Tensor, draws: Draws, part: int) -> tuple[Tensor, Tensor, Tensor]:
        """Output stage and ADC, in place. The range is tested after noise and rounding."""
        if self.saturation is not None:
            z = z / (1 + self.saturation * z.abs())
        if io.slope_calibration > 0 and (self.saturation is not None or io.r_series > 0):
            mean = 0.0 if self.saturation is None else self.saturation.mean()
            z = z * (1 + (mean + io.r_series) * io.slope_calibration * io.out_bound) ** 2
        z = _damp_negative(z, io.out_asymmetry)
        if io.out_noise > 0:
            sigma = io.out_noise if self.out_sigma is None else self.out_sigma
            z = z.add_(draws.normal("output noise", z, part).mul_(sigma))
        if io.out_step > 0:
            z = z.div_(io.out_step)
            if io.out_sto_round:
                z += draws.centred_uniform("output rounding", z, part)
            z = z.round_().mul_(io.out_step)
        if io.out_bound <= 0:
            clipped = torch.zeros_like(z, dtype=torch.bool)
            return z, clipped, clipped[:, 0]
        clipped = z.abs() > io.out_bound
        repeat = clipped if io.bm_test_negative_bound else z > io.out_bound
        return z.clamp_(-io.out_bound, io.out_bound), clipped, repeat.any(dim=1)

    def extra_repr(self) -> str:
        """Converters and noise."""
        return str(self.io)


def _stops(io: IOParameters, rho: float) -> bool:
    """Whether bound management stops after a pass with rho and keeps its clipped result."""
    return math.floor(rho) > io.max_bm_factor or (io.inp_step > 0 and rho > io.max_bm_res / io.inp_step)


def _damp_negative(values: Tensor, asymmetry: float) -> Tensor:
    return values if asymmetry == 0 else torch.where(values < 0, values * (1 - asymmetry), values)


def _voltage_drop(weight: Tensor, u: Tensor, g_ratio: float) -> Tensor:
    """Loss on resistive lines: ``c_i sum_j W_ij u_j (1 - (1 - j/n)^2)``, where c is a polynomial of the current."""
    n = weight.shape[1]
    current = (n / g_ratio) * (u.abs() @ weight.abs().T)
    c = 0.05 * current**3 - 0.2 * current**2 + 0.5 * current
    position = 1 - (1 - torch.arange(n, dtype=u.dtype, device=u.device) / n) ** 2
    return c * ((u * position) @ weight.T)
