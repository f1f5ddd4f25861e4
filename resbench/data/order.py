"""Keyed permutations: the order of data is a function of a path such as (seed, epoch), so there is no state to save.

Only raw Philox 4x64-10 words and a stable sort are used. NumPy promises that the words of a bit generator stay the same
between versions; it does not promise this for `Generator.permutation`.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray


def random_words(count: int, *path: str | int) -> NDArray[np.uint64]:
    """The first 64-bit words of the stream keyed by a path.

    Args:
        count: number of words.
        path: the key, for example ``("augment", seed, epoch, batch)``; paths that differ give independent words.

    Returns:
        uint64 ``[count]``.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in path)
    key = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Philox(key=int.from_bytes(key, "little")).random_raw(count)


def permutation(size: int, *path: str | int) -> NDArray[np.int64]:
    """A uniform random permutation of ``0 .. size - 1`` keyed by a path: int64 ``[size]``."""
    return np.argsort(random_words(size, *path), kind="stable")


def stratified_permutation(labels: NDArray[np.int64], *path: str | int) -> NDArray[np.int64]:
    """A keyed permutation in which every contiguous block has the classes in about the proportions of the whole.

    The samples of a class are shuffled and spread evenly: the r-th of n_c samples gets position ``(r + 1/2) / n_c``,
    and all samples are sorted by position. So a data set that was sorted by class can be cut at any place.

    Args:
        labels: class of each sample, int64 ``[n]``.
        path: the key.

    Returns:
        int64 ``[n]``.
    """
    shuffled = permutation(len(labels), *path)
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(position[shuffled], kind="stable")]


def content_permutation(samples: NDArray[np.uint8]) -> NDArray[np.int64]:
    """A permutation that looks random and depends only on the content of the samples, not on how they were stored.

    Args:
        samples: uint8 ``[n, ...]``.

    Returns:
        int64 ``[n]``, the order of the BLAKE2b digests of the samples.
    """
    digests = [hashlib.blake2b(sample.tobytes(), digest_size=8).digest() for sample in samples]
    return np.argsort(np.frombuffer(b"".join(digests), dtype=">u8"), kind="stable")
