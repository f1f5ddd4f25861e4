"""The base of analog layers: linear layers and convolutions whose weight is on one crossbar array."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from resbench.algorithms import Algorithm
from resbench.crossbar.mapping import TilePlan, mapping_scale
from resbench.crossbar.periphery import Periphery
from resbench.crossbar.rows import Rows
from resbench.errors import BadValue
from resbench.nn.hardware import Hardware
from resbench.nn.parameter import OWNED, AnalogWeight, ForeignWrite
from resbench.nn.product import Record, analog_product, mask_gradient, recorded
from resbench.nn.twin import MatrixTwin


class AnalogLayer(MatrixTwin):
    """A layer on one array: its product, scales and bias, and the pairs (x, d) that it records for the algorithm.

    ``y = a * (s * MVM(x)) + bias``, where MVM is the product with the composite weight of the array (through the
    periphery, unless it is perfect), s the mapping scale, and a the learned output scale. Autograd computes no gradient
    of the weight. Instead, backward records the pair of x and ``d = (dL/d(s MVM)) / s`` as they are, before any
    converter. The gradient of the input is the backward MVM of ``s * dL/d(s MVM)``. What every layer takes beside the
    digital layer is in :class:`Hardware`.

    Attributes:
        weight: composite weight of the array, ``[out, in]`` or the shape of a convolution's kernel; ``[out, in + 1]``
            with an analog bias. The logical weight is ``a * s * weight``: :meth:`get_weights`.
        bias: digital bias ``[out]``.
        mapping_scale: s, ``[1]`` or ``[out]``; None without ``weight_scaling_omega``.
        out_scaling: a, ``[1]`` or ``[out]``, trained by the optimiser; None without ``learn_out_scaling``.
        periphery: converters and noise; None where both directions are perfect.
    """

    held = "algorithm."
    weight: AnalogWeight
    bias: nn.Parameter | None
    mapping_scale: Tensor | None
    out_scaling: nn.Parameter | None

    def __init__(self, layer: nn.Linear | nn.Conv1d | nn.Conv2d, hardware: Hardware) -> None:
        super().__init__()
        mapping = hardware.mapping
        out, columns = layer.weight.flatten(1).shape
        plan = TilePlan.of((out, columns), mapping, bias=layer.bias is not None)
        if len(plan.arrays) > 1:
            raise BadValue("max_input_size, max_output_size", "they", f"split this layer ({plan}); write a TiledLayer")
        self.mapping = mapping
        self.bias_column = plan.bias_column
        self.kernel_shape = layer.weight.shape
        self.algorithm = hardware.algorithm.build(plan.arrays[0], hardware.device, hardware.stream)
        _check_omega(mapping.weight_scaling_omega, self.algorithm)
        both = hardware.forward_io, hardware.backward_io
        perfect = all(io.is_exact and io.out_scale == 1 for io in both)
        self.periphery = None if perfect else Periphery(plan.arrays[0], *both, hardware.stream.child("periphery"))
        masks, bound = hardware.forward_io.grad_mask == "peer", hardware.forward_io.out_bound
        self.gradient_bound = 0.999 * bound if masks and bound > 0 else None
        self.weight = AnalogWeight(self.algorithm, plan.arrays[0] if plan.bias_column else layer.weight.shape)
        # Torch looks for parameters last, which takes ten times as long as an attribute.
        self.__dict__["weight"] = self.weight
        self.bias = None if layer.bias is None or plan.bias_column else nn.Parameter(layer.bias.detach().clone())
        self.register_buffer(
            "mapping_scale",
            torch.ones(out if mapping.weight_scaling_columnwise else 1) if mapping.weight_scaling_omega > 0 else None,
        )
        out_scaling = nn.Parameter(torch.ones(out if mapping.out_scaling_columnwise else 1))
        self.out_scaling = out_scaling if mapping.learn_out_scaling else None
        self.is_scaled = self.mapping_scale is not None or self.out_scaling is not None
        self.is_plain = perfect and not self.is_scaled and not plan.bias_column and self.gradient_bound is None
        self.product_records = self.periphery is not None and self.mapping_scale is None and not plan.bias_column
        self.register_load_state_dict_post_hook(_settle_after_loading)  # type: ignore[no-untyped-call]
        self.set_weights(layer.weight, layer.bias)

    # -- geometry, by the kind of layer ----------------------------------------------------------------------------

    @abstractmethod
    def exact_product(self, x: Tensor, weight: Tensor, offset: Tensor | None) -> Tensor:
        """The product with the array ``[out, in]`` in floating point, plus the analog bias."""

    @abstractmethod
    def plain_product(self, x: Tensor) -> Tensor:
        """The product in floating point plus the digital bias: the whole forward pass where :attr:`is_plain`."""

    @abstractmethod
    def input_rows(self, x: Tensor) -> Rows:
        """The inputs as rows of the matrix-vector product ``[n, in]``, images outermost, positions inner."""

    @abstractmethod
    def output_rows(self, y: Tensor) -> Tensor:
        """Outputs, or their gradients, as rows ``[n, out]``."""

    @abstractmethod
    def from_output_rows(self, rows: Tensor, x: Tensor) -> Tensor:
        """Results of the product as outputs of the layer, for the input x."""

    @abstractmethod
    def per_output(self, values: Tensor) -> Tensor:
        """``[out]`` or ``[1]`` in a shape that broadcasts against the outputs."""

    def update_rows(self, x: Tensor, d: Tensor) -> tuple[Rows, Rows]:
        """The pair for the algorithm, as rows ``[n, in]`` and ``[n, out]``."""
        return self.driven_rows(x), Rows(self.output_rows(d))

    # -- forward and the recording of pairs --------------------------------------------------------------------------

    def forward(self, input: Tensor) -> Tensor:
        x, weight = input, self.weight
        if weight._version != weight.writes or self._parameters["weight"] is not weight:
            self._refuse_other_weight()
        if self.is_plain:
            return self.record(x, self.plain_product(x))
        # Where d is the derivative of the loss by the product itself, the backward product records the pair.
        records = self.product_records and weight.requires_grad and torch.is_grad_enabled()
        y = self.product(x, self.recorder(x) if records else None)
        if self.is_scaled and self.mapping_scale is not None:
            y = y * self.per_output(self.mapping_scale)
        if not records:
            y = self.record(x, y)
        if self.is_scaled and self.out_scaling is not None:
            y = y * self.per_output(self.out_scaling)
        bias: Tensor | None = self.bias
        return y if bias is None else y + self.per_output(bias)

    def product(self, x: Tensor, record: Record | None = None) -> Tensor:
        """The product with the array, in floating point or through the periphery, which gives ``record`` dL/dy."""
        array = self.weight.array.flatten(1)
        periphery: Periphery | None = self.periphery  # read once, because torch looks for modules late
        if periphery is not None:
            owner = None if record is None else self.weight
            return self.from_output_rows(analog_product(self.driven_rows(x), array, periphery, owner, record), x)
        weight, offset = (array[:, :-1], array[:, -1]) if self.bias_column else (array, None)
        y = self.exact_product(x, weight, offset)
        return y if self.gradient_bound is None else mask_gradient(y, y.detach().abs() >= self.gradient_bound)

    def driven_rows(self, x: Tensor) -> Rows:
        """The rows that drive the array: the inputs, with a 1 at the end of each for an analog bias."""
        rows = self.input_rows(x)
        return Rows(functional.pad(rows.dense(), (0, 1), value=1.0)) if self.bias_column else rows

    def record(self, x: Tensor, y: Tensor) -> Tensor:
        """Have backward append (x, dL/dy) to the pending pairs of the weight, if it wants a gradient of the weight.

        Raises:
            RuntimeError: in backward, if x was changed in place after this layer used it, and for `create_graph=True`.
        """
        weight = self.weight
        return recorded(y, weight, self.recorder(x)) if weight.requires_grad and torch.is_grad_enabled() else y

    def recorder(self, x: Tensor) -> Record:
        """A function of d that appends (x, d) to the pending pairs."""
        weight, version = self.weight, x._version

        def append(d: Tensor) -> None:
            if x._version != version:
                raise RuntimeError(
                    "the input of an analog layer was changed in place before backward; use an out-of-place operation"
                )
            dtype, driven, d = weight.dtype, x.detach(), d.detach()
            if driven.dtype is not dtype or d.dtype is not dtype:
                driven, d = driven.to(dtype), d.to(dtype)
            rows, errors = self.update_rows(driven, d)
            if not self.is_plain and self.mapping_scale is not None:
                errors = Rows(errors.dense() / (self.mapping_scale * weight.lr_scale))
            # A single row is a view of d, which autograd may hand to the bias as its gradient: keep a private copy.
            weight.append(rows, Rows(errors.dense().clone()) if errors.shape[0] == 1 else errors)

        return append

    # -- the logical weight ------------------------------------------------------------------------------------------

    @torch.no_grad()
    def set_weights(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Program the logical weight, as far as the devices can hold it, and the bias.

        With ``weight_scaling_omega`` the mapping scale is computed anew and the learned output scale becomes 1;
        without it the output scale stays and is divided out, so that ``set_weights(*get_weights())`` changes nothing.

        Args:
            weight: in the shape of the digital layer.
            bias: ``[out]``; None leaves a digital bias as it is, and means 0 for an analog one.
        """
        matrix = weight.detach().flatten(1).to(self.weight.device)
        if self.bias_column:
            column = matrix.new_zeros(len(matrix)) if bias is None else bias.detach().to(matrix)
            matrix = torch.cat([matrix, column[:, None]], dim=1)
        elif bias is not None and self.bias is not None:
            self.bias.copy_(bias)
        scale = mapping_scale(matrix, self.mapping)
        if scale is not None and self.mapping_scale is not None:
            self.mapping_scale.copy_(scale)
            if self.out_scaling is not None:
                self.out_scaling.fill_(1.0)
            matrix = matrix / scale[:, None]
        elif self.out_scaling is not None:
            self.out_scaling.masked_fill_(self.out_scaling == 0, 1.0)
            matrix = matrix / self.out_scaling[:, None]
        self.algorithm.program(matrix)
        self.weight.tie()
        self.compensate()

    @torch.no_grad()
    def get_weights(self) -> tuple[Tensor, Tensor | None]:
        """Logical weight ``a * s * W`` in the shape of the digital layer, and bias: copies."""
        matrix = self.algorithm.weight.clone()
        for scale in (self.mapping_scale, self.out_scaling):
            if scale is not None:
                matrix = matrix * scale[:, None]
        if self.bias_column:
            return matrix[:, :-1].reshape(self.kernel_shape), matrix[:, -1]
        return matrix.view(self.kernel_shape), None if self.bias is None else self.bias.detach().clone()

    def compensate(self) -> None:
        """Keep the factor on the learning rate of the array in step with the mapping scale."""
        if self.mapping_scale is not None and self.mapping.weight_scaling_lr_compensation:
            self.weight.lr_scale = 1.0 / float(self.mapping_scale.mean())

    # -- the weight is that of the algorithm -------------------------------------------------------------------------

    def _refuse_other_weight(self) -> None:
        """Refuse a weight that was written to, or another one that `torch.func.functional_call` put in its place."""
        self.weight.check_writes()
        raise ForeignWrite(
            f"{self.weight.label}: {OWNED}, and its product takes no other weight; leave it out of the parameters of "
            "functional_call"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "weight" and name in self.__dict__:
            raise ForeignWrite(f"{self.weight.label}: {OWNED}; to program it, write layer.set_weights(weight)")
        super().__setattr__(name, value)

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """Register a parameter, but refuse a second name for the weight, as pruning and parametrisations give it."""
        if isinstance(param, AnalogWeight) and "weight" in self.__dict__:
            raise ForeignWrite(f"{self.weight.label}: {OWNED}; take pruning and parametrisations off this layer")
        super().register_parameter(name, param)

    def __delattr__(self, name: str) -> None:
        if name == "weight":
            raise ForeignWrite(f"{self.weight.label}: {OWNED}; take pruning and parametrisations off this layer")
        super().__delattr__(name)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.weight.check_writes()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.weight.tie()
        return self

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        self.weight.check_writes()
        super()._save_to_state_dict(destination, prefix, keep_vars)


def _check_omega(omega: float, algorithm: Algorithm) -> None:
    *_, (_, gamma, tile) = algorithm.named_tiles()
    bound = gamma * max(tile.device.w_max, -tile.device.w_min)
    if omega > bound:
        raise BadValue(
            "weight_scaling_omega", omega, f"is beyond what the devices hold; write a number up to {bound:g}"
        )


def _settle_after_loading(layer: AnalogLayer, _: object) -> None:
    """Recompute the visible weight from its tiles, after a state was loaded."""
    for tile in layer.algorithm.tiles:
        tile.touch(None)
    layer.algorithm.compose()
    layer.weight.tie()
    layer.compensate()


def analog_layers(model: nn.Module) -> Iterator[tuple[str, AnalogLayer]]:
    """(name, layer) of every analog layer of a model, in the order of its modules."""
    for name, module in model.named_modules():
        if isinstance(module, AnalogLayer):
            yield name, module
