import numpy as np
import torch
from sklearn.datasets import load_digits

from resbench.data import DigitsData


def test_split_is_fixed_stratified_and_complete() -> None:
    data = DigitsData()
    train, test = data.load()
    assert (len(train), len(test)) == (1437, 360)
    assert test.targets.bincount().sub(36).abs().max() <= 1
    images, labels = load_digits(return_X_y=True)
    everything = torch.cat([train.inputs, test.inputs]).flatten(1).double().numpy()
    read = np.column_stack([everything, torch.cat([train.targets, test.targets]).numpy()])
    assert np.array_equal(np.unique(read, axis=0), np.unique(np.column_stack([images, labels]), axis=0))

    data.setup("fit")
    assert data.describe()["sha256"] == {
        "train": "3551afd9095d82782617243be2c8c0a86076d634a80dd7059d87999d8f87c352",
        "test": "32e1e8f0100b9b9ed7ac8e68d9eea7e5b8bfa7bb447d813dc895d06c0a20efba",
    }


def test_batches_have_the_declared_shape() -> None:
    data = DigitsData(batch_size=5)
    data.setup("fit")
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (5, *data.input_shape)
    assert labels.shape == (5,)
    assert labels.dtype == torch.int64
    assert int(labels.max()) < data.num_classes
