"""The counter-based generator: published answers, independence of shape and threads, uniformity."""

import pytest
import torch

from resbench.crossbar.randomness import Stream, gaussian, philox, unit


# Philox 4x32-10 of the Random123 distribution, kat_vectors: counter, key, words.
@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_known_answers(counter: str, key: str, words: str) -> None:
    low, high = (int(part, 16) for part in key.split())
    found = philox(high << 32 | low, *(int(part, 16) for part in counter.split()))
    assert " ".join(f"{int(word):08x}" for word in found) == words


def test_every_whole_number_is_a_seed() -> None:
    draws = {float(Stream.from_seed(seed).uniform((1,))) for seed in (0, 1, -1, 2**40)}
    assert len(draws) == 4


def test_paths_do_not_collide() -> None:
    root = Stream.from_seed(0)
    paths = [root.child("a", 1), root.child("a").child(1), root.child("a", "1"), root.child("a1"), root.child(1, "a")]
    assert len({stream.key for stream in paths}) == len(paths)


def test_numbers_of_a_line_do_not_depend_on_what_else_is_drawn() -> None:
    stream, slot, sample = Stream.from_seed(0), torch.tensor([0, 3, 3]), torch.tensor([1, 0, 7])
    whole = stream.line_words(11, slot, sample, 5)
    assert torch.equal(stream.line_words(6, slot, sample, 5), whole[:, :6])
    assert torch.equal(stream.line_words(11, slot[1:], sample[1:], 5), whole[1:])
    assert not torch.equal(stream.line_words(11, slot, sample, 6), whole)


def test_numbers_do_not_depend_on_threads() -> None:
    threads, stream = torch.get_num_threads(), Stream.from_seed(3)
    draws = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            draws.append(stream.normal((300, 300)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*draws)


def test_moments() -> None:
    stream, n = Stream.from_seed(11), 1_000_000
    normal, uniform = stream.child("normal").normal((n,)).double(), stream.child("uniform").uniform((n,)).double()
    for draw, mean, variance, kurtosis in ((normal, 0, 1, 3), (uniform, 0.5, 1 / 12, 1.8)):
        centred = draw - mean
        assert float(centred.mean()) == pytest.approx(0, abs=4.5 * (variance / n) ** 0.5)
        assert float((centred**2).mean()) == pytest.approx(variance, rel=4.5 * ((kurtosis - 1) / n) ** 0.5)
        assert float((centred**4).mean()) == pytest.approx(kurtosis * variance**2, rel=0.02)


def test_the_four_normals_of_a_counter_are_independent_and_go_by_row_and_number() -> None:
    stream, rows, columns = Stream.from_seed(5), 500, 2000
    row, number = torch.arange(rows)[:, None], torch.arange(columns)[None, :]
    normal = stream.pulse_normals(row, number, columns, 0, 0, 0).double()
    lanes = normal.reshape(rows, -1, 4).flatten(0, 1)
    n = len(lanes)
    assert torch.allclose(lanes.mean(dim=0), torch.zeros(4, dtype=torch.float64), atol=4.5 / n**0.5)
    assert torch.allclose(torch.cov(lanes.T), torch.eye(4, dtype=torch.float64), atol=4.5 * (2 / n) ** 0.5)
    squares = torch.cov((lanes**2 - 1).T) / 2
    assert torch.allclose(squares, torch.eye(4, dtype=torch.float64), atol=4.5 * (28 / n) ** 0.5)
    assert (lanes**4).mean() == pytest.approx(3, rel=0.02)
    words = philox(stream.key, 3 * (columns // 4) + 1, 0, 0, 0)
    assert normal[3, 4] == gaussian(words[0], words[1])
    assert normal[3, 6] == gaussian(words[2], words[3])


def test_the_ends_of_the_ranges() -> None:
    ends = torch.tensor([0, 2**32 - 1])
    assert unit(ends).tolist() == [0.0, 1 - 2.0**-24]
    assert gaussian(ends, torch.zeros(2, dtype=torch.int64)).isfinite().all()
