"""The handwritten digits that come with scikit-learn."""

import numpy as np
import torch

from resbench.data.base import Split
from resbench.data.images import ImageData
from resbench.data.order import stratified_permutation

TEST_SIZE = 360


class DigitsData(ImageData):
    """Handwritten digits 8x8 of scikit-learn: 1,437 training and 360 test images, no download needed.

    Images ``[n, 1, 8, 8]`` with 17 grey levels, 10 classes. The split is stratified and fixed. It depends on no
    seed, so every run is tested on the same images.

    Args:
        normalize: "unit" divides by 16, the value of white; "standard" gives the training images mean 0 and standard
            deviation 1.

    The other arguments are those of :class:`~resbench.data.base.InMemoryData`.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    the part that ``sklearn.datasets.load_digits`` bundles.
    """

    num_classes = 10
    input_shape = (1, 8, 8)
    split_rule = f"stratified permutation: test the first {TEST_SIZE}, validation the end of the others"
    white = 16

    def load(self) -> tuple[Split, Split]:
        """Training and test set from the installed package."""
        from sklearn.datasets import load_digits  # takes a quarter of a second, and only this data set needs it

        images, labels = load_digits(return_X_y=True)
        order = stratified_permutation(labels, "digits split")
        inputs = torch.from_numpy(images[order].astype(np.uint8)).view(-1, *self.input_shape)
        whole = Split(inputs, torch.from_numpy(labels[order]))
        return whole.part(TEST_SIZE, len(whole)), whole.part(0, TEST_SIZE)
