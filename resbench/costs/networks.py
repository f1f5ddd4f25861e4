"""Shapes of the analog layers of the networks that the literature compares; the bias is digital, not on the array."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class LayerShape:
    """Weights ``[out_features, in_features]`` of one layer on a crossbar.

    ``in_features`` is the fan-in, C_in·k·k for a convolution, and ``reuse`` the vectors that one sample puts
    through it: 1, or the output positions of a convolution.

    Raises:
        ValueError: for a number below 1.
    """

    name: str
    in_features: int
    out_features: int
    reuse: int = 1

    def __post_init__(self) -> None:
        if min(self.in_features, self.out_features, self.reuse) < 1:
            raise ValueError(f"{self.name}: in_features, out_features and reuse start at 1, got {self}")

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


def lenet5() -> tuple[LayerShape, ...]:
    """LeNet-5 on 28 x 28 images: all four layers, 80,016 weights."""
    return (
        LayerShape("conv1", 25, 16, reuse=576),
        LayerShape("conv2", 400, 32, reuse=64),
        LayerShape("fc1", 512, 128),
        LayerShape("fc2", 128, 10),
    )


def resnet(depth: int, classes: int) -> tuple[LayerShape, ...]:
    """ResNet-18 or ResNet-34 on 32 x 32 images: layer3, layer4 and fc, as the paper puts them on crossbars.

    Args:
        depth: 18 or 34.
        classes: Outputs of fc; the published tables fit 100 better than the 10 they point at.

    Raises:
        ValueError: for another depth.
    """
    blocks = {18: (2, 2), 34: (6, 3)}
    if depth not in blocks:
        raise ValueError(f"depth: {depth}; write 18 or 34")
    layer3, layer4 = blocks[depth]
    return (
        *_stage("layer3", layer3, channels=256, positions=64),
        *_stage("layer4", layer4, channels=512, positions=16),
        LayerShape("fc", 512, classes),
    )


def _stage(name: str, blocks: int, *, channels: int, positions: int) -> Iterable[LayerShape]:
    """Basic blocks of two 3 x 3 convolutions; the first doubles the channels and has a 1 x 1 shortcut."""
    for block in range(blocks):
        first = channels // 2 if block == 0 else channels
        yield LayerShape(f"{name}.{block}.conv1", 9 * first, channels, positions)
        yield LayerShape(f"{name}.{block}.conv2", 9 * channels, channels, positions)
        if block == 0:
            yield LayerShape(f"{name}.{block}.shortcut", first, channels, positions)
