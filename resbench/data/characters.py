"""A text as a stream of characters, in windows."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from resbench.data.base import Batch, InMemoryData, Split
from resbench.data.loaders import EvalLoader, TrainLoader
from resbench.data.order import random_words
from resbench.errors import BadValue, MissingData, refuse_below_one
from resbench.records.files import file_sha256, path_of

TEST_SHARE = 0.1
#: Name of the file of tiny Shakespeare, which is the same everywhere.
PUBLISHED = "tinyshakespeare.txt"


class CharacterData(InMemoryData):
    """Characters of a text such as tiny Shakespeare: the first 90 % for training, the last 10 % for the test.

    A sample is a window of ``context`` characters; the target of each is the character that follows it. Training
    windows begin at random places, which are drawn for each batch by (seed, epoch, batch). In evaluation the windows
    follow each other without overlap. Characters are numbered in the order of their code points. The test set here is
    what the literature on tiny Shakespeare calls its validation set; ``val_size`` holds out another one, at the end of
    the training text.

    Args:
        root: folder of the text, or the file of the text.
        path: name of the file in the folder; the text is in UTF-8.
        context: number of characters in a window.
        batch_size: training windows in a mini-batch.
        steps_per_epoch: training mini-batches in an epoch; None means as many as contain the length of the text once.
        eval_batch_size: windows in a batch of validation, test and prediction.
        train_size: number of training characters; None uses all that are not held out.
        val_size: number of training characters that are held out for choosing hyper-parameters; 0 for none.
        seed: seed of the training windows, any whole number.

    Raises:
        BadValue: for an impossible size; by setup, for a text that is too short.
        MissingData: by setup, if there is no such text.

    Source: the text of A. Karpathy's char-rnn, with 1,115,394 characters, 65 of them different.
    """

    split_rule = "first 90 % of the characters train, last 10 % test; validation the end of the former"

    def __init__(
        self,
        root: str = "data",
        path: str = PUBLISHED,
        context: int = 256,
        batch_size: int = 64,
        steps_per_epoch: int | None = None,
        eval_batch_size: int = 64,
        train_size: int | None = None,
        val_size: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, train_size, val_size, seed)
        refuse_below_one(context=context, steps_per_epoch=steps_per_epoch)
        self.root, self.path, self.context, self.steps_per_epoch = root, path, context, steps_per_epoch
        self.input_shape = (context,)
        self.characters = ""

    def prepare_data(self) -> None:
        """Find the text."""
        if not self._file().is_file():
            raise self._missing("no such file")

    def own_sha256(self) -> str | None:
        """The checksum of the text, unless it has the name of the published one."""
        file = self._file()
        return None if file.name == PUBLISHED else file_sha256(file)

    def load(self) -> tuple[Split, Split]:
        """Read the text as two streams, and set ``characters``, its alphabet."""
        try:
            text = self._file().read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise self._missing(f"not UTF-8: {error.reason}") from error
        except OSError as error:
            raise self._missing(str(error.strerror)) from error
        self.characters = "".join(sorted(set(text)))
        self.num_classes = len(self.characters)
        points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
        stream = torch.from_numpy(np.searchsorted(np.unique(points), points).astype(np.int64))
        if self.num_classes <= 256:
            stream = stream.to(torch.uint8)
        first = int(len(stream) * (1 - TEST_SHARE))
        return _next(stream[:first]), _next(stream[first:])

    def _file(self) -> Path:
        """The file of the text: ``path`` in the root, or the root itself if that is a file."""
        root = path_of(self.root).absolute()
        return root if root.is_file() else root / self.path

    def _missing(self, why: str) -> MissingData:
        hint = f"({why}); write the folder that holds {self.path}, or a text"
        return MissingData("root", f"there is no text {self._file()}", hint)

    def setup(self, stage: str) -> None:
        """Read the text, once for all stages."""
        super().setup(stage)
        for name in ("train", "val", "test"):
            size = len(self._splits[name])
            if size < self.context and (name != "val" or self.val_size):
                raise BadValue("context", self.context, f"is more than the {size} characters of {name}; write less")

    def describe(self) -> dict[str, object]:
        """The description of :class:`~resbench.data.base.InMemoryData`, sizes in characters, with the alphabet."""
        return {**super().describe(), "context": self.context, "characters": self.characters}

    def convert(self, inputs: Tensor) -> Tensor:
        """Numbers of characters as int64."""
        return inputs.long()

    def train_dataloader(self) -> TrainLoader[Batch]:
        """Mini-batches of windows (characters ``[b, context]``, the ones that follow ``[b, context]``)."""
        split = self.split("train").to(self._device())
        starts = len(split) - self.context + 1
        steps = self.steps_per_epoch or max(1, len(split) // (self.context * self.batch_size))
        offsets = torch.arange(self.context, device=split.inputs.device)

        def fetch(_: Tensor, epoch: int, batch: int) -> Batch:
            words = random_words(self.batch_size, "windows", self.seed, epoch, batch)
            first = torch.from_numpy((words % np.uint64(starts)).astype(np.int64)).to(offsets.device)
            places = first[:, None] + offsets
            return self.convert(split.inputs[places]), self.convert(split.targets[places])

        return TrainLoader(
            steps * self.batch_size, self.batch_size, self.seed, fetch, self._current_epoch, self._device()
        )

    def predict_dataloader(self) -> EvalLoader[Tensor]:
        """Batches of the windows of the test set, without their targets."""
        windows = self._windows(self.split("test").inputs)
        return EvalLoader(len(windows), self.eval_batch_size, lambda samples: self.convert(windows[samples]))

    def _eval_loader(self, name: Literal["val", "test"]) -> EvalLoader[Batch]:
        split = self.split(name)
        inputs, targets = self._windows(split.inputs), self._windows(split.targets)

        def fetch(samples: slice) -> Batch:
            return self.convert(inputs[samples]), self.convert(targets[samples])

        return EvalLoader(len(inputs), self.eval_batch_size, fetch)

    def _windows(self, stream: Tensor) -> Tensor:
        """Cut a stream into adjacent windows ``[n, context]``; the remainder is dropped."""
        count = len(stream) // self.context
        return stream[: count * self.context].view(count, self.context).to(self._device())


def _next(stream: Tensor) -> Split:
    """Each character of a stream with the one after it."""
    return Split(stream[:-1], stream[1:])
