"""Shapes of the layers of networks in closed form. The bias is digital and not on the array."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from resbench.errors import BadValue


@dataclass(frozen=True)
class LayerShape:
    """Weights ``[out_features, in_features]`` of one layer on a crossbar.

    ``in_features`` is the fan-in, C_in·k·k for a convolution. ``reuse`` is the number of vectors for each sample: 1,
    the output positions of a convolution, or the steps of a sequence.

    Raises:
        BadValue: for what is no whole number of 1 or more.
    """

    name: str
    in_features: int
    out_features: int
    reuse: int = 1

    def __post_init__(self) -> None:
        for name in ("in_features", "out_features", "reuse"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                fault = "is too small" if type(value) is int else "does not fit"
                raise BadValue(name, value, f"of layer {self.name} {fault}; write a whole number of 1 or more")

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.in_features * self.out_features

    @property
    def lines(self) -> int:
        """Input and output lines of the crossbar."""
        return self.in_features + self.out_features


#: The perceptron of the quoted energies, 785-250-10; the bias of its hidden layer is one of the 785 inputs.
REFERENCE_PERCEPTRON = (LayerShape("hidden", 785, 250), LayerShape("output", 250, 10))


def mlp(in_features: int, hidden: Sequence[int] = (64,), classes: int = 10) -> tuple[LayerShape, ...]:
    """Multi-layer perceptron: fc1, fc2, ..."""
    widths = [in_features, *hidden, classes]
    return tuple(LayerShape(f"fc{i}", widths[i - 1], widths[i]) for i in range(1, len(widths)))


def lenet5(classes: int = 10) -> tuple[LayerShape, ...]:
    """LeNet-5 on 28 x 28 images: four layers, 80,016 weights for 10 classes."""
    return (
        LayerShape("conv1", 25, 16, reuse=576),
        LayerShape("conv2", 400, 32, reuse=64),
        LayerShape("fc1", 512, 128),
        LayerShape("fc2", 128, classes),
    )


def cifar_resnet(
    blocks: Sequence[int], widths: Sequence[int], classes: int, projection: bool = True
) -> tuple[LayerShape, ...]:
    """All layers of a residual network on 32 x 32 images: a 3 x 3 stem, stages of basic blocks, and fc.

    The first block of each stage, except for the first stage, halves the image. If it changes the width, its shortcut
    is a 1 x 1 convolution (``downsample.0``); without ``projection`` the shortcut has no layer.
    """
    layers = [LayerShape("conv1", 27, widths[0], reuse=32 * 32)]
    before = widths[0]
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
        positions = (32 >> stage) ** 2
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            layers.append(LayerShape(f"{name}.conv1", 9 * before, width, positions))
            layers.append(LayerShape(f"{name}.conv2", 9 * width, width, positions))
            if before != width and projection:
                layers.append(LayerShape(f"{name}.downsample.0", before, width, positions))
            before = width
    return (*layers, LayerShape("fc", before, classes))


def resnet9(classes: int = 10, width: int = 64) -> tuple[LayerShape, ...]:
    """All layers of ResNet-9 on 32 x 32 images; the image is halved after each of layer1 to layer3."""
    wide = {"prep": (3, 1, 32), "layer1": (1, 2, 32), "residual1.0": (2, 2, 16), "residual1.1": (2, 2, 16)}
    wide |= {"layer2": (2, 4, 16), "layer3": (4, 8, 8), "residual3.0": (8, 8, 4), "residual3.1": (8, 8, 4)}
    layers = [
        LayerShape(f"{name}.0", 9 * (before if name == "prep" else before * width), after * width, side**2)
        for name, (before, after, side) in wide.items()
    ]
    return (*layers, LayerShape("fc", 8 * width, classes))


def char_gpt(context: int = 256, layers: int = 6, width: int = 384) -> tuple[LayerShape, ...]:
    """Linear layers of a GPT-2-style character model; each character of the context is one vector."""

    def block(name: str) -> Iterator[LayerShape]:
        yield LayerShape(f"{name}.attn.qkv", width, 3 * width, context)
        yield LayerShape(f"{name}.attn.proj", width, width, context)
        yield LayerShape(f"{name}.mlp.fc", width, 4 * width, context)
        yield LayerShape(f"{name}.mlp.proj", 4 * width, width, context)

    return tuple(layer for index in range(layers) for layer in block(f"blocks.{index}"))


def lstm(name: str, inputs: int, hidden: int, layers: int = 1, reuse: int = 1) -> Iterator[LayerShape]:
    """Cells of an LSTM, with one array for the input and the hidden state."""
    for index in range(layers):
        yield LayerShape(f"{name}.cells.l{index}", (hidden if index else inputs) + hidden, 4 * hidden, reuse)


def char_lstm(vocabulary: int = 65, width: int = 64, hidden: int = 128, layers: int = 1) -> tuple[LayerShape, ...]:
    """LSTM of characters. A sample is one character here, because the network does not say how long texts are."""
    return (*lstm("lstm", width, hidden, layers), LayerShape("head", hidden, vocabulary))


def row_lstm(side: int = 8, hidden: int = 32, classes: int = 10) -> tuple[LayerShape, ...]:
    """LSTM of the rows of an image: each row is one vector."""
    return (*lstm("lstm", side, hidden, reuse=side), LayerShape("fc", hidden, classes))


def resnet(depth: int, classes: int) -> tuple[LayerShape, ...]:
    """ResNet-18 or ResNet-34 on 32 x 32 images: layer3, layer4 and fc, as the paper puts them on crossbars.

    Args:
        depth: 18 or 34.
        classes: Outputs of fc. The published tables fit 100 classes better than the 10 that their text implies.

    Raises:
        BadValue: for another depth.
    """
    blocks = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
    if depth not in blocks:
        raise BadValue("depth", depth, "; write 18 or 34")
    layers = select(cifar_resnet(blocks[depth], (64, 128, 256, 512), classes), ["layer3", "layer4", "fc"])
    return tuple(replace(layer, name=layer.name.replace("downsample.0", "shortcut")) for layer in layers)


#: Functions by the name of the class of the network; their arguments are those that decide the shapes.
_NETWORKS: dict[str, Callable[..., tuple[LayerShape, ...]]] = {
    "MLP": mlp,
    "LeNet5": lenet5,
    "ResNet18": lambda classes=10: cifar_resnet((2, 2, 2, 2), (64, 128, 256, 512), classes),
    "ResNet34": lambda classes=10: cifar_resnet((3, 4, 6, 3), (64, 128, 256, 512), classes),
    "ResNet20": lambda classes=10: cifar_resnet((3, 3, 3), (16, 32, 64), classes, projection=False),
    "ResNet9": resnet9,
    "CharGPT": char_gpt,
    "CharLSTM": char_lstm,
    "RowLSTM": row_lstm,
}
#: Most repeated parts of a network; a table of more layers helps nobody, and takes long to compute.
MOST_REPEATED = 10_000
#: Arguments that do not change the shapes.
_SHAPELESS = {"activation", "bias", "heads", "vocabulary"}


def network_layers(name: str, arguments: Mapping[str, Any]) -> tuple[LayerShape, ...]:
    """All linear and convolutional layers of a network of resbench, from its class name and arguments.

    Raises:
        BadValue: for a network without a closed form, and for arguments that it does not have.
    """
    if name not in _NETWORKS:
        raise BadValue("network", name, f"has no closed form; write one of {', '.join(_NETWORKS)}")
    make = _NETWORKS[name]
    shaping = inspect.signature(make).parameters
    repeated = arguments.get("layers", 1) if "layers" in shaping else 1
    if type(repeated) is not int or not 1 <= repeated <= MOST_REPEATED:
        raise BadValue("network.layers", repeated, f"does not fit; write a whole number from 1 to {MOST_REPEATED}")
    try:
        return make(**{key: value for key, value in arguments.items() if key in shaping or key not in _SHAPELESS})
    except TypeError as error:
        raise BadValue("network", name, f"cannot be made: {str(error).partition(') ')[2] or error}") from None


def select(layers: Sequence[LayerShape], patterns: Sequence[str]) -> tuple[LayerShape, ...]:
    """The layers that patterns choose. A pattern is a name, which includes everything below it, or has wildcards.

    Raises:
        BadValue: for a pattern that chooses no layer.
    """

    def chosen(name: str, pattern: str) -> bool:
        return name == pattern or name.startswith(pattern + ".") or fnmatchcase(name, pattern)

    for pattern in patterns:
        if not any(chosen(layer.name, pattern) for layer in layers):
            raise BadValue(
                "layers", repr(pattern), f"names no layer; write one of {', '.join(layer.name for layer in layers)}"
            )
    return tuple(layer for layer in layers if any(chosen(layer.name, pattern) for pattern in patterns))


def split(layers: Sequence[LayerShape], max_inputs: int, max_outputs: int) -> tuple[LayerShape, ...]:
    """Layers on arrays of limited size: each side is split into the fewest blocks, as even as possible. 0 is no limit.

    Blocks work in parallel, each with its own reads and pulses.
    """
    return tuple(
        block
        for layer in layers
        for block in _blocks(layer, _sizes(layer.in_features, max_inputs), _sizes(layer.out_features, max_outputs))
    )


def _sizes(size: int, limit: int) -> list[int]:
    blocks = -(-size // limit) if limit > 0 else 1
    return [size // blocks + (index < size % blocks) for index in range(blocks)]


def _blocks(layer: LayerShape, inputs: Sequence[int], outputs: Sequence[int]) -> Iterator[LayerShape]:
    if len(inputs) == len(outputs) == 1:
        yield layer
        return
    for i, out_features in enumerate(outputs):
        for j, in_features in enumerate(inputs):
            yield LayerShape(f"{layer.name}[{i},{j}]", in_features, out_features, layer.reuse)
