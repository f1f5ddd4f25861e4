"""What is compiled and what torch does without the compiled kernels are the same numbers; vectors are rounded."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from resbench.crossbar import kernels
from resbench.crossbar.digital import BufferRule, PairRounding, sift, take_steps
from resbench.crossbar.kernels import buffers
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import Rows


def both(compute: Callable[[], Any]) -> tuple[Any, Any]:
    """What the compiled kernels give, and what torch gives."""
    results = []
    for backend in ("cpu", "events"):
        kernels.use(backend)
        results.append(compute())
    return results[0], results[1]


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("forget", [True, False])
@pytest.mark.parametrize("rate", [1.0, 0.001])
def test_what_crosses_the_threshold_is_passed_on(forget: bool, rate: float) -> None:
    lines = torch.tensor([6, 0, 3])

    def compute() -> tuple[Tensor, Tensor | None]:
        buffer = noise(5, 7).T if forget else noise(7, 5)
        return buffer, sift(buffer, lines, noise(3, 5), rate, BufferRule(0.4, 0.1, forget, longest=2))

    (buffer, s), (expected_buffer, expected) = both(compute)
    torch.testing.assert_close(buffer, expected_buffer)
    assert s is not None
    assert expected is not None
    assert torch.equal(s, expected)
    assert s.abs().max() == 2


def test_below_the_threshold_nothing_is_passed_on() -> None:
    compiled, plain = both(
        lambda: sift(torch.zeros(2, 3), torch.tensor([1]), torch.full((1, 3), 0.3), 1.0, BufferRule(0.4, 0.1, True, 31))
    )
    assert compiled is None
    assert plain is None


def test_whole_steps_are_taken_out_of_rows_in_a_circle() -> None:
    def compute() -> tuple[Tensor, Tensor, Tensor]:
        chi = noise(4, 6)
        chi[3] = 0.01  # no step in it
        taken = take_steps(chi, 2, 3, 0.5, continuous=False)
        assert taken is not None
        return chi, *taken

    compiled, plain = both(compute)
    for result, expected in zip(compiled, plain, strict=True):
        torch.testing.assert_close(result, expected)
    chi, busy, _ = compiled
    assert busy.tolist() == [2, 0]
    assert chi[2].abs().max() < 0.5 < chi[1].abs().max()


def test_rates_follow_running_means_that_skip_zeros() -> None:
    largest_x, largest_d = (np.array(values, np.float32) for values in ([0, 2, 0, 4], [1, 1, 3, 0]))
    rates, *means = buffers.running_rates(largest_x, largest_d, 0.0, 0.0, 0.5, 6.0)
    # All x have been 0 at the first, so its rate is not divided.
    assert rates.tolist() == [6.0, 6.0 / 2, 6.0 / (2 * 2), 6.0 / (3 * 2)]
    assert means == [3.0, 2.0]


def test_pairs_are_rounded_relative_to_their_maximum() -> None:
    x, d = torch.tensor([[0.5, -1.0, 0.15], [0.0, 0.0, 0.0]]), torch.tensor([[0.8, -0.3], [0.0, 0.0]])
    rounded = PairRounding(6, 4, False, False)(Rows(x), Rows(d), Stream.from_seed(0), 0)
    torch.testing.assert_close(rounded[0].dense(), torch.tensor([[2 / 3, -1.0, 0.0], [0.0, 0.0, 0.0]]))
    torch.testing.assert_close(rounded[1].dense(), torch.tensor([[0.8, -0.4], [0.0, 0.0]]))


def test_stochastic_rounding_is_unbiased_and_stays_on_its_levels() -> None:
    x = torch.tensor([[1.0, 0.3, -0.8]]).repeat(4000, 1)
    rounded, d = PairRounding(4, 0, True, True)(Rows(x), Rows(x), Stream.from_seed(0), 0)
    assert set(rounded.dense().unique().tolist()) == {-1.0, -0.5, 0.0, 0.5, 1.0}
    torch.testing.assert_close(rounded.dense().mean(dim=0), x[0], atol=0.02, rtol=0)
    assert torch.equal(d.dense(), x)
