"""The contract of a task: a network with some of its layers on crossbars, its loss and its metrics."""

from __future__ import annotations

import inspect
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from resbench.algorithms import Algorithm
from resbench.crossbar import kernels
from resbench.crossbar.devices import Device
from resbench.crossbar.late import LateNumbers
from resbench.crossbar.mapping import ONE_ARRAY, MappingParameters
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.crossbar.processes import gathered, share
from resbench.errors import BadValue, Diverged
from resbench.nn import analog_layers, end_epoch, to_analog

#: Names of columns, and lines of numbers.
Table = tuple[list[str], Iterator[list[float]]]


class Task(LightningModule, ABC):
    """Base of tasks: converts the network, trains it by automatic optimisation, and logs the metrics of each epoch.

    A subclass names its :attr:`metrics` and implements :meth:`measure`. It overrides :meth:`table` if its predictions
    are more than a few numbers for each sample. The metrics ``train/*``, ``val/*`` and ``test/*`` are means over the
    samples of an epoch; those of training are measured during the training. ``lr`` is the learning rate of the last
    step of an epoch.

    Args:
        network: the digital network.
        algorithm: how analog layers represent and train their weights.
        device: device of all tiles, or a list with one for each tile, fast tile first; digital algorithms need none.
        layers: patterns of the names of the layers that become analog, see :func:`resbench.nn.to_analog`.
        forward_io: converters and noise of the forward products; null is perfect.
        backward_io: converters and noise of the backward products; null is perfect.
        mapping: how weights map to arrays.
        backend: kernels of the pulsed update; ``auto`` chooses the fastest ones.
        seed: seed of the tiles.

    Attributes:
        metrics: names of the values that :meth:`measure` returns, the loss first.
        network: the network, with its analog layers.

    Raises:
        BadValue: if an analog algorithm gets no device, or a layer cannot be analog.
    """

    metrics: ClassVar[tuple[str, ...]] = ("loss",)

    train_sums: Tensor

    def __init__(
        self,
        network: nn.Module,
        algorithm: Algorithm,
        device: Device | Sequence[Device] | None = None,
        layers: Sequence[str] = ("*",),
        forward_io: IOParameters | None = None,
        backward_io: IOParameters | None = None,
        mapping: MappingParameters = ONE_ARRAY,
        backend: kernels.Backend = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not device and not algorithm.digital:
            example = "resbench.crossbar.devices.SoftBounds with init_args {states: 4}"
            hint = f"needs one; write a class_path, for example {example}"
            raise BadValue("device", type(algorithm).__name__, hint)
        kernels.use(backend)
        # A digital algorithm has no tiles, but its patterns are checked like those of the others.
        self.network = to_analog(
            network, algorithm, device or (), layers, seed, forward_io or PERFECT, backward_io or PERFECT, mapping
        )
        self._loss = 0.0
        self._late_loss: LateNumbers | None = None
        self._rate: float | None = None
        self._batch_listeners = [
            layer.algorithm for _, layer in analog_layers(self.network) if layer.algorithm.reads_batch_loss
        ]
        # A buffer, so that a run that resumes inside an epoch still knows the mean loss of the whole epoch.
        self.register_buffer("train_sums", torch.zeros(len(self.metrics) + 1, dtype=torch.float64))

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning sets the first attribute around every hook, and each step sets the others. torch's own
        # __setattr__ would take microseconds each time.
        if name in ("_current_fx_name", "_loss", "_late_loss", "_rate"):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def on_train_start(self) -> None:
        """Warn if gradient clipping is on, because it does not apply to analog layers."""
        if self.trainer.gradient_clip_val and any(True for _ in analog_layers(self.network)):
            warnings.warn(
                "trainer.gradient_clip_val clips the gradients of digital parameters only; "
                "those of analog layers reach their algorithms as they are",
                stacklevel=2,
            )

    @abstractmethod
    def measure(self, batch: Any) -> tuple[list[Tensor], int]:
        """Means of :attr:`metrics` over a batch, the loss first and differentiable, and the number of samples."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of a mini-batch.

        Raises:
            Diverged: if it is not finite. On a GPU, the host does not wait for it unless an algorithm asks for it, and
                raises this in the next step or at the end of the epoch.
        """
        means, samples = self.measure(batch)
        loss = seen = means[0]
        with torch.no_grad():
            sums = torch.stack([*means, torch.ones_like(loss)]).mul_(samples)
            if share()[1] > 1:  # all processes see the loss of the whole mini-batch, so either all of them stop or none
                sums = gathered(sums[None]).sum(0)
                seen = sums[0] / sums[-1]
            if kernels.runs_ahead(seen) and not self._batch_listeners:
                self._check_last_loss()
                self._late_loss = LateNumbers(seen)
            else:
                self._loss = finite(seen.item(), self.global_step)
        self.train_sums.add_(sums)
        return loss

    def _check_last_loss(self) -> None:
        """Raise what the last step could not see yet."""
        late, self._late_loss = self._late_loss, None
        if late is not None:
            finite(late.read()[0], self.global_step - 1)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Take the step, then pass the loss of the mini-batch to the algorithms that ask for it.

        This is not done in ``on_train_batch_end``, because that is called after the checkpoints of the step.
        """
        self._rate = optimizer.param_groups[0]["lr"]
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self._batch_listeners:
            for algorithm in self._batch_listeners:
                algorithm.on_batch_end(self._loss)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip if there is a limit. Without one, Lightning would check its arguments in every step."""
        if gradient_clip_val:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_train_epoch_end(self) -> None:
        """Log the means of the epoch and the learning rate, and pass the loss to the algorithms."""
        self._check_last_loss()
        *sums, samples = self.train_sums.tolist()
        self.train_sums.zero_()
        means = [total / samples for total in sums]
        self.log_dict({f"train/{name}": mean for name, mean in zip(self.metrics, means, strict=True)})
        # A run that resumes after the last step of an epoch has taken no step.
        rate = self.trainer.optimizers[0].param_groups[0]["lr"] if self._rate is None else self._rate
        self.log("lr", torch.tensor(rate, dtype=torch.float64))  # Lightning rounds a float to float32
        end_epoch(self.network, means[0])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log the metrics of the validation set."""
        self._log("val", batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Log the metrics of the test set."""
        self._log("test", batch)

    def table(self, predictions: Tensor) -> Table:
        """Predictions as lines of numbers: for each sample its index, then its output of :meth:`predict_step`.

        Args:
            predictions: the outputs of all samples, ``[n, ...]``.

        Returns:
            The names of the columns, and the lines.
        """
        flat = predictions.reshape(len(predictions), -1)
        columns = ["sample", *(f"y{k}" for k in range(flat.shape[1]))]
        return columns, ([sample, *row.tolist()] for sample, row in enumerate(flat))

    def _log(self, split: str, batch: Any) -> None:
        means, samples = self.measure(batch)
        names = [f"{split}/{name}" for name in self.metrics]
        self.log_dict(dict(zip(names, means, strict=True)), batch_size=samples)


def finite(loss: float, step: int) -> float:
    """The loss of a step.

    Raises:
        Diverged: if it is not finite.
    """
    if not math.isfinite(loss):
        raise Diverged(f"the training loss is {loss} at step {step}; a smaller lr may help")
    return loss


# Lightning asks for the signature in every step. This one is found at once, others are worked out each time.
Task.training_step.__signature__ = inspect.signature(Task.training_step)  # type: ignore[attr-defined]
