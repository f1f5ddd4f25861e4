"""MNIST and Fashion-MNIST through torchvision."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from torchvision import datasets

from resbench.data.base import Split
from resbench.data.downloads import no_empty_folders, reason
from resbench.data.images import ImageData
from resbench.errors import MissingData
from resbench.records.files import path_of

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class MNISTData(ImageData):
    """MNIST handwritten digits 28x28: 60,000 training and 10,000 test images, read from a folder or downloaded.

    Images ``[n, 1, 28, 28]``, 10 classes, in the official order.

    Args:
        root: folder that contains ``MNIST/raw`` or ``FashionMNIST/raw`` with the four files of the source, or one of
            these folders itself.
        download: whether to download the files if they are missing.
        normalize: "unit" divides by 255; "standard" gives the training images mean 0 and standard deviation 1.

    The other arguments are those of :class:`~resbench.data.base.InMemoryData`.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition,
    Proc. IEEE 86, 1998.
    """

    num_classes = 10
    input_shape = (1, 28, 28)
    split_rule = "official training and test files; validation the end of the training file"
    source: ClassVar[type[datasets.MNIST]] = datasets.MNIST

    def __init__(
        self,
        root: str = "data",
        download: bool = True,
        normalize: Literal["unit", "standard"] = "unit",
        **inherited: Any,
    ) -> None:
        super().__init__(normalize=normalize, **inherited)
        self.root, self.download = root, download

    def prepare_data(self) -> None:
        """Find the files; if they are missing, download them if ``download`` is true."""
        if self._found() is not None:
            return
        folder = path_of(self.root) / self.source.__name__ / "raw"
        try:
            if not self.download:
                raise FileNotFoundError("download is false")
            with no_empty_folders(folder):
                self.source(self.root, download=True)
        except (RuntimeError, OSError, ValueError) as error:
            raise self._incomplete(folder, error) from error

    def load(self) -> tuple[Split, Split]:
        """Training and test set from ``root``, after :meth:`prepare_data`."""
        self.prepare_data()
        folder = self._found()
        assert folder is not None
        # torchvision looks for its own names below a root; the files may lie in a folder of any name.
        source = type(self.source.__name__, (self.source,), {"raw_folder": str(folder)})
        try:
            train, test = source(self.root, train=True), source(self.root, train=False)
        except (RuntimeError, OSError, ValueError) as error:  # cut short
            raise self._incomplete(folder, error) from error
        return Split(train.data.unsqueeze(1), train.targets), Split(test.data.unsqueeze(1), test.targets)

    def _found(self) -> Path | None:
        """The folder that contains the four files, in the root or the root itself; not that of another data set."""
        root, name = path_of(self.root), self.source.__name__
        for folder in (root / name / "raw", root / "raw", root):
            named = folder.absolute()
            if named.name == "raw" and named.parent.name != name:
                continue
            if all((folder / file).is_file() for file in FILES):
                return folder
        return None

    def _incomplete(self, folder: Path, error: Exception) -> MissingData:
        name = self.source.__name__
        hint = f"({reason(error)}); put {', '.join(FILES)} there, or write the folder that holds them"
        return MissingData("root", f"no complete {name} in {folder.absolute()}", hint)


class FashionMNISTData(MNISTData):
    """Fashion-MNIST clothing 28x28: 60,000 training and 10,000 test images, read from a folder or downloaded.

    Like :class:`MNISTData`, with the files in ``root/FashionMNIST/raw``, or in ``root`` itself.

    Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms, arXiv:1708.07747.
    """

    source = datasets.FashionMNIST
