"""Residual networks for 32x32 images."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.models.resnet import BasicBlock

from resbench.errors import BadValue


class CifarResNet(nn.Module):
    """Base of the residual networks here: stem, stages of basic blocks, mean over positions, linear layer.

    The stem is one 3x3 convolution without max-pool, because 32x32 images are too small for ImageNet's stem. Names and
    initialisation are those of torchvision: ``conv1``, ``layer1``, ``layer2``, ..., ``fc``; the first block of each
    stage after ``layer1`` halves the image.

    Args:
        blocks: number of blocks of each stage.
        widths: number of channels of each stage.
        classes: number of classes.
        projection: whether shortcuts double their channels by a 1x1 convolution with batch norm, or by zero channels.

    Shapes:
        input ``[n, 3, h, w]``, output ``[n, classes]``.

    Raises:
        BadValue: for fewer than one class, or for images that are not in colour.
    """

    def __init__(self, blocks: Sequence[int], widths: Sequence[int], classes: int, projection: bool) -> None:
        super().__init__()
        if classes < 1:
            raise BadValue("classes", classes, "is too few; write the number of classes of the data, for example 10")
        self.conv1 = nn.Conv2d(3, widths[0], kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = [f"layer{i}" for i in range(1, len(blocks) + 1)]
        before = widths[0]
        for name, count, width in zip(self.stages, blocks, widths, strict=True):
            shortcut = None if width == before else _project(before, width) if projection else _Pad(width - before)
            first = BasicBlock(before, width, stride=1 if shortcut is None else 2, downsample=shortcut)
            self.add_module(name, nn.Sequential(first, *(BasicBlock(width, width) for _ in range(count - 1))))
            before = width
        self.fc = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[n, classes]`` of images ``[n, 3, h, w]``."""
        if images.dim() != 4 or images.shape[1] != 3:
            hint = f"takes images [n, 3, h, w], not {list(images.shape)}; write LeNet5 or MLP for grey ones"
            raise BadValue("network", type(self).__name__, hint)
        x: Tensor = self.bn1(self.conv1(images)).relu()
        for name in self.stages:
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class ResNet18(CifarResNet):
    """ResNet-18 for 32x32 colour images: 3x3 stem, no max-pool, batch norm (11.2 M parameters).

    The literature puts ``layers: [layer3, layer4, fc]`` on crossbars: 10,490,880 weights for 10 classes, the two 1x1
    shortcuts included.

    Args:
        classes: number of classes.

    Source: K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016; blocks of
    torchvision.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__(blocks=(2, 2, 2, 2), widths=(64, 128, 256, 512), classes=classes, projection=True)


class ResNet34(CifarResNet):
    """ResNet-34 for 32x32 colour images: 3x3 stem, no max-pool, batch norm (21.3 M parameters).

    The literature puts ``layers: [layer3, layer4, fc]`` on crossbars: 19,928,064 weights for 10 classes, the two 1x1
    shortcuts included.

    Args:
        classes: number of classes.

    Source: as :class:`ResNet18`.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__(blocks=(3, 4, 6, 3), widths=(64, 128, 256, 512), classes=classes, projection=True)


class ResNet20(CifarResNet):
    """ResNet-20 for 32x32 colour images: stages of 16, 32 and 64 channels, small enough for a CPU (0.27 M parameters).

    Shortcuts have no parameters: if the number of channels doubles, the new ones are zero (option A of the source).

    Args:
        classes: number of classes.

    Source: K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016, section 4.2.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__(blocks=(3, 3, 3), widths=(16, 32, 64), classes=classes, projection=False)


def _project(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, width, kernel_size=1, stride=2, bias=False), nn.BatchNorm2d(width))


class _Pad(nn.Module):
    """Every second pixel, with zero channels on both sides."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.before, self.after = channels // 2, channels - channels // 2

    def forward(self, x: Tensor) -> Tensor:
        return pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))
