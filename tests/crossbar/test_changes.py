import copy

import torch

from resbench.crossbar.changes import Changes
from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.tile import Tile


def test_tiles_note_their_changes_in_one_place() -> None:
    first, second = (Tile(SoftBounds(states=4), (2, 3), Stream.from_seed(seed)) for seed in range(2))
    changes = Changes().follow([first, second])
    assert changes.collect() is None, "nothing is known at the beginning"
    pulses = PulseTrain(desired_bl=1)
    first.update(torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 1.0, pulses)
    second.update(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0]]), 1.0, pulses)
    cells = changes.collect()
    assert cells is not None
    assert {int(cell) for some in cells for cell in some} == {4, 0}
    assert changes.collect() == []
    second.clip(0.1)
    assert changes.collect() is None, "what sets weights without pulses may have set any of them"


def test_a_copy_takes_everything_as_changed() -> None:
    tiles = [Tile(SoftBounds(states=4), (2, 3), Stream.from_seed(seed)) for seed in range(2)]
    Changes().follow(tiles).collect()
    twins = copy.deepcopy(tiles)
    changes = twins[0].changes
    assert changes is twins[1].changes
    assert changes is not None
    assert changes is not tiles[0].changes
    assert changes.collect() is None
