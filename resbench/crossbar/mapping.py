"""How the weight of a layer maps to arrays: scales, the bias column, and the split into blocks.

The logical weight is ``W = a s W_array``: s fits the weight into the range of the devices when it is set, a is a
digital factor that the optimiser trains. Source: behaviour of IBM's aihwkit 1.1.0 (``MappingParameter``).
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from resbench.errors import BadValue


@dataclass(frozen=True)
class MappingParameters:
    """Scales, bias and largest array of a layer. By default there is one array of any size and there are no scales.

    aihwkit 1.1.0 splits every layer with more than 512 inputs or outputs. The released code of the multi-tile paper
    never splits a convolution. The default follows the paper. ``max_input_size: 512, max_output_size: 512`` follows
    aihwkit.

    Args:
        digital_bias: add the bias digitally after all scales. False puts it on one more column of the array, whose
            input is 1. A layer that is split keeps its bias digital.
        weight_scaling_omega: when the weight is set, scale it so that its largest magnitude is this, weight units of
            the device; 0 for no scale.
        weight_scaling_columnwise: one scale for each output instead of one for the array; needs
            ``weight_scaling_omega``.
        weight_scaling_lr_compensation: put the mean of the scale into the learning rate of the array, not into d. The
            expected step is the same; algorithms with a fixed rate for the fast tile see another d.
        learn_out_scaling: an additional digital factor on the output, trained by the optimiser.
        out_scaling_columnwise: one such factor for each output; needs ``learn_out_scaling``.
        max_input_size: largest number of inputs of one array, without the bias column; 0 for no limit.
        max_output_size: largest number of outputs of one array; 0 for no limit.

    Raises:
        ValueError: for a negative scale or limit.
    """

    digital_bias: bool = True
    weight_scaling_omega: float = 0.0
    weight_scaling_columnwise: bool = False
    weight_scaling_lr_compensation: bool = False
    learn_out_scaling: bool = False
    out_scaling_columnwise: bool = False
    max_input_size: int = 0
    max_output_size: int = 0

    def __post_init__(self) -> None:
        for name in ("weight_scaling_omega", "max_input_size", "max_output_size"):
            if not getattr(self, name) >= 0:
                raise BadValue(name, getattr(self, name), "is negative; write 0 for none")
        for flag, needed in (
            ("weight_scaling_columnwise", "weight_scaling_omega"),
            ("weight_scaling_lr_compensation", "weight_scaling_omega"),
            ("out_scaling_columnwise", "learn_out_scaling"),
        ):
            if getattr(self, flag) and not getattr(self, needed):
                warnings.warn(f"{flag}: true has no effect without {needed}", stacklevel=3)


#: One array for each layer, no scales.
ONE_ARRAY = MappingParameters()


def mapping_scale(weight: Tensor, mapping: MappingParameters) -> Tensor | None:
    """The scale s with which ``weight / s`` has largest magnitude ``weight_scaling_omega``.

    Args:
        weight: logical weight ``[out, in]``, with the bias column if it is analog.
        mapping: parameters.

    Returns:
        ``[1]``, or ``[out]`` if columnwise, 1 where the weight is all zero; None without ``weight_scaling_omega``.
    """
    if mapping.weight_scaling_omega == 0:
        return None
    peak = weight.abs().amax(dim=1) if mapping.weight_scaling_columnwise else weight.abs().amax()[None]
    return torch.where(peak > 0, peak / mapping.weight_scaling_omega, 1.0)


def split_sizes(size: int, limit: int) -> list[int]:
    """Split a side of ``size`` lines into the fewest blocks of at most ``limit``, as even as possible, larger first.

    A limit of 0 means no limit: 1200 by 512 is 400, 400, 400; 2304 by 512 is 461, 461, 461, 461, 460.
    """
    blocks = -(-size // limit) if limit > 0 else 1
    return [size // blocks + (index < size % blocks) for index in range(blocks)]


@dataclass(frozen=True)
class TilePlan:
    """The blocks into which a weight matrix is split, each on its own array.

    Args:
        out_sizes: outputs of each block row.
        in_sizes: inputs of each block column.
        bias_column: whether each array has one more column for the bias.
    """

    out_sizes: tuple[int, ...]
    in_sizes: tuple[int, ...]
    bias_column: bool = False

    @classmethod
    def of(cls, shape: tuple[int, int], mapping: MappingParameters, bias: bool = False) -> Self:
        """The plan of a weight ``[out, in]``; ``bias`` says whether the layer has one."""
        out_sizes = tuple(split_sizes(shape[0], mapping.max_output_size))
        in_sizes = tuple(split_sizes(shape[1], mapping.max_input_size))
        single = len(out_sizes) == len(in_sizes) == 1
        return cls(out_sizes, in_sizes, bias and single and not mapping.digital_bias)

    @property
    def arrays(self) -> list[tuple[int, int]]:
        """Shape ``(out, in)`` of every array of a tile, block row by block row."""
        return [(out, n + self.bias_column) for out, n in itertools.product(self.out_sizes, self.in_sizes)]

    def __str__(self) -> str:
        """One line for a table: ``512 x 4608, 9 arrays of at most 512 x 512``."""
        shape = f"{sum(self.out_sizes)} x {sum(self.in_sizes) + self.bias_column}"
        arrays = self.arrays
        blocks = "1 array" if len(arrays) == 1 else f"{len(arrays)} arrays of at most {arrays[0][0]} x {arrays[0][1]}"
        return f"{shape}, {blocks}"
