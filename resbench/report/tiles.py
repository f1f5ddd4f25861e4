"""The states of tiles over the epochs, as `tiles.jsonl` of a run folder contains them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError, model_validator

from resbench.errors import BadValue
from resbench.records.text import printable

Name = Annotated[str, Field(min_length=1, max_length=1000)]
Count = Annotated[int, Field(ge=0)]
#: No run has more epochs.
MOST_EPOCHS = 10**9


class TileLine(BaseModel):
    """One line of the file: one tile after one epoch. :class:`resbench.callbacks.TileState` explains the quantities."""

    epoch: Annotated[int, Field(ge=0, lt=MOST_EPOCHS)]
    step: Count
    layer: Name
    tile: Name
    gamma: float
    mean: float
    std: float
    saturated: float
    pulses_up: Count
    pulses_down: Count
    transfers_in: Count
    share: float
    range: tuple[float, float]
    histogram: Annotated[list[Count], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _has_devices(self) -> "TileLine":
        if not sum(self.histogram):
            raise BadValue("histogram", "no device", "; count the devices of each bin")
        return self

    @property
    def pulses(self) -> int:
        """Pulses since the start, in both directions."""
        return self.pulses_up + self.pulses_down

    @property
    def devices(self) -> int:
        """Crosspoints of the tile."""
        return sum(self.histogram)


@dataclass
class TileHistory:
    """One tile of one layer over the epochs."""

    layer: str
    name: str
    lines: list[TileLine] = field(default_factory=list)

    @property
    def epochs(self) -> list[int]:
        """Numbers of the epochs, counted from 1."""
        return [line.epoch + 1 for line in self.lines]

    @property
    def pulse_rate(self) -> list[float]:
        """Mean pulses of a device in an epoch, between one line and the next; the first counts from the start."""
        rates, last, epoch = [], 0, 0
        for line in self.lines:
            rates.append((line.pulses - last) / line.devices / max(1, line.epoch + 1 - epoch))
            last, epoch = line.pulses, line.epoch + 1
        return rates


@dataclass
class LayerHistory:
    """The tiles of one layer, the fastest first."""

    name: str
    tiles: list[TileHistory]

    @property
    def epochs(self) -> list[int]:
        """Numbers of the epochs, counted from 1."""
        return self.tiles[0].epochs

    def shares(self) -> list[list[float]]:
        """For each tile, its share of the sum of all norms ``gamma_k ||W_k||`` after each epoch."""
        norms = [[abs(line.share) for line in tile.lines] for tile in self.tiles]
        totals = [sum(values) for values in zip(*norms, strict=True)]
        return [[norm / total if total else 0.0 for norm, total in zip(own, totals, strict=True)] for own in norms]


def read_tiles(path: Path) -> tuple[list[LayerHistory], list[str]]:
    """The layers of a file, and what was wrong with it, in words. A missing file has no layers.

    A killed run may end in half a line, and other programs may have written lines of their own. Such lines are skipped.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"{path.name} cannot be read: {error.strerror}"]
    lines, skipped = [], 0
    for text in content.splitlines():
        try:
            lines.append(TileLine.model_validate_json(text))
        except ValidationError:
            skipped += 1
    notes = [f"{path.name}: {skipped} of {len(lines) + skipped} lines cannot be read and are left out"]
    return _layers(lines), notes if skipped else []


def _layers(lines: Sequence[TileLine]) -> list[LayerHistory]:
    """Histories of the tiles, with the epochs that all tiles of a layer have."""
    found: dict[str, dict[str, TileHistory]] = {}
    for line in lines:
        layer, tile = printable(line.layer), printable(line.tile)
        found.setdefault(layer, {}).setdefault(tile, TileHistory(layer, tile)).lines.append(line)
    layers = []
    for name, tiles in found.items():
        for history in tiles.values():
            history.lines = _ascending(history.lines)
        common = set.intersection(*({line.epoch for line in history.lines} for history in tiles.values()))
        for history in tiles.values():
            history.lines = [line for line in history.lines if line.epoch in common]
        if common:
            layers.append(LayerHistory(name, list(tiles.values())))
    return layers


def _ascending(lines: Sequence[TileLine]) -> list[TileLine]:
    """The last line of each epoch, in the order of epochs."""
    ordered = sorted(lines, key=lambda line: line.epoch)  # stable: of the same epoch, the later one stays last
    kept = [line for line, following in pairwise(ordered) if line.epoch != following.epoch]
    return [*kept, *ordered[-1:]]
