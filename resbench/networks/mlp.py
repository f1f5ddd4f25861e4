"""Multi-layer perceptron."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from resbench.errors import BadValue, check_choice

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class MLP(nn.Sequential):
    """Multi-layer perceptron: flattens its input, then fc1, activation, fc2, ...; returns logits.

    ``h_i = f(W_i h_{i-1} + b_i)`` for the hidden layers; the last layer has no activation, because the softmax
    is part of the loss (cross entropy). The linear layers are named ``fc1``, ``fc2``, ... from the input to the output.

    Args:
        in_features: number of values of one input, such as 64 for 8x8 digits or 784 for MNIST.
        hidden: widths of the hidden layers; an empty list gives softmax regression.
        classes: number of classes.
        activation: activation between the layers: tanh, relu or sigmoid.
        bias: whether the layers have a bias.

    Shapes:
        input ``[n, ...]`` with ``in_features`` values in each row, output ``[n, classes]``.

    Raises:
        BadValue: for a width below 1 or an unknown activation.
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int] = (64,),
        classes: int = 10,
        activation: Literal["tanh", "relu", "sigmoid"] = "tanh",
        bias: bool = True,
    ) -> None:
        check_choice("activation", activation, ACTIVATIONS)
        for name, width in (
            ("in_features", in_features),
            *(("hidden", width) for width in hidden),
            ("classes", classes),
        ):
            if width < 1:
                raise BadValue(name, width, "is not a width; write a whole number of 1 or more")
        widths = [in_features, *hidden, classes]
        modules = OrderedDict[str, nn.Module](flatten=nn.Flatten())
        for i in range(1, len(widths)):
            modules[f"fc{i}"] = nn.Linear(widths[i - 1], widths[i], bias=bias)
            if i < len(widths) - 1:
                modules[f"{activation}{i}"] = ACTIVATIONS[activation]()
        super().__init__(modules)
        self.in_features = in_features

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``[n, classes]`` of inputs ``[n, ...]``, whose other dimensions are flattened."""
        if inputs.shape[1:].numel() != self.in_features:
            hint = f"of MLP does not fit inputs {list(inputs.shape[1:])}; write {inputs.shape[1:].numel()}"
            raise BadValue("in_features", self.in_features, hint)
        logits: Tensor = super().forward(inputs)  # type: ignore[no-untyped-call]
        return logits
