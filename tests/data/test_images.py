from typing import Literal

import pytest
import torch

from resbench.data import DigitsData


def batches(normalize: Literal["unit", "standard"], val_size: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    data = DigitsData(batch_size=2000, normalize=normalize, val_size=val_size)
    data.setup("fit")
    return next(iter(data.train_dataloader()))[0], next(iter(data.predict_dataloader()))


def test_unit_is_pixel_over_white() -> None:
    train, test = batches("unit")
    assert train.dtype == torch.float32
    assert train.min() == 0
    assert train.max() == 1
    assert torch.equal(test * 16, (test * 16).round())


@pytest.mark.parametrize("val_size", [0, 400])
def test_standard_is_measured_on_the_training_images_in_use(val_size: int) -> None:
    train, _ = batches("standard", val_size)
    assert abs(float(train.double().mean())) < 1e-6
    assert abs(float(train.double().std(unbiased=False)) - 1) < 1e-6


def test_test_images_are_normalised_as_training_images() -> None:
    unit, standard = batches("unit"), batches("standard")
    scale, offset = standard[0].std() / unit[0].std(), unit[0].mean()
    assert torch.allclose(standard[1], (unit[1] - offset) * scale, atol=1e-4)


def test_refuses_an_unknown_normalisation() -> None:
    with pytest.raises(ValueError, match="normalize: 'zscore' is unknown; write one of unit, standard"):
        DigitsData(normalize="zscore")  # type: ignore[arg-type]
