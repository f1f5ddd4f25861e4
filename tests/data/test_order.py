from itertools import permutations

import numpy as np
import pytest
from scipy.stats import chisquare

from resbench.data.order import content_permutation, permutation, random_words, stratified_permutation


def test_order_is_fixed_for_all_time() -> None:
    # A checkpoint or a record of an older version means this order.
    assert permutation(8, "order", 0, 0).tolist() == [2, 4, 6, 1, 5, 0, 7, 3]


@pytest.mark.parametrize(
    "other", [("order", 1, 0), ("order", 0, 1), ("augment", 0, 0), ("order", "0", 0), ("order", 0)]
)
def test_every_part_of_the_path_matters(other: tuple[str | int, ...]) -> None:
    assert not np.array_equal(random_words(4, "order", 0, 0), random_words(4, *other))


def test_permutations_are_uniform() -> None:
    index = {p: i for i, p in enumerate(permutations(range(4)))}
    drawn = [index[tuple(permutation(4, "order", seed, 0).tolist())] for seed in range(2400)]
    assert chisquare(np.bincount(drawn, minlength=24)).pvalue > 1e-3


def test_stratified_blocks_hold_the_classes_in_proportion() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])  # sorted by class, as folders of images are
    order = stratified_permutation(labels, "split")
    assert np.array_equal(np.sort(order), np.arange(100))
    for start in range(0, 100, 10):
        assert np.abs(np.bincount(labels[order[start : start + 10]], minlength=3) - [5, 3, 2]).max() <= 1


def test_stratified_members_are_shuffled() -> None:
    labels = np.repeat([0, 1], 50)
    first = stratified_permutation(labels, "split")
    assert not np.array_equal(first, stratified_permutation(labels, "another split"))
    assert np.any(np.diff(first[labels[first] == 0]) < 0)


def test_content_order_follows_the_samples_and_not_their_places() -> None:
    samples = np.arange(60, dtype=np.uint8).reshape(20, 3)
    order = content_permutation(samples)
    assert np.array_equal(np.sort(order), np.arange(20))
    assert not np.array_equal(order, np.arange(20))
    shuffled = samples[permutation(20, "shuffle")]
    assert np.array_equal(shuffled[content_permutation(shuffled)], samples[order])
