"""An LSTM on crossbar tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from resbench.errors import BadValue
from resbench.nn.arrays import on_arrays
from resbench.nn.base import AnalogLayer, analog_layers
from resbench.nn.hardware import Hardware
from resbench.nn.linear import linear_of
from resbench.nn.parameter import MANY
from resbench.nn.tiled import TiledLayer
from resbench.nn.twin import Twin

State = tuple[Tensor, Tensor]


class AnalogLSTM(Twin):
    """An LSTM whose cells have one array each, ``[4 hidden, in + hidden]``, for the input and the hidden state.

    ``i, f, g, o = W [x_t, h_{t-1}] + b``; ``c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g)``;
    ``h_t = sigmoid(o) tanh(c_t)``. Gates, states and dropout are digital. Every step of a sequence is one row of the
    matrix-vector product, and its error, by backpropagation through time, one rank-1 update. All steps of a mini-batch
    are one update of the algorithm, the last step first.

    It takes and gives what ``nn.LSTM`` takes and gives, except packed sequences. The two biases of torch are digital
    parameters of the same names; with an analog bias their sum is one column of the array.

    Args:
        layer: the digital LSTM to take sizes, weights and biases from; ``proj_size`` must be 0.
        hardware: what the arrays are made of; each cell has a random stream of its own.

    Attributes:
        cells: the array of each cell by its name in torch: ``l0``, and ``l0_reverse`` where it is bidirectional.

    Raises:
        BadValue: for a projection.

    Source: S. Hochreiter and J. Schmidhuber, Long short-term memory, 1997; one array for both products as in aihwkit's
    ``AnalogLSTMCellCombinedWeight``.
    """

    held = "cells."

    def __init__(self, layer: nn.LSTM, hardware: Hardware) -> None:
        super().__init__()
        if layer.proj_size:
            raise BadValue("proj_size", layer.proj_size, "does not fit one array; leave this LSTM digital")
        self.input_size, self.hidden_size, self.num_layers = layer.input_size, layer.hidden_size, layer.num_layers
        self.batch_first, self.dropout = layer.batch_first, layer.dropout
        self.bidirectional, self.biased = layer.bidirectional, layer.bias
        self.digital_bias = layer.bias and hardware.mapping.digital_bias
        self.cells = nn.ModuleDict()
        for name in self.cell_names():
            inputs, hidden = (getattr(layer, f"weight_{side}_{name}") for side in ("ih", "hh"))
            biases = [getattr(layer, f"bias_{side}_{name}").detach() for side in ("ih", "hh") if layer.bias]
            on_array = biases[0] + biases[1] if biases and not self.digital_bias else None
            digital = linear_of(torch.cat([inputs.detach(), hidden.detach()], dim=1), on_array)
            self.cells[name] = on_arrays(digital, hardware.child("cell", name))
            for side, bias in zip(("ih", "hh"), biases if self.digital_bias else (), strict=False):
                self.register_parameter(f"bias_{side}_{name}", nn.Parameter(bias.clone()))

    def cell_names(self) -> Iterator[str]:
        """Names of the cells as torch writes them after ``weight_ih_``, in its order."""
        for layer in range(self.num_layers):
            yield f"l{layer}"
            if self.bidirectional:
                yield f"l{layer}_reverse"

    def forward(self, input: Tensor, hx: State | None = None) -> tuple[Tensor, State]:
        """Outputs of the last layer for every step, and the states (h, c) of all cells after their last step.

        Args:
            input: sequences as for ``nn.LSTM``.
            hx: the states (h, c) before the first step; None for zeros.

        Raises:
            TypeError: for packed sequences.
        """
        if not isinstance(input, Tensor):
            raise TypeError(f"an analog LSTM takes a tensor, not a {type(input).__name__}; pad the sequences")
        if input.dim() == 2:
            given = None if hx is None else (hx[0].unsqueeze(1), hx[1].unsqueeze(1))
            y, (h, c) = self.forward(input.unsqueeze(0 if self.batch_first else 1), given)
            return y.squeeze(0 if self.batch_first else 1), (h.squeeze(1), c.squeeze(1))
        steps = input.transpose(0, 1) if self.batch_first else input
        names = list(self.cell_names())
        if hx is None:
            zeros = input.new_zeros(len(names), steps.shape[1], self.hidden_size)
            hx = zeros, zeros
        last_h, last_c = [], []
        directions = 2 if self.bidirectional else 1
        for index in range(0, len(names), directions):
            if index and self.dropout:
                steps = functional.dropout(steps, self.dropout, self.training)
            outputs = []
            for place in range(index, index + directions):
                y, h, c = self._run(names[place], steps, hx[0][place], hx[1][place])
                outputs.append(y)
                last_h.append(h)
                last_c.append(c)
            steps = outputs[0] if directions == 1 else torch.cat(outputs, dim=2)
        y = steps.transpose(0, 1) if self.batch_first else steps
        return y, (torch.stack(last_h), torch.stack(last_c))

    def _run(self, name: str, steps: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All steps of one cell, ``[t, n, in]`` to ``[t, n, hidden]``, and its last state."""
        cell = self.cells[name]
        for _, layer in analog_layers(cell):
            layer.weight.many = MANY * len(steps)  # each step of a sequence records a pair
        bias = None
        if self.digital_bias:
            bias = self.get_parameter(f"bias_ih_{name}") + self.get_parameter(f"bias_hh_{name}")
        outputs = []
        backwards = name.endswith("_reverse")
        for x in reversed(steps.unbind()) if backwards else steps.unbind():
            gates = cell(torch.cat([x, h], dim=1))
            i, f, g, o = (gates if bias is None else gates + bias).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs[::-1] if backwards else outputs), h, c

    def flatten_parameters(self) -> None:
        """Nothing to do; networks call it on an LSTM of torch."""

    @torch.no_grad()
    def digital_state(self) -> dict[str, Tensor]:
        state = {}
        for name, cell in self._layers():
            weight, bias = cell.get_weights()
            inputs = weight.shape[1] - self.hidden_size
            state[f"weight_ih_{name}"], state[f"weight_hh_{name}"] = weight[:, :inputs], weight[:, inputs:]
            if self.digital_bias:
                both = [self.get_parameter(f"bias_{side}_{name}").detach().clone() for side in ("ih", "hh")]
            elif bias is not None:
                both = [bias, torch.zeros_like(bias)]
            else:
                continue
            state[f"bias_ih_{name}"], state[f"bias_hh_{name}"] = both
        return state

    @torch.no_grad()
    def load_digital_state(self, state: Mapping[str, Tensor]) -> None:
        for name, cell in self._layers():
            biases = {side: state.get(f"bias_{side}_{name}") for side in ("ih", "hh")}
            given = [bias.detach() for bias in biases.values() if bias is not None]
            weight = torch.cat([state[f"weight_ih_{name}"].detach(), state[f"weight_hh_{name}"].detach()], dim=1)
            cell.set_weights(weight, sum(given[1:], given[0]) if given and not self.digital_bias else None)
            for side, bias in biases.items():
                if bias is not None and self.digital_bias:
                    self.get_parameter(f"bias_{side}_{name}").copy_(bias)

    def _layers(self) -> Iterator[tuple[str, AnalogLayer | TiledLayer]]:
        for name, cell in self.cells.items():
            if isinstance(cell, AnalogLayer | TiledLayer):
                yield name, cell

    def extra_repr(self) -> str:
        """The sizes, as torch prints them."""
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}"
