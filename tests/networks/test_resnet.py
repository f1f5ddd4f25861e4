import pytest
import torch
import torchvision
from torch import nn

from resbench.networks import ResNet18, ResNet20, ResNet34
from resbench.networks.resnet import CifarResNet


@pytest.mark.parametrize(
    ("network", "classes", "analog"),
    [
        (ResNet18, 10, 10_490_880),  # the counts of the hardware cost model in the literature
        (ResNet18, 100, 10_536_960),
        (ResNet34, 10, 19_928_064),
        (ResNet34, 100, 19_974_144),
    ],
)
def test_weights_of_layer3_layer4_and_fc(network: type[ResNet18 | ResNet34], classes: int, analog: int) -> None:
    weights = {
        name: module.weight.numel()
        for name, module in network(classes).named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    assert sum(n for name, n in weights.items() if name.startswith(("layer3.", "layer4.", "fc"))) == analog


@pytest.mark.parametrize(("network", "blocks"), [(ResNet18, [2, 2, 2, 2]), (ResNet34, [3, 4, 6, 3])])
def test_equals_torchvision_but_for_the_stem(network: type[ResNet18 | ResNet34], blocks: list[int]) -> None:
    torch.manual_seed(0)
    ours = network(100).eval()
    theirs = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, blocks, num_classes=100).eval()
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    theirs.load_state_dict(ours.state_dict())
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(ours(images), theirs(images))


def test_resnet20_has_the_layers_and_the_parameter_free_shortcuts_of_the_source() -> None:
    network = ResNet20()
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) + 1 == 20
    assert sum(parameter.numel() for parameter in network.parameters()) == 269_722
    assert [tuple(c.weight.shape) for c in convolutions if c.stride == (2, 2)] == [(32, 16, 3, 3), (64, 32, 3, 3)]

    first = network.get_submodule("layer2.0")
    for norm in ("bn1", "bn2"):
        nn.init.zeros_(first.get_parameter(f"{norm}.weight"))  # leaves the shortcut alone
    x = torch.rand(1, 16, 4, 4)
    expected = torch.zeros(1, 32, 2, 2)
    expected[:, 8:24] = x[:, :, ::2, ::2]
    torch.testing.assert_close(first(x), expected)


@pytest.mark.parametrize("network", [ResNet18, ResNet34, ResNet20])
def test_returns_one_logit_a_class(network: type[CifarResNet]) -> None:
    assert network(classes=7).eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 7)  # type: ignore[call-arg]


def test_refuses_grey_images_and_no_classes() -> None:
    with pytest.raises(ValueError, match=r"ResNet20 takes images \[n, 3, h, w\], not \[2, 1, 28, 28\]"):
        ResNet20()(torch.zeros(2, 1, 28, 28))
    with pytest.raises(ValueError, match="classes: 0 is too few"):
        ResNet20(classes=0)
