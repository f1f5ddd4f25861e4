import threading

import pytest
import torch
from torch import Tensor

from resbench.data.loaders import EvalLoader, TrainLoader


def train_loader(seed: int = 0, batch_size: int = 4, size: int = 22) -> TrainLoader[list[int]]:
    def fetch(samples: Tensor, epoch: int, batch: int) -> list[int]:
        return [epoch, batch, *samples.tolist()]

    return TrainLoader(size, batch_size, seed, fetch)


def epoch_of(loader: TrainLoader[list[int]], epoch: int) -> list[list[int]]:
    loader.set_epoch(epoch)
    return list(loader)


def test_epoch_holds_every_sample_once_and_a_short_last_batch() -> None:
    batches = epoch_of(train_loader(), 3)
    assert [len(batch) - 2 for batch in batches] == [4, 4, 4, 4, 4, 2]
    assert [batch[:2] for batch in batches] == [[3, i] for i in range(6)]
    assert sorted(sample for batch in batches for sample in batch[2:]) == list(range(22))
    assert len(train_loader()) == 6


def test_order_is_a_function_of_seed_and_epoch_alone() -> None:
    loader = train_loader()
    late = epoch_of(loader, 5)
    epoch_of(loader, 1)
    assert epoch_of(loader, 5) == late == epoch_of(train_loader(), 5)


def test_epochs_and_seeds_differ() -> None:
    orders = [[b[2:] for b in epoch_of(train_loader(seed), epoch)] for seed in (0, 1) for epoch in (0, 1)]
    assert all(orders[i] != orders[j] for i in range(4) for j in range(i))


def test_a_batch_is_made_while_the_one_before_is_in_use() -> None:
    makes_second = threading.Event()

    def fetch(samples: Tensor, epoch: int, batch: int) -> int:
        if batch == 1:
            makes_second.set()
        return batch

    loader = TrainLoader(22, 4, 0, fetch, ahead=True)
    batches = iter(loader)
    assert next(batches) == 0
    assert makes_second.wait(60)
    assert loader.state_dict()["batch"] == 1, "one batch was returned"
    assert list(batches) == [1, 2, 3, 4, 5]


def test_an_error_in_the_thread_is_that_of_the_batch() -> None:
    def fetch(samples: Tensor, epoch: int, batch: int) -> int:
        if batch == 2:
            raise OSError("no such image")
        return batch

    batches = iter(TrainLoader(22, 4, 0, fetch, ahead=True))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(OSError, match="no such image"):
        next(batches)


def test_a_broken_off_iteration_leaves_no_trace() -> None:
    loader = train_loader()
    first = next(iter(loader))
    assert next(iter(loader)) == first


@pytest.mark.parametrize("done", [0, 1, 5, 6])
def test_resumes_where_it_was_saved(done: int) -> None:
    loader = train_loader()
    loader.set_epoch(2)
    batches = iter(loader)
    for _ in range(done):
        next(batches)
    state = loader.state_dict()
    left = list(batches)

    resumed = train_loader()
    resumed.set_epoch(2)
    if done:
        resumed.load_state_dict(state)
        assert resumed.state_dict() == state
    assert list(resumed) == left
    assert list(resumed) == epoch_of(train_loader(), 2)  # only the first iteration is a continuation


def test_position_of_another_epoch_is_not_used() -> None:
    loader = train_loader()
    list(loader)
    resumed = train_loader()
    resumed.load_state_dict(loader.state_dict())
    assert epoch_of(resumed, 1) == epoch_of(train_loader(), 1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (train_loader(seed=1), "seed: 1 is not the 0 that the checkpoint was written with; write that"),
        (train_loader(batch_size=2), "batch_size: 2 is not the 4 that the checkpoint"),
        (train_loader(size=21), "train_size: 21 is not the 22 that the checkpoint"),
    ],
)
def test_refuses_the_position_in_another_order(other: TrainLoader[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        other.load_state_dict(train_loader().state_dict())


def test_eval_loader_keeps_stored_order_and_the_short_last_batch() -> None:
    samples = torch.arange(10)
    loader = EvalLoader(10, 4, lambda part: samples[part].tolist())
    assert list(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3
