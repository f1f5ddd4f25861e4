"""`resbench warmup`: compile the Numba kernels in advance, so that no training has to wait for them."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from resbench.commands.device import find
from resbench.registry import named, offers

if TYPE_CHECKING:
    from resbench.algorithms import Algorithm
    from resbench.crossbar.devices import Device, PulsedDevice
    from resbench.crossbar.periphery import IOParameters

#: Tiles of residual learning: there is a kernel of the composite weight for every number of them.
TILES = range(2, 9)
STATES = 10
#: Rate and inputs with which the largest pulse train is certain to fire, so that there is something to apply.
LOUD = 1.0
#: Errors that hardly ever fire.
QUIET = 1e-9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench warmup``."""
    parser.add_argument(
        "--devices",
        nargs="+",
        metavar="NAME",
        help="compile only for these devices of 'resbench list devices' (default: all built-in responses)",
    )
    parser.add_argument(
        "--half-constants", action="store_true", help="also compile for 'half_constants: true' in a config"
    )


def run(args: argparse.Namespace) -> int:
    """Use every kernel once in every form, print which had to be compiled and the time, and return 0."""
    start = time.perf_counter()
    devices: list[Device] = (
        [*responses()] if args.devices is None else [_with_steps(find(name)) for name in args.devices]
    )

    from numba.core.event import install_recorder

    from resbench.crossbar.devices import Element
    from resbench.crossbar.kernels.compiled import cache_directory

    if args.half_constants:
        elements = [device for device in devices if isinstance(device, Element)]
        devices += [dataclasses.replace(device, half_constants=True) for device in elements]

    total = 0
    with install_recorder("numba:compile") as recorder:
        for purpose in _uses(devices):
            for kernel, seconds in _compiled(recorder):
                print(f"{seconds:5.1f} s  {kernel}  ({purpose})", flush=True)
                total += 1
    done = f"{total} kernels compiled" if total else "all kernels were compiled already"
    folder = cache_directory()
    print(f"{done}; {time.perf_counter() - start:.1f} s; they are in {folder}")
    return 0


def _compiled(recorder: Any) -> Iterator[tuple[str, float]]:
    """Names and seconds of the kernels compiled since the last call; the time includes the functions they call."""
    depth, began = 0, 0.0
    for at, event in recorder.buffer:
        depth += 1 if event.is_start else -1
        if event.is_start and depth == 1:
            began = at
        elif depth == 0:
            yield event.data["dispatcher"].py_func.__name__, at - began
    recorder.buffer.clear()


def _with_steps(device: Device) -> Device:
    """The device, with a number of states if it has none, because otherwise there are no pulses."""
    from resbench.crossbar.devices import Ideal

    return device.with_states(STATES) if device.is_continuous and not isinstance(device, Ideal) else device


def responses() -> Sequence[PulsedDevice]:
    """A device for each built-in response to pulses; PCM stands for the noise of ExpStep, which has one of its own."""
    from resbench.crossbar import devices

    models = [named(offer.path) for offer in offers("devices")]
    pulsed = [model() for model in models if issubclass(model, devices.PulsedDevice)]
    found: dict[Any, PulsedDevice] = {}
    for device in pulsed:
        found.setdefault(device.response, device)
    return list(found.values())


def _uses(devices: Sequence[Device]) -> Iterator[str]:
    """Use the kernels in every way that a training may; yields the purpose after each."""
    import torch

    from resbench.algorithms import AnalogSGD, TikiTaka
    from resbench.crossbar.devices import OneSidedCell, PulsedDevice
    from resbench.crossbar.periphery import PERFECT, IOParameters
    from resbench.crossbar.randomness import Stream
    from resbench.crossbar.unit_cells import make_tile

    cells = [OneSidedCell(device=device) for device in devices if isinstance(device, PulsedDevice)]
    for device in [*devices, *cells]:
        make_tile(device, (5, 3), Stream.from_seed(0)).update(torch.ones(2, 3), torch.ones(2, 5), LOUD)
        halved = getattr(device, "half_constants", False)
        yield type(device).__name__ + (" with half_constants" if halved else "")
    _update_on_threads(devices[0])
    yield "several threads"
    for device in devices:
        if isinstance(device, PulsedDevice):
            _train(TikiTaka(units_in_mbatch=False), device, PERFECT)
            yield f"{type(device).__name__}, transfers inside a mini-batch"
    for purpose, algorithm in _algorithms():
        _train(algorithm, devices[0], PERFECT)
        yield purpose
    for purpose, io in (("", IOParameters()), (" of rare kinds", IOParameters(mv_type="pos_neg_separate"))):
        _train(AnalogSGD(), devices[0], io)
        yield f"converters and noise{purpose}"


def _update_on_threads(device: Device) -> None:
    """Pulse with a mini-batch that is large enough for two threads."""
    import torch

    from resbench.crossbar.kernels import threads
    from resbench.crossbar.randomness import Stream
    from resbench.crossbar.unit_cells import make_tile

    available, rows = torch.get_num_threads(), int(threads.SHARE)
    torch.set_num_threads(2)
    try:
        make_tile(device, (5, 3), Stream.from_seed(0)).update(torch.ones(rows, 3), torch.full((rows, 5), QUIET), LOUD)
    finally:
        torch.set_num_threads(available)


def _algorithms() -> Iterator[tuple[str, Algorithm]]:
    """Every algorithm with its default arguments, over columns and over rows, and with every number of tiles."""
    from resbench.algorithms import ResidualLearning

    for offer in offers("algorithms"):
        algorithm = named(offer.path)
        if algorithm.digital:
            continue
        name = algorithm.__name__
        yield name, algorithm()
        if "transfer_columns" in inspect.signature(algorithm).parameters:
            yield f"{name} over rows", algorithm(transfer_columns=False)
    for tiles in TILES:
        yield f"{tiles} tiles", ResidualLearning(tiles)


def _train(algorithm: Algorithm, device: Device, io: IOParameters) -> None:
    """Train a convolution and a linear layer for a few steps."""
    import torch
    from torch import nn

    from resbench.nn import AnalogOptimizer, to_analog

    layers = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(12, 2))
    network = to_analog(layers, algorithm, device, forward_io=io, backward_io=io)
    optimizer = AnalogOptimizer(network.parameters(), lr=LOUD)
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.ones(2, 1, 4, 4)).sum().backward()
        optimizer.step()
