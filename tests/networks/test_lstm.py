import pytest
import torch

from resbench.algorithms import AnalogSGD
from resbench.crossbar.devices import Ideal
from resbench.networks import CharLSTM, RowLSTM
from resbench.nn import analog_layers, to_analog


def test_the_next_character_depends_on_all_before_and_none_after() -> None:
    torch.manual_seed(0)
    network, text = CharLSTM(vocabulary=11, width=4, hidden=5, layers=2), torch.randint(11, (3, 8))
    logits = network(text)
    assert logits.shape == (3, 8, 11)
    other = text.clone()
    other[:, 4] = (other[:, 4] + 1) % 11
    changed = (network(other) != logits).any(dim=2)
    assert changed.tolist() == [[False] * 4 + [True] * 4] * 3


def test_rows_are_read_from_top_to_bottom() -> None:
    torch.manual_seed(0)
    network = RowLSTM(side=4, hidden=3, classes=7)
    images = torch.randn(2, 1, 4, 4)
    last, _ = network.lstm(images[:, 0])
    torch.testing.assert_close(network(images), network.fc(last[:, 3]))


def test_cells_and_the_last_layer_can_be_analog() -> None:
    networks = [CharLSTM(vocabulary=11, width=4, hidden=5, layers=2), RowLSTM(side=4, hidden=3)]
    found = [
        {name: layer.algorithm.shape for name, layer in analog_layers(to_analog(network, AnalogSGD(), Ideal()))}
        for network in networks
    ]
    assert found == [
        {"lstm.cells.l0": (20, 9), "lstm.cells.l1": (20, 10), "head": (11, 5)},
        {"lstm.cells.l0": (12, 7), "fc": (10, 3)},
    ]


@pytest.mark.parametrize("size", ["vocabulary", "width", "hidden", "layers"])
def test_an_impossible_size_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match=f"{size}: 0 is too small"):
        CharLSTM(**{size: 0})


def test_an_unknown_character_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary: 3 is too few for character number 3; write 4 or more"):
        CharLSTM(vocabulary=3)(torch.tensor([[3]]))
