"""Two processes that share the work of an update, with gloo."""

import multiprocessing
import weakref
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn

from resbench.algorithms import ResidualLearning
from resbench.crossbar.devices import SoftBounds
from resbench.nn import AnalogOptimizer, analog_layers, collect_tiles, tiles, to_analog


def trained(part: slice) -> nn.Sequential:
    """A network after three steps with a part of each mini-batch."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 5, bias=False), nn.Tanh(), nn.Linear(5, 3, bias=False))
    to_analog(network, ResidualLearning(tiles=3), SoftBounds(states=20))
    optimizer = AnalogOptimizer(network.parameters(), lr=0.5)
    for inputs in torch.randn(3, 8, 6):
        optimizer.zero_grad()
        network(inputs[part]).square().mean().backward()
        optimizer.step()
    return network


def as_process(rank: int, store: Path) -> nn.Sequential:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    return trained(slice(4 * rank, 4 * rank + 4))


def other(store: Path) -> None:
    collect_tiles(as_process(1, store))
    group = weakref.ref(distributed.group.WORLD)
    distributed.destroy_process_group()
    # While anything holds the group, its threads live, and one that still holds a tensor as Python ends aborts it.
    assert group() is None


def test_each_process_trains_the_tiles_of_some_layers(tmp_path: Path) -> None:
    alone = trained(slice(None))
    process = multiprocessing.get_context("spawn").Process(target=other, args=(tmp_path / "store",))
    process.start()
    try:
        network = as_process(0, tmp_path / "store")
        algorithms = [layer.algorithm for _, layer in analog_layers(network)]
        assert [algorithm.steps for algorithm in algorithms] == [3, 0], "the larger layer here, the other one there"
        for here, expected in zip(network.parameters(), alone.parameters(), strict=True):
            assert torch.equal(here, expected)
        with pytest.raises(RuntimeError, match="another process trains the tiles of this layer"):
            tiles(network)
        collect_tiles(network)
        state = network.state_dict()
        for name, value in alone.state_dict().items():
            assert torch.equal(state[name], value) if isinstance(value, Tensor) else state[name] == value, name
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        process.join()
    assert process.exitcode == 0
