"""Processes that share a mini-batch share its updates: each trains the tiles of some layers, and all get the weights.

A forward pass needs the weights only, so the tiles of a layer stay with the process that trains them, until somebody
wants to see them: :func:`collect_tiles` sends them to all processes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from resbench.crossbar.kernels.together import TOGETHER
from resbench.crossbar.processes import send, send_object, share
from resbench.nn.base import analog_layers
from resbench.nn.parameter import AnalogWeight


def step_shared(weights: Sequence[tuple[AnalogWeight, float]]) -> None:
    """One step of analog weights, each by the process that trains its tiles; all processes call this together.

    The process of a weight is settled at the first step, and after each :func:`collect_tiles`, such that the products
    of a mini-batch are spread evenly. Algorithms that read the loss of each mini-batch change outside of steps, too; so
    every process trains them.

    Args:
        weights: the analog weights with their learning rates.

    Raises:
        ForeignWrite: if anybody else wrote to a weight.
    """
    rank, parts = share()
    _settle([weight for weight, _ in weights], parts)
    gathered = [(weight, lr, weight.pop_pairs(parts)) for weight, lr in weights]
    with TOGETHER:
        for weight, lr, pairs in gathered:
            if weight.process in (None, rank):
                weight.algorithm.step(pairs, lr * weight.lr_scale)
            else:
                weight.algorithm.is_current = False
    for weight, _ in weights:
        if weight.process is not None:
            send(weight.algorithm.weight, weight.process)


@torch.no_grad()
def collect_tiles(model: nn.Module) -> None:
    """Give every process the tiles that others have trained; all processes call this together.

    It does nothing in a single process, and where no step was taken since the last call. The training of resbench
    calls it at the end of an epoch, before it saves, and before time passes.

    Args:
        model: the converted model.
    """
    rank, _ = share()
    for _, layer in analog_layers(model):
        weight, algorithm = layer.weight, layer.algorithm
        process, weight.process = weight.process, None
        if process is None:
            continue
        algorithm.is_current = True
        state = algorithm.state_dict()
        counters = {name: value for name, value in state.items() if not isinstance(value, Tensor)}
        for name in (name for name in state if name not in counters):
            send(state[name], process)
        counters = send_object(counters, process)
        if process != rank:
            algorithm.load_state_dict({**state, **counters})


def _settle(weights: Sequence[AnalogWeight], parts: int) -> None:
    """Choose a process for each weight that has none: the largest weight first, to the process with the least work."""
    load = [0.0] * parts
    products = [sum(x.shape[0] for x, _ in weight.pairs) * weight.numel() for weight in weights]
    for amount, _, weight in sorted(zip(products, range(len(weights)), weights, strict=True), reverse=True):
        if weight.algorithm.reads_batch_loss:
            continue
        if weight.process is None:
            weight.process = load.index(min(load))
        load[weight.process] += amount
