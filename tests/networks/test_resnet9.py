import pytest
import torch

from resbench.networks import ResNet9


def test_has_the_parameters_of_the_source() -> None:
    assert sum(parameter.numel() for parameter in ResNet9().parameters()) == 6_573_120


def test_returns_one_logit_a_class() -> None:
    network = ResNet9(classes=7, width=2).eval()
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert network(torch.zeros(2, 3, 40, 36)).shape == (2, 7)


def test_shortcuts_pass_what_the_convolutions_change() -> None:
    network = ResNet9(width=2).eval()
    images = torch.rand(2, 3, 32, 32)
    whole = network(images)
    for name in ("residual1.1.0", "residual3.1.0"):
        torch.nn.init.zeros_(network.get_parameter(f"{name}.weight"))
    x = network.layer2(torch.max_pool2d(network.layer1(network.prep(images)), 2))
    x = torch.max_pool2d(network.layer3(torch.max_pool2d(x, 2)), 2)
    expected = 0.125 * x.amax((2, 3)) @ network.fc.weight.T
    torch.testing.assert_close(network(images), expected)
    assert not torch.equal(whole, expected)


@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (2, 3, 28, 28), (3, 32, 32)])
def test_refuses_grey_and_small_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"ResNet9 takes images \[n, 3, h, w\] of 32x32 or more"):
        ResNet9(width=2)(torch.zeros(shape))


def test_refuses_no_classes_and_no_channels() -> None:
    with pytest.raises(ValueError, match="classes: 0 is too few"):
        ResNet9(classes=0)
    with pytest.raises(ValueError, match="width: 0 is too few"):
        ResNet9(width=0)
