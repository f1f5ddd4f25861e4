"""Records in little memory, so that a board of fifty thousand fits into about a gigabyte."""

import zlib
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

from pydantic import TypeAdapter

from resbench.records.schema import Entry, EpochMetrics, LayerEntry, Record

_LAYERS = TypeAdapter(list[LayerEntry])


class Compactor:
    """Makes records smaller: parts that many records share are stored once, and numbers are packed into arrays.

    A compact record has the same content. Its ``epochs`` and ``layers`` are built on access, so it cannot be written
    to a file any more.
    """

    def __init__(self) -> None:
        self._pool: dict[Any, Any] = {}

    def compact(self, record: Record) -> Record:
        """The same record, compact."""
        epochs = record.epochs
        alike = len({tuple(entry.values) for entry in epochs}) == 1
        changes: dict[str, Any] = {
            "layers": PackedLayers(record.layers),
            "config": self._shared(record.config),
            "data": self._shared(record.data),
            "versions": self._shared(record.versions),
            "algorithm": self._entry(record.algorithm),
            "device": record.device and self._entry(record.device),
            "track": self._entry(record.track),
            "hardware": self._entry(record.hardware),
            "git": record.git and self._entry(record.git),
        }
        if alike:
            changes["epochs"] = PackedEpochs(epochs, self._shared(list(epochs[0].values)))
        return record.model_copy(update=changes)

    def _entry(self, entry: Entry) -> Any:
        # With its type: an algorithm and a device of the same content are not the same.
        return self._pool.setdefault((type(entry), entry.model_dump_json()), entry)

    def _shared(self, value: Any) -> Any:
        """Plain data in which equal parts are the same object, also across records."""
        if isinstance(value, dict):
            made: Any = {key: self._shared(item) for key, item in value.items()}
            identity: Any = (dict, tuple(made), tuple(map(id, made.values())))
        elif isinstance(value, list):
            made = [self._shared(item) for item in value]
            identity = (list, tuple(map(id, made)))
        else:
            made, identity = value, (type(value), repr(value))  # 1, 1.0 and True are equal, -0.0 and 0.0 too
        return self._pool.setdefault(identity, made)


class Epoch(NamedTuple):
    """As :class:`~resbench.records.schema.EpochMetrics`, and quick to make."""

    epoch: int
    step: int
    values: dict[str, float]


class PackedEpochs(Sequence[Epoch]):
    """Epochs that all have the same metrics, as arrays of numbers."""

    __slots__ = ("_keys", "_numbers", "_values")

    def __init__(self, epochs: Sequence[EpochMetrics], keys: list[str]) -> None:
        self._keys = keys
        self._numbers = array("q", (number for entry in epochs for number in (entry.epoch, entry.step)))
        self._values = array("d", (entry.values[key] for entry in epochs for key in keys))

    def __len__(self) -> int:
        return len(self._numbers) // 2

    def __iter__(self) -> Iterator[Epoch]:
        numbers, values = iter(self._numbers), iter(self._values)
        for epoch, step in zip(numbers, numbers, strict=True):
            yield Epoch(epoch, step, dict(zip(self._keys, values, strict=False)))  # keys first: no value is lost

    @overload
    def __getitem__(self, index: int) -> Epoch: ...
    @overload
    def __getitem__(self, index: slice) -> list[Epoch]: ...
    def __getitem__(self, index: int | slice) -> Epoch | list[Epoch]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        width = len(self._keys)
        values = self._values[place * width : (place + 1) * width]
        epoch, step = self._numbers[2 * place : 2 * place + 2]
        return Epoch(epoch, step, dict(zip(self._keys, values, strict=True)))


class PackedLayers(Sequence[LayerEntry]):
    """Layers as compressed text."""

    __slots__ = ("_count", "_text")

    def __init__(self, layers: list[LayerEntry]) -> None:
        self._count = len(layers)
        self._text = zlib.compress(_LAYERS.dump_json(layers), 1) if layers else b""

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[LayerEntry]:
        return iter(_LAYERS.validate_json(zlib.decompress(self._text)) if self._count else ())

    @overload
    def __getitem__(self, index: int) -> LayerEntry: ...
    @overload
    def __getitem__(self, index: slice) -> list[LayerEntry]: ...
    def __getitem__(self, index: int | slice) -> LayerEntry | list[LayerEntry]:
        return list(self)[index]
