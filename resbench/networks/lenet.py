"""LeNet-5, as in the papers on Tiki-Taka and residual learning."""

from torch import Tensor, nn

from resbench.errors import BadValue
from resbench.networks.pooling import max_pool


class LeNet5(nn.Module):
    """LeNet-5 with tanh for 28x28 grey images: conv 16, conv 32, fc 128, fc classes (80,016 weights for 10 classes).

    ``conv1`` 1 -> 16 k5, tanh, pool 2, ``conv2`` 16 -> 32 k5, tanh, pool 2, tanh, ``fc1`` 512 -> 128, tanh, ``fc2``
    128 -> classes; the second tanh after ``conv2`` is in the source, too. The output is logits, because the log-softmax
    at the end of the source's network is part of the loss here (cross entropy).

    Args:
        classes: number of classes.

    Shapes:
        input ``[n, 1, 28, 28]``, output ``[n, classes]``.

    Raises:
        BadValue: for fewer than one class, or for an input of another shape.

    Source: the LeNet-5 of the released residual-learning code and of aihwkit's examples.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        if classes < 1:
            raise BadValue("classes", classes, "is too few; write the number of classes of the data, for example 10")
        self.conv1 = nn.Conv2d(1, 16, kernel_size=5)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=5)
        self.fc1 = nn.Linear(512, 128)
        self.fc2 = nn.Linear(128, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[n, classes]`` of images ``[n, 1, 28, 28]``."""
        if images.shape[1:] != (1, 28, 28):
            hint = f"takes images [n, 1, 28, 28], not {list(images.shape)}; write MLP for other shapes"
            raise BadValue("network", "LeNet5", hint)
        # tanh is monotone, so it commutes with the maximum. After the pooling there are only a quarter of the values.
        x = max_pool(self.conv1(images), 2).tanh()  # [n, 16, 12, 12]
        x = max_pool(self.conv2(x), 2).tanh().tanh()  # [n, 32, 4, 4]
        x = self.fc1(x.flatten(1)).tanh()  # [n, 128]
        logits: Tensor = self.fc2(x)
        return logits
