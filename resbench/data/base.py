"""The contract of a data module: a data set that is completely in memory.

A subclass declares ``num_classes``, ``input_shape`` and ``split_rule`` and writes :meth:`InMemoryData.load` and
:meth:`InMemoryData.convert`. The rest is shared: validation split, order of batches, resuming, checksums, errors. It
takes over the arguments of this class by ``**inherited`` in its constructor.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from resbench.arguments import take_over_arguments
from resbench.data.loaders import EvalLoader, TrainLoader
from resbench.errors import BadValue, refuse_below_one

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Split:
    """Samples as they are stored, such as uint8 images ``[n, channels, height, width]`` and int64 targets ``[n]``."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def part(self, start: int, stop: int) -> Split:
        """Samples ``start .. stop - 1``, without a copy."""
        return Split(self.inputs[start:stop], self.targets[start:stop])

    def to(self, device: torch.device) -> Split:
        """The samples on a device."""
        return Split(self.inputs.to(device), self.targets.to(device))

    def sha256(self) -> str:
        """Checksum of the stored bytes, inputs before targets."""
        digest = hashlib.sha256()
        for tensor in (self.inputs, self.targets):
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()


class InMemoryData(LightningDataModule, ABC):
    """A data set in memory, with the training order keyed by (seed, epoch).

    ``load()`` returns a training and a test set. The last ``val_size`` training samples are held out for validation,
    and the first ``train_size`` of the others are used for training. The data are read once, by :meth:`setup`.

    Args:
        batch_size: training samples in a mini-batch, in all processes together; the last mini-batch of an epoch may be
            smaller.
        eval_batch_size: samples in a batch of validation, test and prediction.
        train_size: number of training samples; None uses all that are not held out.
        val_size: number of training samples that are held out for choosing hyper-parameters, which must not be done on
            the test set. With 0 none are held out, as in published results.
        seed: seed of the training order, any whole number. The splits do not depend on it.

    Attributes:
        prepares_ahead: whether a thread prepares the next training mini-batch while one trains, because that takes
            longer than a thread costs.

    Raises:
        BadValue: for an impossible size. Sizes that depend on the data are checked by :meth:`setup`.
    """

    prepares_ahead: bool = False
    num_classes: int
    input_shape: tuple[int, ...]
    split_rule: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        take_over_arguments(cls)

    def __init__(
        self,
        batch_size: int = 8,
        eval_batch_size: int = 1000,
        train_size: int | None = None,
        val_size: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        refuse_below_one(batch_size=batch_size, eval_batch_size=eval_batch_size, train_size=train_size)
        if val_size < 0:
            raise BadValue("val_size", val_size, "is negative; write 0 for no validation")
        self.batch_size, self.eval_batch_size, self.seed = batch_size, eval_batch_size, seed
        self.train_size, self.val_size = train_size, val_size
        self._splits: dict[str, Split] = {}
        self._sha256: dict[str, str] = {}

    @abstractmethod
    def load(self) -> tuple[Split, Split]:
        """Read the training and the test set.

        The end of the training set becomes the validation set, and its beginning may become a smaller training set. So
        its classes must be mixed. If the source is sorted by class, use
        :func:`resbench.data.order.stratified_permutation`.

        Raises:
            FileNotFoundError: naming the folder and the files expected there.
        """

    @abstractmethod
    def convert(self, inputs: Tensor) -> Tensor:
        """Convert stored inputs ``[b, ...]`` to inputs of the network, ``[b, *input_shape]``, on the same device."""

    def augment(self, inputs: Tensor, epoch: int, batch: int) -> Tensor:
        """Change the stored inputs of one training mini-batch at random; the default changes nothing.

        Draw from :func:`resbench.data.order.random_words` with (seed, epoch, batch) in the path. Then a resumed run
        sees the same inputs.
        """
        return inputs

    def own_sha256(self) -> str | None:
        """One checksum of the files that the data come from, if each user has others; None for published data.

        It becomes part of the identity of a run (the key ``data_sha256``), so that two data sets never share a run.

        Raises:
            OSError: if a file is missing.
        """
        return None

    def setup(self, stage: str) -> None:
        """Read the data, once for all stages.

        Raises:
            BadValue: for sizes that the data set does not allow, or a mini-batch that processes cannot share evenly.
            MissingData: from :meth:`load`.
        """
        if stage == "validate" and self.val_size == 0:
            hint = "leaves nothing to validate on; hold training samples out, or run `test` instead"
            raise BadValue("val_size", 0, hint)
        if self._splits:
            return
        train, test = self.load()
        left = len(train) - self.val_size
        if left < 1:
            hint = f"leaves nothing of the {len(train)} training samples; write {len(train) - 1} or less"
            raise BadValue("val_size", self.val_size, hint)
        size = left if self.train_size is None else self.train_size
        if size > left:
            hint = f"is more than the {left} samples that val_size {self.val_size} leaves"
            raise BadValue("train_size", size, f"{hint}; write at most {left}, or null for all")
        parts = self._share()[1]
        for name, samples in (("batch_size", self.batch_size), ("train_size", size % self.batch_size)):
            if samples % parts:
                sizes = f"a batch_size that {parts} divides, and a train_size of whole mini-batches"
                hint = f"cannot share a mini-batch of {samples} samples evenly; write {sizes}"
                raise BadValue(name, f"{parts} processes", hint)
        splits = {"train": train.part(0, size), "val": train.part(left, len(train)), "test": test}
        self._sha256 = {name: split.sha256() for name, split in splits.items() if len(split)}
        self._splits = splits

    def describe(self) -> dict[str, object]:
        """A description for the record: name, rule of the split, sizes, and SHA-256 of the stored bytes of each split.

        Raises:
            RuntimeError: before :meth:`setup`.
        """
        return {
            "name": type(self).__name__,
            "split": self.split_rule,
            "train_size": len(self.split("train")),
            "val_size": len(self.split("val")),
            "test_size": len(self.split("test")),
            "sha256": dict(self._sha256),
        }

    def split(self, name: Literal["train", "val", "test"]) -> Split:
        """The samples of a split as they are stored; the validation split may be empty.

        Raises:
            RuntimeError: before :meth:`setup`.
        """
        if not self._splits:
            raise RuntimeError(f"{type(self).__name__} has read nothing yet: call setup() first")
        return self._splits[name]

    def train_dataloader(self) -> TrainLoader[Batch]:
        """Mini-batches of (inputs ``[b, *input_shape]``, targets) in the order of (seed, epoch).

        Each of several processes gets its part of every mini-batch; rank 0 gets the first samples.
        """
        split = self.split("train").to(self._device())
        part, parts = self._share()

        def fetch(samples: Tensor, epoch: int, batch: int) -> Batch:
            inputs = self.augment(split.inputs.index_select(0, samples), epoch, batch)
            if parts > 1:  # the random numbers above are those of the whole mini-batch
                size = len(samples) // parts
                ours = slice(part * size, (part + 1) * size)
                inputs, samples = inputs[ours], samples[ours]
            return self.convert(inputs), split.targets.index_select(0, samples)

        return TrainLoader(
            len(split), self.batch_size, self.seed, fetch, self._current_epoch, self._device(), self.prepares_ahead
        )

    def val_dataloader(self) -> EvalLoader[Batch] | list[Batch]:
        """Batches of the held-out training samples; an empty list where ``val_size`` is 0."""
        return self._eval_loader("val") if self.val_size else []

    def test_dataloader(self) -> EvalLoader[Batch]:
        """Batches of the test set."""
        return self._eval_loader("test")

    def predict_dataloader(self) -> EvalLoader[Tensor]:
        """Batches of the inputs of the test set, without targets."""
        inputs = self.split("test").inputs.to(self._device())
        return EvalLoader(len(inputs), self.eval_batch_size, lambda samples: self.convert(inputs[samples]))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """The batch as it is, because loaders return batches on the device. Lightning would look at every tensor."""
        return batch

    def _eval_loader(self, name: Literal["val", "test"]) -> EvalLoader[Batch]:
        split = self.split(name).to(self._device())

        def fetch(samples: slice) -> Batch:
            return self.convert(split.inputs[samples]), split.targets[samples]

        return EvalLoader(len(split), self.eval_batch_size, fetch)

    def _current_epoch(self) -> int:
        return 0 if self.trainer is None else self.trainer.current_epoch

    def _share(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _device(self) -> torch.device:
        # The whole set is copied to the accelerator once, because copying each small batch would cost more.
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
