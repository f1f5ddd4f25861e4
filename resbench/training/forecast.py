"""Says what the training of a large network needs, before its devices are built, which takes a while."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import torch
from jsonargparse import Namespace
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resbench.algorithms import Algorithm
from resbench.crossbar.array import DeviceArray
from resbench.crossbar.devices import Device
from resbench.crossbar.randomness import Stream
from resbench.data.base import InMemoryData
from resbench.nn import chosen_layers
from resbench.records.text import duration
from resbench.training.parser import built

#: Devices from which on a forecast is printed; those of six tiles of ResNet-20 are a tenth of it.
LARGE = 10_000_000
#: Side of the tile that is built to find the bytes of a crosspoint.
SIDE = 8
#: Products of a training step for each one of its forward pass: forward, and by the inputs. Digital layers have one
#: more, by the weights.
PASSES = 2


class Forecast(NamedTuple):
    """What a training needs, in bytes, mini-batches and floating-point operations."""

    weights: int
    devices: int
    memory: int
    checkpoint: int
    steps: int
    operations: int

    def lines(self, rate: float) -> list[str]:
        """The forecast in words.

        Args:
            rate: floating-point operations in a second of this machine.
        """
        seconds = self.operations / rate
        return [
            f"to be built: {self.weights:,} weights on {self.devices:,} devices, which take {_gib(self.memory)} of "
            f"memory; a checkpoint has about {_gib(self.checkpoint)}, and there are up to three",
            f"to be trained: {self.steps:,} mini-batches of about {seconds:.2g} s for matrix products alone, "
            f"{duration(seconds * self.steps)} in all",
        ]


def forecast(model: Namespace, data: Any, trainer: Namespace) -> Forecast | None:
    """What a training will need.

    The network is built without values, and one small tile stands for all. So memory is exact but for what layers and
    mini-batches need besides, and the time is a lower bound that comes close where matrix products take most of it.

    Args:
        model: the section ``model`` of a config.
        data: the data module, which is read here.
        trainer: the section ``trainer``.

    Returns:
        None if the network is not large, or cannot be built without values.
    """
    arguments = model.init_args
    try:
        devices, bytes_here, bytes_stored = _crosspoint(arguments)
        with torch.device("meta"):
            network = built(nn.Module, arguments.network).eval()
        chosen = chosen_layers(network, arguments.layers)
        weights = sum(part.numel() for layer in set(chosen.values()) for part in layer.parameters() if part.dim() > 1)
        if weights * devices < LARGE or not isinstance(data, InMemoryData):
            return None
        data.setup("fit")
        loader = data.train_dataloader()
        inputs = next(iter(loader))[0].to("meta")
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(inputs)
        counts = {name: sum(count.values()) for name, count in counter.get_flop_counts().items()}
        analog = sum(counts.get(f"{type(network).__name__}.{name}", 0) for name in chosen)
    except Exception:  # a network of one's own may need values; then it is built without a forecast
        return None
    limit = trainer.limit_train_batches
    batches = len(loader) if limit is None else limit if isinstance(limit, int) else int(limit * len(loader))
    steps = min(batches, len(loader)) * max(trainer.max_epochs or 0, 0)
    if trainer.max_steps > 0:
        steps = min(steps or trainer.max_steps, trainer.max_steps)
    return Forecast(
        weights=weights,
        devices=weights * devices,
        memory=weights * bytes_here,
        checkpoint=weights * bytes_stored,
        steps=steps,
        operations=PASSES * analog + (PASSES + 1) * (counter.get_total_flops() - analog),
    )


def measured_rate(seconds: float = 0.2) -> float:
    """Floating-point operations in a second of a product of matrices, with the threads of this process.

    It is measured in CPU time: what else the machine does just now says little about the next days.
    """
    side, threads = 512, torch.get_num_threads()
    a, b = torch.ones(side, side), torch.ones(side, side)
    torch.mm(a, b)
    start, products = time.process_time(), 0
    while (passed := (time.process_time() - start) / threads) < seconds:
        torch.mm(a, b)
        products += 1
    return 2 * side**3 * products / passed


def _crosspoint(arguments: Namespace) -> tuple[int, int, int]:
    """Devices of a weight, its bytes in memory, and those in a checkpoint."""
    algorithm = built(Algorithm, arguments.algorithm)
    if algorithm.digital:
        return 0, 0, 0
    small = algorithm.build((SIDE, SIDE), built(Device, arguments.device), Stream.from_seed(0))
    arrays = [array for array in small.modules() if isinstance(array, DeviceArray)]
    constants = {id(array.get_buffer(name)) for array in arrays for name in array.constant_names}
    here = stored = 0
    for buffer in small.buffers():
        if buffer.numel() == SIDE * SIDE:
            here += buffer.element_size()
            # Counts of pulses rarely need more than two bytes.
            stored += 0 if id(buffer) in constants else 2 if buffer.dtype is torch.int32 else buffer.element_size()
    return sum(not any(array.children()) for array in arrays), here, stored


def _gib(size: int) -> str:
    return f"{size / 2**30:.{max(0, 1 - math.floor(math.log10(size / 2**30)))}f} GiB"
